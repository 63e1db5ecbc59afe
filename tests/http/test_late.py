"""aiohttp is imported in a thread, once, and in the loop only where the program has it already."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import types
from unittest import mock

import pytest

from jobwatch._http import late
from jobwatch._http.late import LateImport

PROGRAM = """
import asyncio, sys, threading
threads = {}

class Noting:
    @staticmethod
    def find_spec(name, path=None, target=None):
        threads[name] = threading.current_thread().name

sys.meta_path.insert(0, Noting)
import jobwatch

async def main():
    async with jobwatch.Client("capydb", base_url="http://127.0.0.1:9", token="t") as client:
        looks = await asyncio.gather(*(client.job(f"j{each}") for each in range(5)), return_exceptions=True)
    print(*{type(each).__name__ for each in looks})

asyncio.run(main())
print(*map(threads.get, ("aiohttp", "jobwatch._http.fast")), sep=", ")
print(threads["anyio._backends._asyncio"])
"""


@pytest.mark.slow(in_sample=True)
def test_the_loop_imports_none_of_it() -> None:
    argv = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    looks, http, anyio = done.stdout.splitlines()
    assert looks == "Unreachable"
    assert set(http.split(", ")) == {"jobwatch import"}
    assert anyio == "jobwatch import"


@pytest.mark.parametrize("there", [True, False])
async def test_the_loop_imports_it_where_the_program_has_it(there: bool) -> None:
    threads: list[str] = []

    def noted() -> None:
        threads.append(threading.current_thread().name)

    with (
        mock.patch.object(late, "_is_there", return_value=there),
        mock.patch.object(late, "_import", noted),
    ):
        once = LateImport()
        await asyncio.gather(*(once.done() for _ in range(5)))
    assert once.is_done
    assert threads == [threading.current_thread().name if there else "jobwatch import"]


async def test_what_went_wrong_is_told_each_time() -> None:
    with (
        mock.patch.object(late, "_is_there", return_value=False),
        mock.patch.object(late, "_import", mock.Mock(side_effect=ImportError("no aiohttp"))),
    ):
        once = LateImport()
        for _ in range(2):
            with pytest.raises(ImportError, match="no aiohttp"):
                await once.done()
    assert not once.is_done


async def test_whoever_is_cancelled_meanwhile_leaves_it_to_the_others() -> None:
    go_on = threading.Event()
    with (
        mock.patch.object(late, "_is_there", return_value=False),
        mock.patch.object(late, "_import", go_on.wait),
    ):
        once = LateImport()
        first, second = (asyncio.ensure_future(once.done()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        go_on.set()
        await second
    assert once.is_done


def test_a_module_that_somebody_else_is_importing_is_not_there_yet() -> None:
    assert late._is_there("asyncio")
    assert not late._is_there("jobwatch._http.no_such_module")
    half = types.ModuleType("half_there")
    half.__spec__ = mock.Mock(_initializing=True)
    with mock.patch.dict(sys.modules, {"half_there": half}):
        assert not late._is_there("half_there")
