"""The source that ``--source MODULE:NAME`` names."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, cast

from .._errors import ConfigError

if TYPE_CHECKING:
    from .._core.source import JobSource


def source_named(name: str) -> JobSource:
    """Import a source, from the current folder too, as ``python -m`` does.

    Args:
        name: ``module:name``; what it names is a source, or is called without arguments to make one.

    Raises:
        ConfigError: There is no such module or name, or it is no source.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise ConfigError(f"--source takes MODULE:NAME, such as mine:source, not {name!r}")
    if os.getcwd() not in sys.path:  # noqa: PTH109 - the text that Python itself puts there
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"--source {name}: there is no module {error.name}, here or installed") from None
    except Exception as error:  # whatever a module of the user's raises
        raise ConfigError(f"--source {name}: importing it raised {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise ConfigError(f"--source {name}: the module {module_name} has no {part}")
    if isinstance(found, type) or not hasattr(found, "job"):
        if not callable(found):
            raise ConfigError(f"--source {name}: it is no source, and nothing that makes one")
        found = found()
    return cast("JobSource", found)
