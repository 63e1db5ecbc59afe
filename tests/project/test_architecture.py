"""What the import contracts cannot see: pure folders that wait or read a clock, and what is imported late."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jobwatch

PACKAGE = Path(jobwatch.__file__).parent
PURE = ("_core", "_reading", "_report", "_table")
IMPURE_CALLS = frozenset({"now", "today", "utcnow", "open", "print", "input"})


def impurities(tree: ast.AST) -> list[str]:
    """Return what a module does that a pure one may not."""
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_CALLS:
                found.append(f"line {node.lineno} calls {name}()")
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                found.append(f"line {node.lineno} waits")
            case _:
                pass
    return found


def sources(*folders: str) -> list[Path]:
    return [source for folder in folders for source in sorted((PACKAGE / folder).rglob("*.py"))]


@pytest.mark.parametrize("source", sources(*PURE), ids=lambda source: str(source.relative_to(PACKAGE)))
def test_pure_folders_call_no_clock_and_never_wait(source: Path) -> None:
    assert impurities(ast.parse(source.read_text())) == []


@pytest.mark.parametrize("text", ["datetime.now()", "async def f(): pass", "print(1)", "x = open('f')"])
def test_impurities_are_found(text: str) -> None:
    assert impurities(ast.parse(text)) != []


def test_the_top_level_of_the_package_stays_small() -> None:
    entries = [entry.name for entry in PACKAGE.iterdir() if entry.name != "__pycache__"]
    # Three of them are there for those who have the extras airflow, nats and otel, and public names of their own.
    assert len(entries) <= 22, "put a new module into one of the folders"


@pytest.mark.slow
def test_the_map_of_the_house_names_every_folder_and_module() -> None:
    entries = {entry.stem for entry in PACKAGE.iterdir() if entry.suffix in ("", ".py")} - {"__pycache__"}
    named = {name.rstrip("/,") for line in (jobwatch.__doc__ or "").splitlines() for name in line[:28].split()}
    assert entries - {"__init__", "__main__"} - named == set()


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


@pytest.mark.slow
def test_making_a_client_loads_no_aiohttp() -> None:
    script = "import sys, jobwatch; jobwatch.Client('bedrock', token='x'); print('aiohttp' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert loaded == "False"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "needless"),
    [
        ("load_api", ("jobwatch._client", "jobwatch._engine", "jobwatch._http", "jobwatch._watching", "asyncio")),
        ("Webhooks", ("jobwatch._client", "jobwatch._engine", "jobwatch._table", "jobwatch._watching", "asyncio")),
        ("webhook_signature", ("jobwatch._client", "jobwatch._engine", "jobwatch._table", "jobwatch._watching")),
        ("JobFailed", ("jobwatch._client", "jobwatch._models", "msgspec")),
    ],
)
def test_a_public_name_loads_only_what_it_needs(name: str, needless: tuple[str, ...]) -> None:
    script = f"import sys, jobwatch; jobwatch.{name}; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert [module for module in loaded if module.startswith(needless)] == []
