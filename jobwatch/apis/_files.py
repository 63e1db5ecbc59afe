"""Finding and reading the files in which people write APIs down.

An API is named by the path of a TOML file that is one table, by the name of a built-in one, or by a name that stands in
``[tool.jobwatch.apis.NAME]`` of a ``pyproject.toml`` or in ``[apis.NAME]`` of a ``jobwatch.toml``, in this directory or
one above it, or in the ``jobwatch/jobwatch.toml`` of the user's configuration directory. The nearest wins, and no
file takes a built-in name. A file that another user put where everybody can write is passed over: a table says where
a secret is sent.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from .._errors import ConfigError
from .._files.regular import read_regular
from .._models import printable
from .._reading.api import JobAPI
from .._table.compile import api_of
from .._table.fields import TableError
from . import APIS

_HEADER = re.compile(r"\s*\[\[?\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_NAME = re.compile(r"[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'")


def load_api(source: str | os.PathLike[str]) -> JobAPI:
    """Return an API by its name, built in or written down in a file nearby, or by the path of its own file.

    Args:
        source: A path, which has a separator in it or ends with ``.toml``; anything else is a name.

    Raises:
        ConfigError: There is none, or what was written down is wrong; the message names the file, the line and the key.
    """
    text = os.fspath(source)
    if not isinstance(source, str) or text.endswith(".toml") or "/" in text or os.sep in text:
        return _from_file(Path(text).expanduser())
    if text.casefold() in APIS:
        return APIS[text.casefold()]
    names: list[str] = []
    for file, section in _places():
        table, content = _read(file)
        apis = _inner(table, section)
        names += apis
        if text in apis:
            return _made(apis[text], text, file, content, (*section, text))
    found = f", and in files here: {', '.join(sorted(set(names)))}" if names else ""
    raise ConfigError(
        f"no API is called {printable(text)!r}; built in are: {', '.join(APIS)}{found}. A file of your own is given by"
        f" its path: --api ./{printable(text)}.toml"
    )


def _from_file(file: Path) -> JobAPI:
    table, content = _read(file)
    section: tuple[str, ...] = ("tool", "jobwatch", "apis") if file.name == "pyproject.toml" else ("apis",)
    apis = _inner(table, section)
    if not apis:
        return _made(table, file.stem, file, content, ())
    if len(apis) > 1:
        raise ConfigError(f"{file} holds several APIs ({', '.join(apis)}): choose one by its name, from its directory")
    name = next(iter(apis))
    return _made(apis[name], name, file, content, (*section, name))


def _read(file: Path) -> tuple[dict[str, Any], str]:
    try:
        content = read_regular(file).decode("utf-8")
        return tomllib.loads(content), content
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None


def _made(table: object, name: str, file: Path, content: str, section: tuple[str, ...]) -> JobAPI:
    error = TableError((), f"{name} is built in: call yours something else")
    if not section or name.casefold() not in APIS:
        try:
            return api_of(cast("dict[str, object]", table), name)
        except TableError as wrong:
            error = wrong
    key = f"{'.'.join(error.keys)}: " if error.keys else ""
    raise ConfigError(f"{file}:{line_of(content, (*section, *error.keys))}: {key}{error.trouble}")


def _inner(table: Mapping[str, Any], section: tuple[str, ...]) -> dict[str, Any]:
    inner: Any = table
    for name in section:
        inner = cast("dict[str, Any]", inner).get(name) if isinstance(inner, dict) else None
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}


def _places() -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield the files that there are, nearest first, and where in each the APIs stand."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        for name, section in (("pyproject.toml", ("tool", "jobwatch", "apis")), ("jobwatch.toml", ("apis",))):
            if _is_trusted(folder / name):
                yield folder / name, section
    own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "jobwatch" / "jobwatch.toml"
    if _is_trusted(own):
        yield own, ("apis",)


def _is_trusted(file: Path) -> bool:
    """Whether there is such a file, and nobody else can have put it there unasked."""
    try:
        found, folder = file.stat(), file.parent.stat()
    except OSError:
        return False
    anybodys = bool(folder.st_mode & stat.S_IWOTH) and hasattr(os, "getuid") and found.st_uid != os.getuid()
    return stat.S_ISREG(found.st_mode) and not anybodys


def line_of(content: str, keys: tuple[str, ...]) -> int:
    """Return the line of a TOML text on which a key stands, or else the nearest table or key around it.

    Args:
        content: The text.
        keys: The key, from the outermost table in.
    """
    section: tuple[str, ...] = ()
    best, line = 0, 1
    for number, text in enumerate(content.splitlines(), start=1):
        header = _HEADER.match(text)
        key = None if header else _KEY.match(text)
        if header:
            section = _names(header[1])
        here = section if header else (*section, *_names(key[1])) if key else ()
        if len(here) > best and here == keys[: len(here)]:
            best, line = len(here), number
    return line


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in _NAME.findall(dotted))
