"""``jobwatch docs``: the pages that come with the package, for whoever has no more than that."""

from __future__ import annotations

import contextlib
import difflib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .._errors import ConfigError
from ._lines import print_columns
from ._output import say_own
from ._render import safe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._arguments import Options

_PACKAGE = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\]\(([\w./-]+\.md)(?:#[\w-]*)?\)")


def run(options: Options) -> int:
    """Print a page, or which pages there are."""
    files = pages()
    if options.page is None:
        print_columns([(f"jobwatch docs {name}", _title(file)) for name, file in files.items()])
        return 0
    name = options.page.casefold()
    if name not in files:
        near = difflib.get_close_matches(name, files, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(files)}"
        raise ConfigError(f"no page is called {safe(options.page)}; {hint}")
    _show(_text_of(files[name], {file: name for name, file in files.items()}))
    return 0


def _text_of(file: Path, names: Mapping[Path, str]) -> str:
    """Return a page, whose links to other pages say how these are shown."""

    def shown(link: re.Match[str]) -> str:
        name = names.get((file.parent / link[1]).resolve())
        return link[0] if name is None else f"](jobwatch docs {name})"

    return _LINK.sub(shown, file.read_text("utf-8"))


def pages() -> dict[str, Path]:
    """Return the file of each page by its name: that of its folder, or of the file itself where it is no README."""
    files = sorted(_PACKAGE.rglob("*.md"))
    named = {(file.parent.name.lstrip("_") if file.stem == "README" else file.stem.lower()): file for file in files}
    return dict(sorted(named.items()))


def _title(file: Path) -> str:
    with file.open(encoding="utf-8") as lines:
        return next(lines).lstrip("# ").rstrip()


def _show(text: str) -> None:
    """Print a page, through the reader's pager where there is a terminal to read on."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout and sys.stdout.isatty()):
        say_own(text)
        return
    from pydoc import pager  # noqa: PLC0415 - it takes long to import, and a pipe needs none

    with contextlib.suppress(KeyboardInterrupt):
        pager(text)
