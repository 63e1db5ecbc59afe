"""What each command takes after its name, and what its help says of it."""

from __future__ import annotations

import argparse

from ._option_groups import (
    Parser,
    above_zero,
    add_api,
    add_json,
    add_nats_server,
    add_pace,
    add_patience,
    add_reports,
    add_telling,
    add_verdict,
    count,
    duration,
    limit,
    port,
    rate,
    words,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    # argparse has no public name for this.
    Commands = argparse._SubParsersAction[Parser]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def add_commands(commands: Commands, common: Parser) -> None:
    """Add all commands, in the order in which the help shows them.

    Args:
        commands: What they are added to.
        common: The options that each of them has.
    """
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


def _command(commands: Commands, common: Parser, name: str, about: str, epilog: str | None = None) -> Parser:
    return commands.add_parser(
        name,
        parents=[common],
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        help=about[0].lower() + about[1:].partition(". ")[0].rstrip("."),
        description=about,
        epilog=epilog,
    )


def _add_wait(commands: Commands, common: Parser) -> None:
    wait = _command(commands, common, "wait", "Wait for jobs to end, and exit by how they ended.", _WAIT_EPILOG)
    wait.add_argument(
        "jobs", nargs="+", metavar="JOB", help="a job's id or its URL at the API, or - for the response that started it"
    )
    add_api(wait)
    limits = wait.add_argument_group("how long", "Durations: 90, 45s, 30m, 1h30m, 250ms.")
    limits.add_argument("--timeout", type=duration, metavar="TIME", help="give up after this long (default: never)")
    limits.add_argument(
        "--unreachable-after",
        type=duration,
        metavar="TIME",
        help="give up when every look has failed for this long (default: 5m)",
    )
    add_patience(limits)
    add_pace(wait)
    output = wait.add_argument_group("output")
    add_json(output, "one JSON object a line on stdout, and nothing else there")
    output.add_argument(
        "--follow-output",
        action="store_true",
        help="print on stderr what the jobs write, as looks show it, where the API tells it (CapyDB does)",
    )
    add_verdict(output)
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
        type=words,
        action="extend",
        metavar="STATES",
        help="blocked: end the wait for a job once two looks, 10 s apart, have shown that it waits for a person",
    )

    add_telling(wait)
    add_reports(wait)


def _add_watch(commands: Commands, common: Parser) -> None:
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
    add_api(watch)
    limits = watch.add_argument_group("how long", "Durations: 90, 45s, 30m, 1h30m, 250ms.")
    limits.add_argument(
        "--unreachable-after",
        type=duration,
        metavar="TIME",
        help="call a job unreachable when every look has failed for this long (default: 5m); looks go on",
    )
    add_patience(limits)
    limits.add_argument(
        "--follow-interval",
        type=above_zero,
        metavar="TIME",
        help="with --project: how often to ask which jobs there are (default: 30s)",
    )
    add_pace(watch)
    output = watch.add_argument_group("output")
    output.add_argument(
        "--serve",
        metavar="HOST:PORT",
        help="show the jobs on a page in your browser, such as at 127.0.0.1:8787, by the link that is printed; port 0"
        " takes a free one. Only this machine can reach 127.0.0.1: read jobwatch docs page before you take another",
    )
    add_json(output, "one JSON object a line on stdout, as wait --json gives them, and nothing else there")
    add_verdict(output)
    add_telling(watch)


def _add_get(commands: Commands, common: Parser) -> None:
    get = _command(
        commands,
        common,
        "get",
        "Read one job, once, and show all that the API tells of it. A job that failed was read, so that is exit 0.",
        _READ_EPILOG,
    )
    get.add_argument("job", metavar="JOB", help="the job's id, or its URL at the API")
    add_api(get)
    add_json(get, "one JSON object; the API's own record is under 'wire'")


def _add_list(commands: Commands, common: Parser) -> None:
    listing = _command(
        commands, common, "list", "List a project's latest jobs, where the API has a list (CapyDB has).", _READ_EPILOG
    )
    listing.add_argument("--project", required=True, metavar="ID", help="the project's id")
    listing.add_argument("--limit", type=limit, default=25, metavar="N", help="how many at most (default: 25)")
    add_api(listing)
    add_json(listing, "one JSON object a line for each job")


