"""The arguments after ``jobwatch``, read and checked.

It imports nothing that takes long, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import sys

from .. import __version__
from .._reading.periods import seconds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import NoReturn

    from _typeshed import SupportsWrite

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


def duration(text: str) -> float:
    """Read a duration, such as ``90``, ``45s``, ``30m``, ``1h30m`` or ``250ms``, in seconds.

    Raises:
        argparse.ArgumentTypeError: It is none, or is longer than ten years.
    """
    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _above_zero(text: str) -> float:
    seconds = duration(text)
    if seconds <= 0.0:
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0")
    return seconds


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of requests a second above 0, such as 2 or 0.5")
    return rate


def _size(text: str) -> int:
    from .._reading.sizes import size_of  # noqa: PLC0415 - few commands name one

    try:
        return size_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
    return int(text)


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word.strip()]


def _count(text: str) -> int:
    return _whole(text, 1, 10_000)


def _limit(text: str) -> int:
    return _whole(text, 1, 1_000_000)


def _port(text: str) -> int:
    return _whole(text, 0, 65_535)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and never repeat what might be a secret."""

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        # argparse itself says nothing where help that is longer than the stream's buffer cannot be written.
        (sys.stdout if file is None else file).write(self.format_help())

    def error(self, message: str) -> NoReturn:
        from ._render import safe  # noqa: PLC0415 - it imports msgspec, and --help needs none of it

        self.exit(2, f"{self.prog}: error: {safe(message)} (see {self.prog} --help)\n")


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


