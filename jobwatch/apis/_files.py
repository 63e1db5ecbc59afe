"""Finding and reading the files in which people write APIs down.

An API is named by the path of a TOML file that is one table, by the name of a built-in one, or by a name that stands in
``[tool.jobwatch.apis.NAME]`` of a ``pyproject.toml`` or in ``[apis.NAME]`` of a ``jobwatch.toml``, in this directory or
one above it, or in the ``jobwatch/jobwatch.toml`` of the user's configuration directory. The nearest wins, and no
file takes a built-in name. A file that another user put where everybody can write is passed over: a table says where
a secret is sent.
"""

from __future__ import annotations

import bisect
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec.structs import replace

from .._errors import ConfigError
from .._files.regular import read_regular
from .._models import printable
from .._reading.api import JobAPI
from .._reading.bodies import Steps, at
from . import APIS, meant

if TYPE_CHECKING:
    from .._table.draft import Draft
    from .._table.upgrade import Upgraded

_SECTIONS = {"pyproject.toml": ("tool", "jobwatch", "apis"), "jobwatch.toml": ("apis",)}
"""The files that are looked for in this directory and those above it, and where in each the APIs stand."""

_NAME = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LINE = re.compile(rf"\s*+(\[?\[?)\s*+({_NAME}(?:\s*+\.\s*+{_NAME})*+)\s*+[\]=]")
_DEEP_KEY = re.compile(rf"(?<![\w-]){_NAME}(?:[ \t]*+\.[ \t]*+{_NAME}){{100}}")
"""A key of more parts than any table has, for which the parser of the standard library would take very long."""

_LARGEST = 1024 * 1024
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_LARGEST_DOCUMENT = 32 * 1024 * 1024


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
        apis = _apis_in(table, section)
        names += apis
        if text in apis:
            return _with_others(_made(apis[text], text, file, content, (*section, text)), apis, file, content, section)
    found = f", and in files here: {', '.join(sorted(set(names)))}" if names else ""
    raise ConfigError(
        f"no API is called {printable(text)!r}{meant(text, (*APIS, *names))}; built in are: {', '.join(APIS)}{found}."
        f" A file of your own is given by its path: --api ./{printable(text)}.toml"
    )


def upgrade_of(source: str) -> Upgraded:
    """Return a file with tables as it is written today, and what of it could not be said.

    Raises:
        ConfigError: It cannot be read, or is no TOML.
    """
    from .._table.upgrade import upgraded  # noqa: PLC0415 - JMESPath comes with it

    _, content = _read(Path(source).expanduser())
    return upgraded(content)


def api_in(content: str) -> JobAPI:
    """Return the API of a table given as TOML.

    Raises:
        ConfigError: It is wrong; the message names the line and the key.
    """
    file = Path("draft.toml")
    return _made(_parsed(file, content), "draft", file, content, ())