def _add_timeline(commands: Commands, common: Parser) -> None:
    about = "Draw the states of jobs over time, and how late their ends were known."
    timeline = _command(commands, common, "timeline", about, _FILES_EPILOG)
    timeline.add_argument(
        "file", metavar="FILE", help="a watcher's journal, or what jobwatch wait --json has printed; - for stdin"
    )
    timeline.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="the picture: FILE.svg, or FILE.html with a table"
    )


def _add_stats(commands: Commands, common: Parser) -> None:
    about = "Show how long each kind of job took, and how often jobwatch would look at one."
    stats = _command(commands, common, "stats", about, _FILES_EPILOG)
    stats.add_argument("--history", metavar="FILE", help="the history (default: the one in your cache directory)")
    stats.add_argument("-o", "--output", metavar="FILE", help="draw it, too, as FILE.svg (needs matplotlib)")
    add_json(stats, "one JSON object a line for each kind")


def _add_apis(commands: Commands, common: Parser) -> None:
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
    add_json(apis, "one JSON object a line for each API, for the sample, or for the words")


def _add_nats(commands: Commands, common: Parser) -> None:
    about = "Watch jobs on NATS JetStream, with any number of workers. See jobwatch docs nats."
    nats = _command(commands, common, "nats", about, _NATS_EPILOG)
    actions = nats.add_subparsers(
        prog="jobwatch nats", dest="action", metavar="ACTION", required=True, title="actions", parser_class=Parser
    )
    worker = _command(actions, common, "worker", "Look at jobs that are due, until Ctrl-C or SIGTERM.", _NATS_EPILOG)
    worker.add_argument(
        "--embedded", action="store_true", help="start a server on loopback first, for trying things, where --url says"
    )
    worker.add_argument("--store", metavar="DIR", help="with --embedded: where it keeps its data")
    worker.add_argument(
        "--concurrency", type=count, default=64, metavar="N", help="how many looks at once (default: 64)"
    )
    worker.add_argument(
        "--max-rate", type=rate, metavar="N", help="at most N requests a second of all workers; the lowest N holds"
    )
    worker.add_argument(
        "--budget",
        metavar="NAME",
        help="share requests with the workers of that name (default: those of the same token)",
    )
    worker.add_argument(
        "--keep", type=above_zero, metavar="TIME", help="for how long changes and ends are kept (default: 720h)"
    )
    worker.add_argument(
        "--stale-after", type=above_zero, metavar="TIME", help="tell that looks have failed for so long (default: 1m)"
    )
    add = _command(actions, common, "add", "Have jobs watched.", _NATS_EPILOG)
    add.add_argument("jobs", nargs="*", metavar="JOB", help="a job's id, or its URL at the API")
    add.add_argument("--project", default="", metavar="ID", help="the jobs of a project that go on now")
    add.add_argument("--limit", type=limit, default=25, metavar="N", help="how many of them at most (default: 25)")
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
        add_nats_server(each)
        add_api(each)
        if each is not worker:
            add_json(each, "one JSON object a line for each job")


def _add_serve(commands: Commands, common: Parser) -> None:
    serve = _command(
        commands, common, "serve", "Serve both APIs on loopback, with jobs to try things on.", _SERVE_EPILOG
    )
    serve.add_argument("--port", type=port, default=8765, metavar="N", help="default: 8765; 0 takes a free one")


def _add_demo(commands: Commands, common: Parser) -> None:
    demo = _command(
        commands,
        common,
        "demo",
        "Watch five jobs run on a server that comes along: about 8 seconds, no network, no token.",
        "exit codes: 0 if all went as scripted, else 1; 130 SIGINT, 143 SIGTERM",
    )
    add_json(demo, "one JSON object a line on stdout, as wait --json gives them")


def _add_docs(commands: Commands, common: Parser) -> None:
    docs = _command(commands, common, "docs", "Print a page of the documentation, or list the pages.")
    docs.add_argument("page", nargs="?", metavar="PAGE", help="such as cli; without it, the pages are listed")


def _add_completion(commands: Commands, common: Parser) -> None:
    about = "Print a script by which your shell completes commands, options and APIs."
    completion = _command(commands, common, "completion", about, _COMPLETION_EPILOG)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")


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
