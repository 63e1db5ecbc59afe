"""The APIs that jobwatch speaks: one short file each, a module where a vendor's bodies need one, else a table."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from .._errors import ConfigError
from .._reading.api import JobAPI

if TYPE_CHECKING:
    from pathlib import Path

    from .bedrock import BEDROCK as BEDROCK
    from .capydb import CAPYDB as CAPYDB


class _BuiltIn(Mapping[str, JobAPI]):
    """The APIs that have a file in this folder, by their names; each is read when it is first asked for."""

    def __init__(self) -> None:
        self._read: dict[str, JobAPI] = {}

    @functools.cached_property
    def _files(self) -> dict[str, Path]:
        from pathlib import Path  # noqa: PLC0415 - 3 ms to import, and seldom wanted

        folder = Path(__file__).parent
        files = [*sorted(folder.glob("[!_]*.py")), *sorted(folder.glob("*.toml"))]
        return {file.stem: file for file in files}

    def __getitem__(self, name: str) -> JobAPI:
        if name not in self._read:
            is_module = name in GROUPS["Modules"]  # which is found without reading the folder
            self._read[name] = _from_module(name) if is_module else _from_file(self._files[name])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"APIS({', '.join(self)})"


def _from_module(name: str) -> JobAPI:
    api: JobAPI = getattr(import_module(f".{name}", __name__), name.upper())
    return api


def _from_file(file: Path) -> JobAPI:
    if file.suffix == ".py":
        return _from_module(file.stem)
    import tomllib  # noqa: PLC0415 - 2 ms to import, and wanted where a table is asked for

    from .._table.compile import api_of  # noqa: PLC0415 - 10 ms to import with what it needs

    return api_of(tomllib.loads(file.read_text("utf-8")), file.stem)


APIS: Mapping[str, JobAPI] = _BuiltIn()
"""Every built-in API by its name."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Modules": ("bedrock", "capydb"),
    "Agents": ("a2a", "a2a-rpc", "mcp"),
    "Models": ("anthropic", "fal", "mistral", "openai", "openai-responses", "replicate", "vertex"),
    "Builds": ("buildkite", "github", "gitlab", "jenkins", "jenkins-build"),
    "Workflows": ("airflow", "argo", "ogc", "prefect", "slurm", "slurmdb", "tekton", "wes"),
    "Data": ("bigquery", "databricks", "elasticsearch", "ray", "snowflake"),
    "Clouds": ("azure", "azure-arm", "google", "kubernetes-job", "terraform"),
}
"""What the built-in APIs are for: each stands in one group."""


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
        raise ConfigError(f"no API is called {name!r}{meant(name, APIS)}; there are: {', '.join(APIS)}") from None


def meant(name: str, known: Iterable[str]) -> str:
    """Return which of the known names a mistyped one is like, for a message about it; empty if it is like none."""
    from difflib import get_close_matches  # noqa: PLC0415 - few names are mistyped

    close = get_close_matches(name.casefold(), list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


__all__ = ["APIS", "BEDROCK", "CAPYDB", "GROUPS", "api_named"]
