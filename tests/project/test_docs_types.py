"""What the README and the texts in the folders show passes strict type checkers: each block of Python as it stands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .documents import ROOT, Block, blocks

# boto3 has no types, so that of the source for AWS mypy can say little, and pyright nothing.
UNTYPED = [block for block in blocks("python") if "import boto3" in block.text]
CHECKED = [block for block in blocks("python") if block not in UNTYPED]

GIVEN = {
    "client": "jobwatch.Client[jobwatch.apis.bedrock.BedrockJob]",
    "watcher": "jobwatch.Watcher",
    "app": "aiohttp.web.Application",
}
"""What a block that is the inside of a function may use without having made it, and its type."""

STUBS = ROOT / ".ci" / "stubs"
"""The types of Airflow, which is not installed here."""

MODULES = ("aiohttp.web", "asyncio", "jobwatch", "jobwatch.apis.bedrock", "msgspec", "os")


def module_of(block: Block) -> str:
    """Return a block as a module: as it is where it is one, else as the inside of a function."""
    if re.search(r"^(import|def|async def|class) ", block.text, re.MULTILINE):
        return block.text
    given = [name for name in GIVEN if re.search(rf"\b{name}\b", block.text) and not _makes(block, name)]
    head = f"async def main({', '.join(f'{name}: {GIVEN[name]}' for name in given)}) -> None:\n"
    inside = head + textwrap.indent(block.text, "    ")
    imports = "".join(f"import {name}\n" for name in MODULES if re.search(rf"\b{re.escape(name)}\.", inside))
    return f"{imports}\n\n{inside}"


def _makes(block: Block, name: str) -> bool:
    return re.search(rf"\bas {name}\b|^ *{name} = ", block.text, re.MULTILINE) is not None


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with each block as a module, which is called as it calls itself, or by where it stands."""
    folder = tmp_path_factory.mktemp("blocks")
    for block in CHECKED:
        own_name = re.match(r"# (\w+)\.py$", block.text, re.MULTILINE)
        name = own_name[1] if own_name else re.sub(r"\W+", "_", f"{block.document}_{block.line}")
        (folder / f"{name}.py").write_text(module_of(block), "utf-8")
    return folder


def checked_by(command: list[str], folder: Path) -> str:
    """Run a type checker of this Python's and return what it says where it is not content, else nothing."""
    ran = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def by_mypy(folder: Path) -> str:
    """Return what mypy, strict, says of the modules in a folder."""
    pytest.importorskip("mypy")
    (folder / "mypy.ini").write_text(
        f"[mypy]\nstrict = True\nmypy_path = {ROOT}:{STUBS}\nfollow_imports = silent\n", "utf-8"
    )
    return checked_by(["mypy", "--cache-dir", str(ROOT / ".mypy_cache" / "docs"), "."], folder)


def by_pyright(folder: Path) -> str:
    """Return what pyright, strict, says of the modules in a folder."""
    pytest.importorskip("pyright")
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)], "stubPath": str(STUBS)}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    return checked_by(["pyright", "--pythonpath", sys.executable], folder)


@pytest.mark.slow(in_sample=True)
def test_mypy_is_content_with_each_block(modules: Path) -> None:
    assert by_mypy(modules) == ""


@pytest.mark.slow(in_sample=True)
def test_pyright_is_content_with_each_block(modules: Path) -> None:
    assert by_pyright(modules) == ""


@pytest.mark.slow
def test_they_would_tell_of_a_block_that_is_not_typed(tmp_path: Path) -> None:
    block = Block("README.md", 1, "python", "job = await client.wait_for('j')\nprint(job.wire.last_exit_code)\n")
    (tmp_path / "block.py").write_text(module_of(block), "utf-8")
    for said in (by_mypy(tmp_path), by_pyright(tmp_path)):
        assert "last_exit_code" in said
        assert "CmsJob" in said


def test_all_blocks_are_checked_but_one() -> None:
    assert [block.document for block in UNTYPED] == ["jobwatch/apis/README.md"]
    assert len(CHECKED) >= 12
