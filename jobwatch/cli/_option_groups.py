"""The options that several commands have, in the groups in which help shows them, and the values that they take."""

from __future__ import annotations

import argparse
import sys

from .._reading.periods import seconds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from _typeshed import SupportsWrite

    # argparse has no public name for this.
    Group = argparse._ActionsContainer  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def duration(text: str) -> float:
    """Read a duration, such as ``90``, ``45s``, ``30m``, ``1h30m`` or ``250ms``, in seconds.

    Raises:
        argparse.ArgumentTypeError: It is none, or is longer than ten years.
    """
    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def above_zero(text: str) -> float:
    """Read a duration that is above 0, in seconds."""
    seconds = duration(text)
    if seconds <= 0.0:
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0")
    return seconds


def rate(text: str) -> float:
    """Read a number of requests a second."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of requests a second above 0, such as 2 or 0.5")
    return number


def size(text: str) -> int:
    """Read a size, such as ``16MiB``, in bytes."""
    from .._reading.sizes import size_of  # noqa: PLC0415 - few commands name one

    try:
        return size_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
    return int(text)


def words(text: str) -> list[str]:
    """Read words with commas between."""
    return [word for word in text.split(",") if word.strip()]


def count(text: str) -> int:
    """Read a number of looks, streams or servers."""
    return _whole(text, 1, 10_000)


def limit(text: str) -> int:
    """Read how many jobs to list at most."""
    return _whole(text, 1, 1_000_000)


def port(text: str) -> int:
    """Read the number of a port."""
    return _whole(text, 0, 65_535)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and never repeat what might be a secret."""

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        # argparse itself says nothing where help that is longer than the stream's buffer cannot be written.
        (sys.stdout if file is None else file).write(self.format_help())

    def error(self, message: str) -> NoReturn:
        from ._render import safe  # noqa: PLC0415 - it imports msgspec, and --help needs none of it

        self.exit(2, f"{self.prog}: error: {safe(message)} (see {self.prog} --help)\n")


def add_api(parser: Parser) -> None:
    """Add what says which API, where it is, and how it is asked."""
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
        "--max-body", type=size, metavar="SIZE", help="the largest reply to read, such as 16MiB (default: 1MiB)"
    )
    api.add_argument(
        "--request-timeout",
        type=above_zero,
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


def add_pace(parser: Parser) -> None:
    """Add what says how often to look."""
    pace = parser.add_argument_group("how often to look", "The time between looks grows with the job's age.")
    pace.add_argument("--min-interval", type=above_zero, metavar="TIME", help="never more often (default: 500ms)")
    pace.add_argument("--max-interval", type=above_zero, metavar="TIME", help="never less often (default: 1m)")
    pace.add_argument(
        "--poll-cost",
        type=above_zero,
        metavar="TIME",
        help="what one request is worth in delay: four times this, half the looks (default: 30ms)",
    )
    pace.add_argument(
        "--max-rate", type=rate, metavar="N", help="at most N requests a second in all (default: what the API allows)"
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


def add_patience(limits: Group) -> None:
    """Add what says when a reply is believed."""
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


def add_verdict(output: Group) -> None:
    """Add what says which exit code an end has."""
    output.add_argument(
        "--no-fail",
        action="store_true",
        help="exit 0 however the jobs ended, as long as each was read to its end",
    )
    output.add_argument(
        "--accept",
        type=words,
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


def add_telling(wait: Parser) -> None:
    """Add what says whom to tell of ends."""
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
        type=above_zero,
        metavar="TIME",
        help="send another message if a job still waits for a person after this long",
    )


def add_reports(wait: Parser) -> None:
    """Add what says which reports to write."""
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


def add_nats_server(parser: Parser) -> None:
    """Add what says which NATS server, and what is to be there."""
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
    server.add_argument("--shards", type=count, metavar="N", help="how many streams there are to be (default: 1)")
    server.add_argument("--replicas", type=count, metavar="N", help="on how many servers each is to be: 1, 3 or 5")


def add_json(parser: Group, about: str) -> None:
    """Add ``--json``; `about` says what it prints."""
    parser.add_argument("--json", action="store_true", help=about)
