"""``jobwatch completion``: a script by which a shell completes commands, options, APIs and file names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import ConfigError
from ..apis import APIS
from ._arguments import parsers
from ._output import say_own

if TYPE_CHECKING:
    from ._arguments import Options

_API = ("--api", "--check")
_FILES = ("FILE", "./FILE")


def run(options: Options) -> int:
    """Print the script for a shell.

    Raises:
        ConfigError: shtab is not installed, which writes it.
    """
    try:
        import shtab  # noqa: PLC0415 - it is an extra
    except ImportError:
        raise ConfigError("completion needs shtab: pip install 'jobwatch-client[cli]'") from None
    parser, commands = parsers()
    # argparse has no public name for the actions.
    for action in (each for command in commands for each in command._actions):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if any(name in action.option_strings for name in _API):
            action.choices = sorted(APIS)  # this parser reads no command line: files may still be given there
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    say_own(shtab.complete(parser, options.shell))
    return 0
