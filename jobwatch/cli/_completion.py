"""``jobwatch completion``: a script by which a shell completes commands, options, APIs and file names."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .._errors import ConfigError
from ..apis import APIS
from ._arguments import parser_of_all
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
    parser = parser_of_all()
    for action in _actions(parser):
        if any(name in action.option_strings for name in _API):
            action.choices = sorted(APIS)  # this parser reads no command line: files may still be given there
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    say_own(shtab.complete(parser, options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    # argparse has no public names for these.
    for action in parser._actions:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            for command in action.choices.values():
                yield from _actions(command)
