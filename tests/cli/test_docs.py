"""``jobwatch docs``: the pages that lie in the package, as they are."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

import jobwatch
from jobwatch.cli import main
from jobwatch.cli._docs import _text_of, pages

PACKAGE = Path(jobwatch.__file__).parent


def test_every_page_of_the_package_has_a_name_of_its_own() -> None:
    assert set(pages().values()) == set(PACKAGE.rglob("*.md"))
    assert {"agents", "apis", "cli", "core", "models", "watching", "webhooks"} <= set(pages())


def test_without_a_name_it_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in shown] == [["jobwatch", "docs", name] for name in pages()]
    assert any(line.endswith("  The command line") for line in shown)


@pytest.mark.parametrize("name", pages())
def test_a_page_is_printed_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", name.upper()]) == 0
    page, links = pages()[name].read_text("utf-8"), re.compile(r"\]\([^)]*\)")
    assert links.sub("", capsys.readouterr().out) == links.sub("", page)


def test_a_link_to_another_page_says_how_it_is_shown(tmp_path: Path) -> None:
    for name in ("a/README.md", "b.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    text = "[x](../b.md#here), [y](none.md), [z](https://c.test/d.md), [self](README.md)"
    (tmp_path / "a/README.md").write_text(text)
    named = {tmp_path / "a/README.md": "a", tmp_path / "b.md": "b"}
    told = _text_of(tmp_path / "a/README.md", named)
    assert told == "[x](jobwatch docs b), [y](none.md), [z](https://c.test/d.md), [self](jobwatch docs a)"


def test_one_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "webhook"]) == 2
    assert main(["docs", "\x1bx"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("no page is called webhook; did you mean webhooks?")
    assert second.endswith(f"no page is called \\x1bx; there are: {', '.join(pages())}")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
async def test_a_terminal_has_a_pager() -> None:
    import pty

    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jobwatch", "docs", "webhooks"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PAGER": "sed 's/^/paged: /'", "TERM": "xterm"},
    )
    os.close(theirs)
    shown = bytearray()
    loop = asyncio.get_running_loop()
    while True:  # until the other end is closed: Linux says so by an error
        try:
            piece = await loop.run_in_executor(None, os.read, ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert await process.wait() == 0
    assert shown.startswith(b"paged: # Webhooks")