def draft_of(source: str, path: str) -> Draft:
    """Return the first draft of a table, made from an OpenAPI document in JSON.

    Raises:
        ConfigError: It cannot be read, is none, or has no such path.
    """
    from .._table.draft import DraftError, drafted  # noqa: PLC0415 - seldom wanted

    file = Path(source).expanduser()
    try:
        content = read_regular(file, _LARGEST_DOCUMENT + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    if len(content) > _LARGEST_DOCUMENT:
        raise ConfigError(f"{file} is larger than 32 MiB")
    try:
        return drafted(msgspec.json.decode(content), path)
    except DraftError as error:
        raise ConfigError(f"{file}: {printable(str(error))}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ConfigError(f"{file} is no JSON: a document in YAML has to be made into JSON first") from None


def _from_file(file: Path) -> JobAPI:
    table, content = _read(file)
    section = _SECTIONS.get(file.name, ("apis",))
    apis = _apis_in(table, section)
    if not apis:
        return _with_others(_made(table, file.stem, file, content, ()), {}, file, content, ())
    if len(apis) > 1:
        raise ConfigError(f"{file} holds several APIs ({', '.join(apis)}): choose one by its name, from its directory")
    name = next(iter(apis))
    return _with_others(_made(apis[name], name, file, content, (*section, name)), apis, file, content, section)


def _read(file: Path) -> tuple[dict[str, Any], str]:
    try:
        content = read_regular(file, _LARGEST + 1)
        if len(content) > _LARGEST:
            raise ConfigError(f"{file} is larger than 1 MiB: no API takes so much to write down")
        text = content.decode()
        return _parsed(file, text), text
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None


def _parsed(file: Path, content: str) -> dict[str, Any]:
    if (deep := _DEEP_KEY.search(content)) is not None:
        raise ConfigError(f"{file}:{content.count(chr(10), 0, deep.start()) + 1}: a key or path of more than 100 parts")
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None
    except (ValueError, RecursionError) as error:  # the parser lets through what it meets, and not the line
        trouble = "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"
        raise ConfigError(f"{file}:{_line_that_cannot_be_read(content)}: {trouble}") from None


def _line_that_cannot_be_read(content: str) -> int:
    """Return the first line with which a text cannot be parsed any more for another reason than being cut off."""
    lines = content.splitlines(keepends=True)

    def is_beyond(number: int) -> bool:
        try:
            tomllib.loads("".join(lines[: number + 1]))
        except tomllib.TOMLDecodeError:
            return False
        except (ValueError, RecursionError):
            return True
        return False

    return bisect.bisect_left(range(len(lines)), True, key=is_beyond) + 1


def _made(table: object, name: str, file: Path, content: str, section: tuple[str, ...]) -> JobAPI:
    # JMESPath comes with them, which a built-in API that is no table does without.
    from .._table.compile import api_of  # noqa: PLC0415
    from .._table.fields import TableError  # noqa: PLC0415

    error = TableError((), f"{name} is built in: call yours something else")
    if not section or name.casefold() not in APIS:
        try:
            return api_of(cast("dict[str, object]", table), name)
        except TableError as wrong:
            error = wrong
        except RecursionError:
            error = TableError((), "nested too deeply")
    key = f"{'.'.join(error.keys)}: " if error.keys else ""
    raise ConfigError(f"{file}:{line_of(content, (*section, *error.keys))}: {key}{error.trouble}")


def _with_others(api: JobAPI, apis: dict[str, Any], file: Path, content: str, section: tuple[str, ...]) -> JobAPI:
    """Add the APIs by which jobs are read that go on there: built in, in the same file, or beside it in `NAME.toml`."""
    others: dict[str, JobAPI] = {}
    asking = api
    while (name := _missing_in(others, api, asking)) is not None:
        beside = file.with_name(f"{name}.toml")
        if name.casefold() in APIS:
            others[name] = APIS[name.casefold()]
        elif name in apis:
            others[name] = _made(apis[name], name, file, content, (*section, name))
        elif _PLAIN_NAME.fullmatch(name) and beside.is_file():
            table, text = _read(beside)
            others[name] = _made(table, name, beside, text, ())
        else:
            keys = (*section, *((asking.name,) if section else ()), "continues_as")
            raise ConfigError(
                f"{file}:{line_of(content, (*keys, 'api'))}: continues_as.api: no API is called {printable(name)}:"
                f" built in, in this file, or beside it as {printable(name)}.toml"
            )
        asking = others[name]
    return replace(api, others={**api.others, **others}) if others else api


def _missing_in(others: dict[str, JobAPI], *asking: JobAPI) -> str | None:
    """Return an API that one of some names and that is not there yet."""
    for each in asking:
        name = each.continues.api if each.continues is not None else ""
        if name and name not in others and name != asking[0].name:
            return name
    return None


def _apis_in(table: dict[str, Any], section: Steps) -> dict[str, Any]:
    apis = at(table, section)
    return cast("dict[str, Any]", apis) if isinstance(apis, dict) else {}


def _places() -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield the files that there are, nearest first, and where in each the APIs stand."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        for name, section in _SECTIONS.items():
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
        found = _LINE.match(text)
        if found is None:
            continue
        here = tuple(name.strip("\"'") for name in re.findall(_NAME, found[2]))
        if found[1]:
            section = here
        else:
            here = (*section, *here)
        if len(here) > best and here == keys[: len(here)]:
            best, line = len(here), number
    return line