def _parser() -> tuple[argparse.ArgumentParser, Mapping[str, _Parser]]:
    """Return the parser, and that of each command by its name."""
    common = _Parser(add_help=False, allow_abbrev=False)
    common.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show where in jobwatch an unexpected error came from",
    )
    common.add_argument(*_SECRETS, nargs="?", action=_Refused, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser = _Parser(
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
    _add_wait(commands, common)
    _add_watch(commands, common)
    _add_get(commands, common)
    _add_list(commands, common)
    _add_timeline(commands, common)
    _add_stats(commands, common)
    _add_apis(commands, common)
    _add_nats(commands, common)
    _add_serve(commands, common)
    _add_demo(commands, common)
    _add_docs(commands, common)
    _add_completion(commands, common)
    return parser, commands.choices


if TYPE_CHECKING:
    # argparse has no public names for these two.
    _Commands = argparse._SubParsersAction[_Parser]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    _Group = argparse._ActionsContainer  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _command(commands: _Commands, common: _Parser, name: str, about: str, epilog: str | None = None) -> _Parser:
    return commands.add_parser(
        name,
        parents=[common],
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        help=about[0].lower() + about[1:].partition(". ")[0].rstrip("."),
        description=about,
        epilog=epilog,
    )


def _add_wait(commands: _Commands, common: _Parser) -> None:
    wait = _command(commands, common, "wait", "Wait for jobs to end, and exit by how they ended.", _WAIT_EPILOG)
    wait.add_argument(
        "jobs", nargs="+", metavar="JOB", help="a job's id or its URL at the API, or - for the response that started it"
    )
    _add_api(wait)
    limits = wait.add_argument_group("how long", "Durations: 90, 45s, 30m, 1h30m, 250ms.")
    limits.add_argument("--timeout", type=duration, metavar="TIME", help="give up after this long (default: never)")
    limits.add_argument(
        "--unreachable-after",
        type=duration,
        metavar="TIME",
        help="give up when every look has failed for this long (default: 5m)",
    )
    _add_patience(limits)
    _add_pace(wait)
    output = wait.add_argument_group("output")
    _add_json(output, "one JSON object a line on stdout, and nothing else there")
    output.add_argument(
        "--follow-output",
        action="store_true",
        help="print on stderr what the jobs write, as looks show it, where the API tells it (CapyDB does)",
    )
    _add_verdict(output)
    enough = output.add_mutually_exclusive_group()
    enough.add_argument(
        "--fail-fast", action="store_true", help="end with the first job that ends badly; the others go on"
    )
    enough.add_argument(
        "--any", action="store_true", help="end with the first job that ends well, which is exit 0; the others go on"
    )
    output.add_argument(
        "--outputs",
        metavar="FILE",
        help="write how it ended as NAME=value lines, for later steps; GITHUB_OUTPUT is written without this",
    )
    output.add_argument(
        "--cursor",
        metavar="FILE",
        help="keep in this file what was printed: the same command, run again, prints only the rest",
    )
    output.add_argument(
        "--fail-on",
        type=_words,
        action="extend",
        metavar="STATES",
        help="blocked: end the wait for a job once two looks, 10 s apart, have shown that it waits for a person",
    )

    _add_telling(wait)
    _add_reports(wait)


def _add_patience(limits: _Group) -> None:
    limits.add_argument(
        "--appear-within",
        type=duration,
        metavar="TIME",
        help="for how long the API may not know a new job before that is believed (default: 10s)",
    )
    limits.add_argument(
        "--stable-for",
        type=duration,
        metavar="TIME",
        help="believe an end only when a look at least this much later still shows it (default: what the table says,"
        " else at once)",
    )


def _add_pace(parser: _Parser) -> None:
    pace = parser.add_argument_group("how often to look", "The time between looks grows with the job's age.")
    pace.add_argument("--min-interval", type=_above_zero, metavar="TIME", help="never more often (default: 500ms)")
    pace.add_argument("--max-interval", type=_above_zero, metavar="TIME", help="never less often (default: 1m)")
    pace.add_argument(
        "--poll-cost",
        type=_above_zero,
        metavar="TIME",
        help="what one request is worth in delay: four times this, half the looks (default: 30ms)",
    )
    pace.add_argument(
        "--max-rate", type=_rate, metavar="N", help="at most N requests a second in all (default: what the API allows)"
    )
    pace.add_argument(
        "--no-history",
        action="store_true",
        help="neither use nor keep what earlier jobs took, which else is kept in your cache directory, where the extra"
        " jobwatch-client[cli] is installed",
    )
    pace.add_argument(
        "--no-streams",
        action="store_true",
        help="only look, and follow no stream of events where the API has one (Bedrock)",
    )


def _add_verdict(output: _Group) -> None:
    output.add_argument(
        "--no-fail",
        action="store_true",
        help="exit 0 however the jobs ended, as long as each was read to its end",
    )
    output.add_argument(
        "--accept",
        type=_words,
        action="extend",
        metavar="ENDS",
        help="exit 0 for these ends too: partial, finished, failed, cancelled, with commas between",
    )
    output.add_argument(
        "--exit-code",
        action="append",
        metavar="END=CODE",
        help="exit with another code for an end, such as timeout=75; once for each",
    )


def _add_watch(commands: _Commands, common: _Parser) -> None:
    about = "Watch everything that runs, for as long as you like: jobs, projects, or what a service watches."
    watch = _command(commands, common, "watch", about, _WATCH_EPILOG)
    watch.add_argument("jobs", nargs="*", metavar="JOB", help="a job's id, or its URL at the API")
    watch.add_argument(
        "--project",
        dest="projects",
        action="append",
        metavar="ID",
        help="the jobs of a project that go on now, and every one that it starts from now on; once for each",
    )
    watch.add_argument(
        "--journal",
        metavar="FILE",
        help="show what is in a watcher's journal as it changes: read only, nothing is asked or acknowledged",
    )
    _add_api(watch)
    limits = watch.add_argument_group("how long", "Durations: 90, 45s, 30m, 1h30m, 250ms.")
    limits.add_argument(
        "--unreachable-after",
        type=duration,
        metavar="TIME",
        help="call a job unreachable when every look has failed for this long (default: 5m); looks go on",
    )
    _add_patience(limits)
    limits.add_argument(
        "--follow-interval",
        type=_above_zero,
        metavar="TIME",
        help="with --project: how often to ask which jobs there are (default: 30s)",
    )
    _add_pace(watch)
    output = watch.add_argument_group("output")
    output.add_argument(
        "--serve",
        metavar="HOST:PORT",
        help="show the jobs on a page in your browser, such as at 127.0.0.1:8787, by the link that is printed; port 0"
        " takes a free one. Only this machine can reach 127.0.0.1: read jobwatch docs page before you take another",
    )
    _add_json(output, "one JSON object a line on stdout, as wait --json gives them, and nothing else there")
    _add_verdict(output)
    _add_telling(watch)


def _add_telling(wait: _Parser) -> None:
    telling = wait.add_argument_group(
        "telling somebody", "What goes wrong with it is a note on stderr, and never changes the exit code."
    )
    telling.add_argument(
        "--exec",
        metavar="COMMAND",
        help="run this, without a shell, when a job has ended or waits for a person, with JOBWATCH_JOB_ID,"
        " JOBWATCH_OUTCOME and more in its environment",
    )
    telling.add_argument(
        "--notify",
        action="append",
        default=[],
        metavar="URL",
        help="send a message by Apprise when it is over, and when a job waits for a person; once for each place",
    )
    telling.add_argument(
        "--notify-env",
        action="append",
        default=[],
        metavar="VARIABLE",
        help="the same for a URL that others may not read, as most hold secrets: the environment variable that has it",
    )
    telling.add_argument(
        "--remind",
        type=_above_zero,
        metavar="TIME",
        help="send another message if a job still waits for a person after this long",
    )


def _add_reports(wait: _Parser) -> None:
    reports = wait.add_argument_group("reports", "Files that are written when the wait is over, whole or not at all.")
    reports.add_argument(
        "--summary",
        metavar="FILE",
        help="a table of the jobs in Markdown, and their states as a Mermaid chart; on GitHub Actions it is added to"
        " the step's summary without being asked for",
    )
    reports.add_argument("--no-summary", action="store_true", help="add nothing to GitHub's step summary")
    reports.add_argument(
        "--timeline", metavar="FILE", help="a picture of the states over time, as FILE.svg, or FILE.html with a table"
    )
    reports.add_argument("--junit", metavar="FILE", help="the jobs as test results, in JUnit's XML")


def _add_get(commands: _Commands, common: _Parser) -> None:
    get = _command(
        commands,
        common,
        "get",
        "Read one job, once, and show all that the API tells of it. A job that failed was read, so that is exit 0.",
        _READ_EPILOG,
    )
    get.add_argument("job", metavar="JOB", help="the job's id, or its URL at the API")
    _add_api(get)
    _add_json(get, "one JSON object; the API's own record is under 'wire'")


def _add_list(commands: _Commands, common: _Parser) -> None:
    listing = _command(
        commands, common, "list", "List a project's latest jobs, where the API has a list (CapyDB has).", _READ_EPILOG
    )
    listing.add_argument("--project", required=True, metavar="ID", help="the project's id")
    listing.add_argument("--limit", type=_limit, default=25, metavar="N", help="how many at most (default: 25)")
    _add_api(listing)
    _add_json(listing, "one JSON object a line for each job")


def _add_timeline(commands: _Commands, common: _Parser) -> None:
    about = "Draw the states of jobs over time, and how late their ends were known."
    timeline = _command(commands, common, "timeline", about, _FILES_EPILOG)
    timeline.add_argument(
        "file", metavar="FILE", help="a watcher's journal, or what jobwatch wait --json has printed; - for stdin"
    )
    timeline.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="the picture: FILE.svg, or FILE.html with a table"
    )


def _add_stats(commands: _Commands, common: _Parser) -> None:
    about = "Show how long each kind of job took, and how often jobwatch would look at one."
    stats = _command(commands, common, "stats", about, _FILES_EPILOG)
    stats.add_argument("--history", metavar="FILE", help="the history (default: the one in your cache directory)")
    stats.add_argument("-o", "--output", metavar="FILE", help="draw it, too, as FILE.svg (needs matplotlib)")
    _add_json(stats, "one JSON object a line for each kind")


def _add_apis(commands: _Commands, common: _Parser) -> None:
    about = "Show the APIs, their variables and whether a token is set."
    apis = _command(commands, common, "apis", about, _APIS_EPILOG)
    apis.add_argument("--check", metavar="API", help="check a table, ./my.toml or a name, and say what it sends where")
    apis.add_argument(
        "--body", metavar="FILE", help="with --check: show what it reads from a sample reply (- for stdin)"
    )
    apis.add_argument(
        "--upgrade", metavar="FILE", help="print a table of the time before its places were JMESPath as one of today"
    )
    apis.add_argument(
        "--from-openapi",
        metavar="FILE",
        help="print the first draft of a table, made from an OpenAPI 3 document (JSON)",
    )
    apis.add_argument("--path", metavar="PATH", help="with --from-openapi: the path of one job, such as /jobs/{id}")
    apis.add_argument("--words", action="store_true", help="print the words that need no entry in a table, by phase")
    _add_json(apis, "one JSON object a line for each API, for the sample, or for the words")


def _add_nats(commands: _Commands, common: _Parser) -> None:
    about = "Watch jobs on NATS JetStream, with any number of workers. See jobwatch docs nats."
    nats = _command(commands, common, "nats", about, _NATS_EPILOG)
    actions = nats.add_subparsers(
        prog="jobwatch nats", dest="action", metavar="ACTION", required=True, title="actions", parser_class=_Parser
    )
    worker = _command(actions, common, "worker", "Look at jobs that are due, until Ctrl-C or SIGTERM.", _NATS_EPILOG)
    worker.add_argument(
        "--embedded", action="store_true", help="start a server on loopback first, for trying things, where --url says"
    )
    worker.add_argument("--store", metavar="DIR", help="with --embedded: where it keeps its data")
    worker.add_argument(
        "--concurrency", type=_count, default=64, metavar="N", help="how many looks at once (default: 64)"
    )
    worker.add_argument(
        "--max-rate", type=_rate, metavar="N", help="at most N requests a second of all workers; the lowest N holds"
    )
    worker.add_argument(
        "--budget",
        metavar="NAME",
        help="share requests with the workers of that name (default: those of the same token)",
    )
    worker.add_argument(
        "--keep", type=_above_zero, metavar="TIME", help="for how long changes and ends are kept (default: 720h)"
    )
    worker.add_argument(
        "--stale-after", type=_above_zero, metavar="TIME", help="tell that looks have failed for so long (default: 1m)"
    )
    add = _command(actions, common, "add", "Have jobs watched.", _NATS_EPILOG)
    add.add_argument("jobs", nargs="*", metavar="JOB", help="a job's id, or its URL at the API")
    add.add_argument("--project", default="", metavar="ID", help="the jobs of a project that go on now")
    add.add_argument("--limit", type=_limit, default=25, metavar="N", help="how many of them at most (default: 25)")
    add.add_argument(
        "--follow",
        action="store_true",
        help="with --project: and every job that it starts from now on",
    )
    remove = _command(actions, common, "remove", "Stop watching jobs, and forget them.", _NATS_EPILOG)
    remove.add_argument("jobs", nargs="*", metavar="JOB", help="a job's id, or its URL at the API")
    remove.add_argument("--project", default="", metavar="ID", help="stop following a project; its jobs stay watched")
    listing = _command(actions, common, "list", "Show what is watched, and how far readers are.", _NATS_EPILOG)
    for each in (worker, add, remove, listing):
        _add_nats_server(each)
        _add_api(each)
        if each is not worker:
            _add_json(each, "one JSON object a line for each job")


def _add_nats_server(parser: _Parser) -> None:
    server = parser.add_argument_group("which NATS server", "2.14 or newer, with JetStream.")
    server.add_argument(
        "--url",
        metavar="URL",
        help="its URL, or several with commas between (default: JOBWATCH_NATS_URL, else nats://127.0.0.1:4222)",
    )
    server.add_argument("--credentials", metavar="FILE", help="the user's credentials, a .creds file")
    server.add_argument("--nats-tls-ca", metavar="FILE", help="the certificates to trust (default: the system's)")
    server.add_argument("--nats-tls-cert", metavar="FILE", help="the client certificate, in PEM")
    server.add_argument("--nats-tls-key", metavar="FILE", help="its private key, if that is in a file of its own")
    server.add_argument(
        "--prefix", default="jobwatch", metavar="WORD", help="what streams and subjects begin with (default: jobwatch)"
    )
    server.add_argument("--shards", type=_count, metavar="N", help="how many streams there are to be (default: 1)")
    server.add_argument("--replicas", type=_count, metavar="N", help="on how many servers each is to be: 1, 3 or 5")


def _add_serve(commands: _Commands, common: _Parser) -> None:
    serve = _command(
        commands, common, "serve", "Serve both APIs on loopback, with jobs to try things on.", _SERVE_EPILOG
    )
    serve.add_argument("--port", type=_port, default=8765, metavar="N", help="default: 8765; 0 takes a free one")


def _add_demo(commands: _Commands, common: _Parser) -> None:
    demo = _command(
        commands,
        common,
        "demo",
        "Watch five jobs run on a server that comes along: about 8 seconds, no network, no token.",
        "exit codes: 0 if all went as scripted, else 1; 130 SIGINT, 143 SIGTERM",
    )
    _add_json(demo, "one JSON object a line on stdout, as wait --json gives them")


def _add_docs(commands: _Commands, common: _Parser) -> None:
    docs = _command(commands, common, "docs", "Print a page of the documentation, or list the pages.")
    docs.add_argument("page", nargs="?", metavar="PAGE", help="such as cli; without it, the pages are listed")


def _add_completion(commands: _Commands, common: _Parser) -> None:
    about = "Print a script by which your shell completes commands, options and APIs."
    completion = _command(commands, common, "completion", about, _COMPLETION_EPILOG)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")


def _add_api(parser: _Parser) -> None:
    api = parser.add_argument_group(
        "which API", "The token comes from the API's environment variable (see jobwatch apis), a file or a command."
    )
    api.add_argument(
        "--api",
        metavar="NAME",
        help="bedrock, capydb or another of jobwatch apis, one named in a file nearby, or a file of your own: ./my.toml"
        " (default: JOBWATCH_API, else bedrock or capydb if only its token is set)",
    )
    api.add_argument(
        "--source",
        metavar="MODULE:NAME",
        help="ask a jobwatch.JobSource of yours in place of an HTTP API: an object in a Python module, or a function or"
        " class that makes one",
    )
    api.add_argument(
        "--token-file", metavar="FILE", help="the file that holds the token; it is read anew when it changes"
    )
    api.add_argument(
        "--token-command",
        metavar="COMMAND",
        help="what prints the token, such as 'gcloud auth print-access-token'; it is run without a shell, and again"
        " when the token is refused, at most every 30 s",
    )
    api.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what stands in the API's URLs beside the job's id, such as owner=... for github; once for each",
    )
    api.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="what else to send with each request, such as a User-Agent of yours; once for each",
    )
    api.add_argument(
        "--header-env",
        action="append",
        default=[],
        metavar="NAME=VARIABLE",
        help="the same for a value that others may not read: the environment variable that holds it",
    )
    api.add_argument("--base-url", metavar="URL", help="where it is served (default: its variable, else the vendor)")
    proxy = api.add_mutually_exclusive_group()
    proxy.add_argument(
        "--proxy", metavar="URL", help="ask through this proxy (default: HTTPS_PROXY, HTTP_PROXY, NO_PROXY say)"
    )
    proxy.add_argument("--no-proxy", action="store_true", help="ask through no proxy, whatever the environment says")
    api.add_argument("--tls-cert", metavar="FILE", help="the client certificate, in PEM")
    api.add_argument("--tls-key", metavar="FILE", help="its private key, if that is in a file of its own")
    api.add_argument(
        "--tls-ca", metavar="FILE", help="the certificates to trust (default: SSL_CERT_FILE, else the system's)"
    )
    api.add_argument(
        "--max-body", type=_size, metavar="SIZE", help="the largest reply to read, such as 16MiB (default: 1MiB)"
    )
    api.add_argument(
        "--request-timeout",
        type=_above_zero,
        metavar="TIME",
        help="how long one request may take, its answer included (default: as the API's table says, else 30s)",
    )
    api.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="a line on stderr for each request; -vv also says why the next look is made when it is",
    )
    api.add_argument("--api-version", metavar="V", help="the version to ask for, where the API has versions (Bedrock)")


