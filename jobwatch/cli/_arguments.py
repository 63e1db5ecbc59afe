"""The arguments after ``jobwatch``, read and checked.

It imports nothing that takes long, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import sys

from .. import __version__
from ._commands import add_commands
from ._option_groups import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SECRETS = ("--token", "--api-key", "--api-token", "--key", "--bearer", "--password")


class Options(argparse.Namespace):
    """The options of all commands; each command uses some."""

    command: str = ""
    debug: bool = False
    json: bool = False
    verbose: int = 0
    api: str | None = None
    source: str | None = None
    token_file: str | None = None
    token_command: str | None = None
    base_url: str | None = None
    api_version: str | None = None
    param: tuple[str, ...] | list[str] = ()
    header: tuple[str, ...] | list[str] = ()
    header_env: tuple[str, ...] | list[str] = ()
    check: str | None = None
    upgrade: str | None = None
    from_openapi: str | None = None
    path: str | None = None
    words: bool = False
    body: str | None = None
    job: str = ""
    jobs: list[str]
    timeout: float | None = None
    min_interval: float | None = None
    max_interval: float | None = None
    poll_cost: float | None = None
    max_rate: float | None = None
    no_history: bool = False
    no_streams: bool = False
    unreachable_after: float | None = None
    appear_within: float | None = None
    max_body: int | None = None
    stable_for: float | None = None
    request_timeout: float | None = None
    proxy: str | None = None
    no_proxy: bool = False
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_ca: str | None = None
    no_fail: bool = False
    accept: list[str] | None = None
    fail_on: list[str] | None = None
    exit_code: list[str] | None = None
    fail_fast: bool = False
    any: bool = False
    outputs: str | None = None
    cursor: str | None = None
    follow_output: bool = False
    summary: str | None = None
    no_summary: bool = False
    timeline: str | None = None
    junit: str | None = None
    exec: str | None = None
    notify: tuple[str, ...] | list[str] = ()
    notify_env: tuple[str, ...] | list[str] = ()
    remind: float | None = None
    file: str = ""
    output: str | None = None
    history: str | None = None
    project: str = ""
    projects: list[str] | None = None
    journal: str | None = None
    serve: str | None = None
    follow_interval: float | None = None
    limit: int = 25
    port: int = 0
    page: str | None = None
    action: str = ""
    url: str | None = None
    prefix: str = "jobwatch"
    shards: int | None = None
    replicas: int | None = None
    credentials: str | None = None
    nats_tls_ca: str | None = None
    nats_tls_cert: str | None = None
    nats_tls_key: str | None = None
    embedded: bool = False
    store: str | None = None
    concurrency: int = 64
    budget: str | None = None
    keep: float | None = None
    stale_after: float | None = None
    follow: bool = False
    shell: str = ""


def parsed(argv: Sequence[str] | None = None) -> Options:
    """Read the command line.

    Raises:
        SystemExit: With 2 after an error, which is printed on stderr; with 0 after ``--help`` or ``--version``.
    """
    parser, commands = _parser()
    words = sys.argv[1:] if argv is None else argv
    if words and not words[0].startswith("-") and words[0] not in commands:
        # Nor is this, unless it is like a command.
        meant = _meant(words[0], commands)
        parser.error(f"there is no command {words[0]}{meant}" if meant else f"commands are {', '.join(commands)}")
    options, left_over = parser.parse_known_args(words, Options())
    unknown = [word.partition("=")[0] for word in left_over if word.startswith("-") and word != "-"]
    if unknown:
        # Their values are not repeated: one of them may have been meant as a token.
        known = _options_of(commands[options.command])
        parser.error(f"unknown option {', '.join(word + _meant(word, known) for word in unknown)}")
    if options.body is not None and options.check is None:
        parser.error("--body goes with --check: the table that is to read it")
    if left_over and options.command not in {"wait", "watch"}:
        parser.error(f"{options.command} takes fewer arguments")
    if left_over:
        options.jobs = [*options.jobs, *left_over]  # ids on both sides of an option
    return options


def _options_of(parser: argparse.ArgumentParser) -> list[str]:
    """Return the options of a command, and of the actions that it has."""
    found: list[str] = []
    # argparse has no public name for the actions.
    for action in parser._actions:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            for each in action.choices.values():  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
                if isinstance(each, argparse.ArgumentParser):
                    found += _options_of(each)
        elif action.help is not argparse.SUPPRESS:
            found += action.option_strings
    return found


def _meant(word: str, known: Iterable[str]) -> str:
    """Return which known word a mistyped one is like, for a message about it."""
    from difflib import get_close_matches  # noqa: PLC0415 - few command lines are mistyped

    close = get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def usual_options() -> dict[str, object]:
    """Return what each option is when it is not given."""
    return {name: getattr(Options, name) for name in Options.__annotations__ if hasattr(Options, name)}


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"jobwatch {__version__}")
        parser.exit()


class _Refused(argparse.Action):
    """An option that would put a token on the command line, where every process of the machine can read it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.error(
            "a token does not belong on the command line, where others can read it: set BEDROCK_API_KEY or"
            " CAPYDB_API_KEY in the environment, or give --token-file; and change a token that was typed here"
        )


def parsers() -> tuple[argparse.ArgumentParser, list[argparse.ArgumentParser]]:
    """Return the parser of the command line, and that of each command, for whoever writes down what there is."""
    parser, commands = _parser()
    return parser, list(commands.values())


def _parser() -> tuple[argparse.ArgumentParser, Mapping[str, Parser]]:
    """Return the parser, and that of each command by its name."""
    common = Parser(add_help=False, allow_abbrev=False)
    common.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show where in jobwatch an unexpected error came from",
    )
    common.add_argument(*_SECRETS, nargs="?", action=_Refused, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser = Parser(
        prog="jobwatch",
        parents=[common],
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_ABOUT,
        epilog=_FIRST_STEPS,
    )
    parser.add_argument(
        "--version", nargs=0, action=_Version, default=argparse.SUPPRESS, help="show the version and exit"
    )
    # With `prog` it need not lay out a usage line to find it.
    commands = parser.add_subparsers(
        prog="jobwatch", dest="command", metavar="COMMAND", required=True, title="commands"
    )
    add_commands(commands, common)
    return parser, commands.choices


_ABOUT = """\
Wait for jobs on other people's HTTP APIs: every state once, the end as soon as
it can be known, few requests."""

_FIRST_STEPS = """\
first steps:
  jobwatch demo                                  see it work; needs nothing
  jobwatch apis                                  which variable holds which token
  jobwatch docs                                  pages to read: options, tables, ...
  jobwatch wait job_01JABCD123 --api bedrock --timeout 30m"""
