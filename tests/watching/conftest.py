"""Fixtures of the watcher's tests, and of its journal's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from jobwatch._watching.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "watch.db"


@pytest.fixture
def nothing_is_left() -> Any:
    before = set(threading.enumerate())  # of which one that another test left may end meanwhile
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(3):
        await asyncio.sleep(0)
    assert not {task for task in asyncio.all_tasks() - before if "fixture" not in repr(task)}


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the journal's work done at once and in the loop's own thread, so that virtual time does not run ahead."""

    async def run(_journal: Journal, work: Callable[..., object], *args: object) -> object:
        await asyncio.sleep(0)
        return work(*args)

    monkeypatch.setattr(Journal, "_run", run)