def _add_json(parser: _Group, about: str) -> None:
    parser.add_argument("--json", action="store_true", help=about)


_ABOUT = """\
Wait for jobs on other people's HTTP APIs: every state once, the end as soon as
it can be known, few requests."""

_FIRST_STEPS = """\
first steps:
  jobwatch demo                                  see it work; needs nothing
  jobwatch apis                                  which variable holds which token
  jobwatch docs                                  pages to read: options, tables, ...
  jobwatch wait job_01JABCD123 --api bedrock --timeout 30m"""

_WAIT_EPILOG = """\
examples:
  jobwatch wait job_01JABCD123 --api bedrock --timeout 10m
  curl -X POST ... | jobwatch wait - --api capydb  # what started the job tells its id
  jobwatch wait job_1 job_2 job_3 --api capydb --json | jq .status
  jobwatch wait "$ID" --no-fail --timeout 1h30m  # end of the job, good or bad

With a terminal it shows a live table; without one, a plain line for each state.

exit codes:
    0  all jobs succeeded
    1  a job failed
    2  usage or configuration, and nothing was asked; or the output could not be written
    3  the API refused the token
    4  the API knows no such job
    5  a job was cancelled
    6  the time limit was over first; the job goes on
    7  the API could not be reached, or its replies could not be read
    8  a job waits for a person (with --fail-on blocked); it goes on when somebody acts
    9  a job ended, and the API says that a part of it failed
   10  a job is over, and the API does not tell how it ended
   70  a fault of jobwatch's own
  130  stopped by SIGINT; the jobs go on
  141  the reader of the output went away before the verdict was known
  143  stopped by SIGTERM; the jobs go on
With several jobs: the first of 1, 9, 10, 5, 8, 4, 3, 7, 6 that occurred."""

