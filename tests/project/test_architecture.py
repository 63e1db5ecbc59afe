"""Imports point one way, and the pure modules stay pure: read from the source, so that nothing has to run."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jobwatch

PACKAGE = Path(jobwatch.__file__).parent

# A module may import from the layers above its own, and from its own layer what `WITHIN` allows. New modules go here.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"_errors", "_finishing"}),
    frozenset({"_models"}),
    frozenset(
        {"_sse", "_curve", "_pace", "_api", "_lenient", "_marks", "_tracker", "_change"}
        | {"_paths", "_words", "_conditions", "_problems", "_reader", "_places", "_keys", "_table", "apis"}
    ),
    frozenset(
        {"_budget", "_history", "_lookout", "_retry_after", "_answer", "_address", "_secrets", "_lean", "_credentials"}
        | {"_transport"}
    ),
    frozenset({"_webhooks"}),
    frozenset(
        {
            "_agenda",
            "_batches",
            "_origin",
            "_pages",
            "_streams",
            "_together",
            "_turns",
            "_wakes",
            "_watches",
            "_workers",
            "_poller",
            "_request",
            "_config",
            "_started",
        }
    ),
    frozenset({"_entries", "_journal_lock", "_journal_opening"}),
    frozenset({"_journal_file", "_journal"}),
    frozenset({"_wait", "_completions", "_client"}),
    frozenset({"_deliveries", "_follow", "_roll"}),
    frozenset({"_watcher"}),
    frozenset({"_webhook_apps"}),
    frozenset({"cli"}),
)
WITHIN: dict[str, frozenset[str]] = {
    "_pace": frozenset({"_curve"}),
    "_words": frozenset({"_api"}),
    "_conditions": frozenset({"_paths", "_words"}),
    "_problems": frozenset({"_words"}),
    "_reader": frozenset({"_api", "_paths", "_words", "_conditions", "_problems"}),
    "_places": frozenset({"_paths", "_words", "_conditions", "_reader"}),
    "_keys": frozenset({"_places", "_words"}),
    "_table": frozenset({"_api", "_keys", "_paths", "_words", "_problems", "_reader", "_places"}),
    "apis": frozenset({"_api", "_lenient", "_table", "apis"}),
    "_marks": frozenset({"_api"}),
    "_tracker": frozenset({"_marks"}),
    "_answer": frozenset({"_retry_after"}),
    "_lean": frozenset({"_address"}),
    "_transport": frozenset({"_answer", "_address", "_credentials", "_lean"}),
    "_credentials": frozenset({"_address", "_secrets"}),
    "_together": frozenset({"_agenda", "_batches", "_origin", "_pages", "_turns"}),
    "_poller": frozenset(
        {"_agenda", "_origin", "_pages", "_streams", "_together", "_turns", "_wakes", "_watches", "_workers"}
    ),
    "_streams": frozenset({"_agenda", "_origin", "_watches"}),
    "_wakes": frozenset({"_agenda", "_origin", "_watches"}),
    "_watches": frozenset({"_agenda"}),
    "_turns": frozenset({"_agenda", "_origin"}),
    "_workers": frozenset({"_agenda"}),
    "_journal": frozenset({"_journal_file"}),
    "_completions": frozenset({"_wait"}),
    "_client": frozenset({"_wait", "_completions"}),
    "cli": frozenset({"cli"}),
}
# Stands beside the house: it may know the values, and nothing of the client may know it. The command line serves it.
BESIDE = "testing"
BESIDE_KNOWS = frozenset({"_errors", "_models", BESIDE})

PURE = frozenset(
    {
        "_sse",
        "_errors",
        "_models",
        "_curve",
        "_pace",
        "_api",
        "apis",
        "_marks",
        "_tracker",
        "_retry_after",
        "_answer",
        "_budget",
    }
    | {"_lookout", "_change", "_entries", "_lenient", "_paths", "_words", "_reader", "_places", "_table", "_started"}
    | {"_batches", "_conditions", "_keys", "_problems", "_webhooks"},
)
IMPURE_IMPORTS = frozenset(
    {"aiohttp", "anyio", "asyncio", "os", "pathlib", "random", "secrets", "socket", "ssl", "subprocess", "threading"}
    | {"time", "yarl"}
)
IMPURE_CALLS = frozenset({"now", "today", "utcnow", "open", "print", "input"})
# `_webhook_apps` sends nothing: a handler for aiohttp's server has to answer with aiohttp's response.
NETWORK = frozenset({"_address", "_credentials", "_lean", "_transport", "_webhook_apps", BESIDE})


class Import:
    """One import: the part of the package or the outside module it names, and where it stands."""

    def __init__(self, source: Path, line: int, names: str, inside: bool) -> None:
        self.source = source
        self.line = line
        self.names = names
        self.inside = inside

    def __str__(self) -> str:
        return f"{self.source.relative_to(PACKAGE.parent)}:{self.line} imports {self.names}"


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(source: Path) -> str:
    """Return the module, or for one in a subpackage that subpackage."""
    return source.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_for_types(node: ast.If) -> bool:
    return ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def imports_of(source: Path, tree: ast.AST | None = None) -> list[Import]:
    found: list[Import] = []
    for node in ast.iter_child_nodes(ast.parse(source.read_text()) if tree is None else tree):
        match node:
            case ast.If() if is_for_types(node):
                for other in node.orelse:
                    found += imports_of(source, ast.Module([other], []))
            case ast.Import():
                for alias in node.names:
                    outside, _, rest = alias.name.partition(".")
                    inside = outside == "jobwatch"
                    found.append(Import(source, node.lineno, rest.split(".")[0] if inside else outside, inside))
            case ast.ImportFrom():
                found += [Import(source, node.lineno, *named) for named in named_in(source, node)]
            case _:
                found += imports_of(source, node)
    return found


def named_in(source: Path, node: ast.ImportFrom) -> list[tuple[str, bool]]:
    if not node.level:
        outside, _, rest = (node.module or "").partition(".")
        if outside != "jobwatch":
            return [(outside, False)]
        return [(rest.split(".")[0], True)] if rest else [(alias.name, True) for alias in node.names]
    folder = source.parent
    for _ in range(node.level - 1):
        folder = folder.parent
    where = folder.relative_to(PACKAGE).parts
    if where:
        return [(where[0], True)]
    return [(node.module.split(".")[0], True)] if node.module else [(alias.name, True) for alias in node.names]


def layer_of(part: str) -> int | None:
    return next((depth for depth, layer in enumerate(LAYERS) if part in layer), None)


def is_allowed(part: str, imported: str) -> bool:
    if part == BESIDE:
        return imported in BESIDE_KNOWS
    if imported == BESIDE:
        return part == "cli"
    if imported == "__version__":
        return True
    mine, theirs = layer_of(part), layer_of(imported)
    if mine is None or theirs is None:
        return False
    return theirs < mine or imported in WITHIN.get(part, frozenset())


@pytest.mark.parametrize("source", sources(), ids=lambda source: str(source.relative_to(PACKAGE)))
def test_every_module_has_its_place(source: Path) -> None:
    part = part_of(source)
    assert part in {"__init__", "__main__", BESIDE} or layer_of(part) is not None, (
        f"{part} stands in no layer: add it to LAYERS in {Path(__file__).name}, above what it imports"
    )


@pytest.mark.parametrize("source", sources(), ids=lambda source: str(source.relative_to(PACKAGE)))
def test_imports_point_one_way(source: Path) -> None:
    part = part_of(source)
    if part in {"__init__", "__main__"}:
        return
    wrong = [str(one) for one in imports_of(source) if one.inside and not is_allowed(part, one.names)]
    assert not wrong, f"{part} may not import from its own layer or a later one: {'; '.join(wrong)}"


@pytest.mark.parametrize("source", sources(), ids=lambda source: str(source.relative_to(PACKAGE)))
def test_pure_modules_have_no_clock_no_dice_and_no_io(source: Path) -> None:
    if part_of(source) not in PURE:
        return
    wrong = [str(one) for one in imports_of(source) if not one.inside and one.names in IMPURE_IMPORTS]
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_CALLS:
                wrong.append(f"line {node.lineno} calls {name}()")
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                wrong.append(f"line {node.lineno} waits")
            case _:
                pass
    assert not wrong, f"{part_of(source)} is pure, but {'; '.join(wrong)}"


@pytest.mark.parametrize("source", sources(), ids=lambda source: str(source.relative_to(PACKAGE)))
def test_only_the_transport_touches_the_network(source: Path) -> None:
    if part_of(source) in NETWORK:
        return
    wrong = [str(one) for one in imports_of(source) if one.names in {"aiohttp", "socket", "ssl", "yarl"}]
    assert not wrong, "only the transport may: " + "; ".join(wrong)


def test_the_table_names_only_what_there_is_or_will_be() -> None:
    parts = {part_of(source) for source in sources()}
    will_be = {"_budget", "_history", "_lookout", "cli"}
    assert set().union(*LAYERS) - parts <= will_be
    assert set(WITHIN) <= set().union(*LAYERS)
    assert set().union(*LAYERS) >= PURE


def test_importing_jobwatch_loads_no_http_library() -> None:
    script = (
        "import sys, jobwatch; from jobwatch import *;"
        "print(*sorted({'aiohttp', 'yarl', 'rich', 'jobwatch.testing'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []


def test_the_client_loads_nothing_that_only_some_need() -> None:
    seldom = {"anyio.to_thread", "jobwatch.apis.bedrock", "pathlib", "random", "tempfile", "urllib.parse"}
    script = (
        "import asyncio, msgspec, anyio, sys; before = set(sys.modules); import jobwatch; jobwatch.Client;"
        f"print(*sorted({seldom!r} & (sys.modules.keys() - before)))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []


def test_making_a_client_loads_no_aiohttp() -> None:
    script = "import sys, jobwatch; jobwatch.Client('bedrock', token='x'); print('aiohttp' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert loaded == "False"


# --- the test itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("from ._models import Job", [("_models", True)]),
        ("from . import _wait, __version__", [("_wait", True), ("__version__", True)]),
        ("def f():\n    if x:\n        import aiohttp.web", [("aiohttp", False)]),
        ("try:\n    from jobwatch._engine.poller import Poller\nexcept ImportError:\n    import time", None),
        ("if TYPE_CHECKING:\n    from ._client import Client\nelse:\n    import os", [("os", False)]),
        ("from jobwatch import _client", [("_client", True)]),
    ],
)
def test_imports_are_found_wherever_they_stand(text: str, named: list[tuple[str, bool]] | None) -> None:
    found = [(one.names, one.inside) for one in imports_of(PACKAGE / "_x.py", ast.parse(text))]
    assert found == (named or [("_poller", True), ("time", False)])


def test_relative_imports_are_resolved() -> None:
    tree = ast.parse("from .._api import JobAPI\nfrom .bedrock import BEDROCK\nfrom ... import nothing")
    first, second = imports_of(PACKAGE / "apis" / "new.py", ast.Module(tree.body[:2], []))
    assert (first.names, second.names) == ("_api", "apis")
    assert not is_allowed("_api", "apis")
    assert not is_allowed("_tracker", "_poller")
    assert not is_allowed("_models", "testing")
    assert not is_allowed("_transport", "_nowhere")
