"""``jobwatch stats``: how long each kind of job took, and when jobwatch would look at one, from a history's file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._errors import ConfigError
from .._files.history import History
from .._files.written import WholeFile
from .._report.stats import KindPicture, kinds_of
from .._report.words import duration
from ._lines import print_columns, print_json
from ._output import note, without_secrets
from ._render import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._arguments import Options

_HEADINGS = ("API", "TYPE", "FROM", "JOBS", "SHORTEST", "MEDIAN", "90 %", "LONGEST", "LOOKS", "KNOWN AFTER")


def run(options: Options) -> int:
    """Print what a history knows, and draw it where a file for that is named."""
    path = _path(options.history)
    if not path.exists():
        raise ConfigError(f"there is no history {path}: name one with --history, or wait for a job first")
    file, draw = None, None
    if options.output is not None:
        if not options.output.lower().endswith(".svg"):
            raise ConfigError(f"--output {options.output}: the file's name must end with .svg")
        file, draw = WholeFile(options.output, "--output"), _picture()
    kinds = kinds_of(History(path))
    if options.json:
        for kind in kinds:
            print_json(kind.stats)
    elif kinds:
        print_columns([_HEADINGS, *map(_row, kinds)])
    if not kinds:
        note(f"{safe(str(path))} knows no job yet")
    if file is not None and draw is not None:
        file.write(without_secrets(draw(kinds)).encode())
        note(f"wrote {safe(options.output or '')}")
    return 0


def _path(given: str | None) -> Path:
    if given is not None:
        return Path(given)
    from ._clients import history_path  # noqa: PLC0415 - it imports the client

    path = history_path()
    if path is None:
        raise ConfigError("name the history's file with --history; for the usual one, install jobwatch-client[cli]")
    return path


def _picture() -> Callable[[Sequence[KindPicture]], str]:
    try:
        from .._report.stats_picture import picture  # noqa: PLC0415 - matplotlib is an extra, and takes long to import
    except ImportError:
        raise ConfigError("--output needs matplotlib: pip install 'jobwatch-client[pictures]'") from None
    return picture


def _row(kind: KindPicture) -> tuple[str, ...]:
    stats = kind.stats
    return (
        safe(stats.api),
        {"*": "(all)", "": "-"}.get(stats.type) or safe(stats.type),
        stats.phase.value,
        str(stats.jobs),
        *map(duration, (stats.shortest, stats.median, stats.most, stats.longest)),
        f"{stats.looks:g}",
        duration(stats.late),
    )