_WATCH_EPILOG = """\
examples:
  jobwatch watch job_1 job_2 --api capydb
  jobwatch watch --project prj_42 --api capydb --notify-env CHAT_URL
  jobwatch watch --journal watch.db       # what a service watches; needs no token
  jobwatch watch --project prj_42 --api capydb --serve 127.0.0.1:8787  # in a browser

With a terminal it shows a table, and keys open details, filter and quit; without
one, a plain line for each state.

exit codes:
  with --project or --journal 0 when you leave by q; of jobs alone as of wait once
  all have ended, else 130, since they go on; 2 usage or configuration,
  130 SIGINT, 143 SIGTERM"""

_READ_EPILOG = """\
exit codes:
  0 read, 2 usage or configuration, 3 the API refused the token,
  4 not found, 7 unreachable or unreadable"""

_FILES_EPILOG = """\
exit codes:
  0 done, 2 usage or configuration, or a file could not be read or written"""

_COMPLETION_EPILOG = """\
where it belongs:
  jobwatch completion bash > ~/.local/share/bash-completion/completions/jobwatch
  jobwatch completion zsh > ~/.zfunc/_jobwatch      # with ~/.zfunc in $fpath
  jobwatch completion fish > ~/.config/fish/completions/jobwatch.fish"""

_APIS_EPILOG = """\
exit codes:
  0 shown, 1 the sample of --body cannot be read, 2 usage or configuration"""

_NATS_EPILOG = """\
exit codes:
  0 done, or stopped by SIGINT or SIGTERM; 2 usage or configuration, such as a
  server that is too old; 7 the NATS server or the API could not be reached"""

_SERVE_EPILOG = """\
It prints the exports that let another shell use it, and runs until Ctrl-C or
SIGTERM (exit 0). Each job starts when it is first asked for, and anew 30 s after
its end was read."""
