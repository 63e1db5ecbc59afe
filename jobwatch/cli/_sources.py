"""The source that ``--source MODULE:NAME`` names."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
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
    except Exception as error:  # noqa: BLE001 - whatever a module of the user's raises
        raise ConfigError(f"--source {name}: importing it raised {_raised(error)}") from None
    for part in attribute.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise ConfigError(f"--source {name}: the module {module_name} has no {part}")
    if isinstance(found, type) or not hasattr(found, "job"):
        if not callable(found):
            raise ConfigError(f"--source {name}: it is no source, and nothing that makes one")
        try:
            found = found()
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            raise ConfigError(f"--source {name}: making it raised {_raised(error)}") from None
    return cast("JobSource", found)


def _raised(error: Exception) -> str:
    """Return what was raised, and where; not its text, which may hold a secret."""
    *_, last = traceback.extract_tb(error.__traceback__)
    where = "" if last.filename == __file__ else f" at {last.filename}:{last.lineno}"
    return type(error).__name__ + where
