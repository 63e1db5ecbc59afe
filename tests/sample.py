"""Which of the slow tests a plain ``python -m pytest`` runs: a fixed sample.

The same tests each time, whatever the order and whoever asks, so that a run can be repeated; and some of each kind. A
path, ``-k`` or ``-m`` asks for tests by name: then all that these select run. ``python -m tests.all`` runs everything.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest

ONE_IN = 4
"""Of how many slow tests one is in the sample, about."""

_COUNTS = pytest.StashKey[tuple[int, int]]()
_OF_WORKERS = pytest.StashKey[tuple[int, int]]()


def chosen(names: Iterable[str], kind_of: Callable[[str], str], one_in: int = ONE_IN) -> set[str]:
    """Return the same part of some names each time.

    Args:
        names: all there are, in any order.
        kind_of: tells the kind of a name; of each kind at least one is chosen.
        one_in: of how many names one is chosen, by its checksum, so that other names make no difference to it.
    """
    least: dict[str, tuple[int, str]] = {}
    sample: set[str] = set()
    for name in names:
        checked = zlib.crc32(name.encode()), name
        least[kind_of(name)] = min(checked, least.get(kind_of(name), checked))
        if checked[0] % one_in == 0:
            sample.add(name)
    return sample | {name for _, name in least.values()}


def is_sampled(config: pytest.Config) -> bool:
    """Return whether pytest was asked for no tests in particular."""
    if hasattr(config, "workerinput"):  # a process of pytest-xdist, which is asked for all paths by name
        return bool(config.workerinput["is_sampled"])
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    return not (named or config.option.keyword or config.option.markexpr)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the slow tests that are not in the sample."""
    if not is_sampled(config):
        return
    slow = {item.nodeid: mark for item in items if (mark := item.get_closest_marker("slow")) is not None}
    always = {name for name, mark in slow.items() if mark.kwargs.get("in_sample")}
    kept = always | chosen(slow.keys() - always, lambda name: name.partition("::")[0])
    config.stash[_COUNTS] = len(kept), len(slow)
    if hasattr(config, "workeroutput"):
        config.workeroutput["slow_tests"] = config.stash[_COUNTS]
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in slow.keys() - kept])
    items[:] = [item for item in items if item.nodeid not in slow or item.nodeid in kept]


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    """Say what was left out, also where little is said."""
    return _said(*config.stash[_COUNTS]) if _COUNTS in config.stash else ""


def _said(kept: int, slow: int) -> str:
    return f"slow tests: {kept} of {slow}, the same each time; all with python -m tests.all"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist whether it runs a sample."""
    node.workerinput["is_sampled"] = is_sampled(node.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from it what was left out."""
    if "slow_tests" in getattr(node, "workeroutput", {}):
        node.config.stash[_OF_WORKERS] = tuple(node.workeroutput["slow_tests"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say it where the tests were collected by others."""
    if _OF_WORKERS in config.stash:
        terminalreporter.write_line(_said(*config.stash[_OF_WORKERS]))
