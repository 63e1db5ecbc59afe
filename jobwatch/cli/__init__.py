"""The command line: ``jobwatch wait``, ``get``, ``list``, ``apis``, ``serve`` and ``demo``.

Another view on the client. A command's module is imported when the command is called, so that ``--version`` and
``--help`` cost next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module

from ._output import escape_what_cannot_be_encoded, note, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._errors import JobwatchError
    from ._arguments import Options

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The arguments after the program's name; by default the process's own.
    """
    argv = sys.argv[1:] if argv is None else argv
    if list(argv) == ["--version"]:  # without a parser, which would take longer than Python's own start
        print(f"jobwatch {import_module('jobwatch').__version__}")
        return 0
    arguments = import_module("._arguments", __name__)
    try:
        options: Options = arguments.parsed(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 2
    try:
        return _called(options)
    except KeyboardInterrupt:
        return 130


def _called(options: Options) -> int:
    from .._errors import ConfigError, LookError  # noqa: PLC0415 - see the module's docstring

    escape_what_cannot_be_encoded()
    try:
        command: Callable[[Options], int] = import_module(f"._{options.command}", __name__).run
        return command(options)
    except ConfigError as error:
        return _told(error, 2)
    except LookError as error:
        codes = import_module("._exit_codes", __name__)
        return _told(error, codes.code_of_error(error))
    except BrokenPipeError:
        silence()
        return 141
    except OSError as error:  # what the network does is a fault, not an exception: this is about files
        silence()
        return _told(error, 2)
    except Exception as error:  # noqa: BLE001 - left alone it would exit with 1, which means that a job failed
        return int(import_module("._crash", __name__).told(error, debug=options.debug))


def _told(error: JobwatchError | OSError, code: int) -> int:
    text = import_module("._text", __name__)
    note(f"error: {text.safe(str(error))}")
    return code
