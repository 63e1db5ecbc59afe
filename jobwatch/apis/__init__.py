"""The APIs that jobwatch speaks: one short file each, a module where a vendor's bodies need one, else a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .._errors import ConfigError
from .._reading.api import JobAPI

if TYPE_CHECKING:
    from .bedrock import BEDROCK as BEDROCK
    from .capydb import CAPYDB as CAPYDB

_MODULES = ("bedrock", "capydb")
_TABLES = (
    "airflow",
    "azure",
    "databricks",
    "fal",
    "github",
    "gitlab",
    "google",
    "ogc",
    "openai",
    "prefect",
    "replicate",
)


class _BuiltIn(Mapping[str, JobAPI]):
    """The built-in APIs by their names; each is read when it is first asked for."""

    def __init__(self) -> None:
        self._read: dict[str, JobAPI] = {}
        self._names = (*_MODULES, *_TABLES)

    def __getitem__(self, name: str) -> JobAPI:
        if name not in self._read:
            if name not in self._names:
                raise KeyError(name)
            self._read[name] = _from_module(name) if name in _MODULES else _from_table(name)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"APIS({', '.join(self._names)})"


def _from_module(name: str) -> JobAPI:
    from importlib import import_module  # noqa: PLC0415 - only where one is asked for

    api: JobAPI = getattr(import_module(f".{name}", __name__), name.upper())
    return api


def _from_table(name: str) -> JobAPI:
    import tomllib  # noqa: PLC0415 - only where a table is asked for
    from importlib.resources import files  # noqa: PLC0415

    from .._table.compile import api_of  # noqa: PLC0415

    return api_of(tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text("utf-8")), name)


APIS: Mapping[str, JobAPI] = _BuiltIn()
"""Every built-in API by its name."""


def __getattr__(name: str) -> JobAPI:
    if name in {"BEDROCK", "CAPYDB"}:
        return APIS[name.lower()]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def api_named(name: str) -> JobAPI:
    """Return the built-in API of that name.

    Raises:
        ConfigError: There is none; the message lists those that there are.
    """
    try:
        return APIS[name.casefold()]
    except KeyError:
        raise ConfigError(f"no API is called {name!r}; there are: {', '.join(APIS)}") from None


__all__ = ["APIS", "BEDROCK", "CAPYDB", "api_named"]
