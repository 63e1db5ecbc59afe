"""The command line: ``jobwatch wait``, ``watch``, ``get``, ``list``, ``timeline``, ``stats``, ``apis`` and others.

A thin layer over `jobwatch.Client`. A command's module is imported when the command is called, so that ``--version``
and ``--help`` cost next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module

from .. import __version__
from .._sync.uninterrupted import Uninterrupted
from ._output import note, patient_streams, say, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._arguments import Options

__all__ = ["main"]

_COMMANDS = {
    "wait": ("_wait", "run"),
    "watch": ("_watch", "run"),
    "get": ("_read", "get"),
    "list": ("_read", "list_jobs"),
    "timeline": ("_timeline", "run"),
    "stats": ("_stats", "run"),
    "apis": ("_apis", "run"),
    "nats": ("_nats", "run"),
    "serve": ("_demo", "serve"),
    "demo": ("_demo", "demo"),
    "docs": ("_docs", "run"),
    "completion": ("_completion", "run"),
}
"""Each command's module and function."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The arguments after the program's name; by default the process's own.
    """
    argv = sys.argv[1:] if argv is None else argv
    with patient_streams():
        try:
            code = _run_command(argv)
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where it can still change the exit code
        except KeyboardInterrupt:
            silence()  # or its reader, if there is one that does not read, would keep us from ending
            return 130
        except BrokenPipeError:
            silence()
            return 141
        except OSError as error:  # about a file: what goes wrong on the network is a fault, and raises a LookError
            silence()
            return _failed(str(error), 2)
    return code


def _run_command(argv: Sequence[str]) -> int:
    if list(argv) == ["--version"]:  # without a parser, which would take longer than Python's own start
        say(f"jobwatch {__version__}")
        return 0
    arguments = import_module("._arguments", __name__)
    try:
        options: Options = arguments.parsed(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 2
    # Not before: they take longer to import than --version and --help may take in all.
    errors = import_module(".._errors", __name__)
    module, function = _COMMANDS[options.command]
    try:
        with Uninterrupted():
            command: Callable[[Options], int] = getattr(import_module(f".{module}", __name__), function)
        return command(options)
    except errors.ConfigError as error:
        return _failed(str(error), 2)
    except errors.LookError as error:
        return _failed(str(error), import_module("._exit_codes", __name__).code_of_error(error))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - left alone it would exit with 1, which means that a job failed
        return _crashed(error, debug=options.debug)


def _failed(text: str, code: int) -> int:
    note(f"error: {text}")
    return code


def _crashed(error: Exception, *, debug: bool) -> int:
    """Report an error that nobody foresaw, with ``debug`` also where it came from."""
    if debug:
        for line in import_module("traceback").format_exception(error):
            for part in line.rstrip().splitlines():
                note(part)
    hint = "" if debug else " (--debug shows where)"
    note(f"error: {type(error).__name__}: {error}{hint}; this is a fault of jobwatch's own")
    return int(import_module("._exit_codes", __name__).OWN_FAULT)
