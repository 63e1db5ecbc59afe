"""``jobwatch wait``."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from .._client.access import check_token, engine_of, learned_by, look_first_without_aiohttp
from .._core.ends import ACCEPTABLE, STOPPING, outcomes_of
from .._errors import ConfigError
from .._models import Outcome
from .._reading.started import Response, response_in
from ._annotations import AnnotationReport
from ._arguments import usual_options
from ._clients import client_for, token_origin
from ._exit_codes import BROKEN_PIPE, OWN_FAULT, USAGE, Verdict, codes_of
from ._heartbeat import Heartbeat
from ._lines import JsonLines, PlainLines
from ._output import note, silence
from ._outputs import AzureVariables, DotenvFile, GitHubOutputs
from ._remembered import Remembered
from ._render import safe
from ._reports import Finished, finish, outputs_of
from ._resume import command
from ._run import Display, Extras, Run, Until
from ._runners import Runner, runner_of
from ._signals import code_when_stopped
from ._signals import run as run_until_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .._client.client import Client
    from .._client.wait import Wait
    from ._arguments import Options
    from ._reports import Report
    from ._telling import Telling

_GOES_ON = (Outcome.TIMEOUT, Outcome.INTERRUPTED, Outcome.UNREACHABLE)
"""The ends of a wait after which the job may go on, and which a longer wait might have spared."""

_LARGEST = 4 * 1024 * 1024
"""The largest response to read from standard input, in bytes."""


_STRICT = Verdict()


def run(options: Options) -> int:
    """Wait for jobs, print their states, and return the exit code of how they ended."""
    plan = _plan(options)  # a file that cannot be written is found out before anything is waited for
    client = client_for(options)
    if options.follow_output and not client.api.output:
        raise ConfigError(f"{client.api.name} tells no output of its jobs: leave out --follow-output")
    jobs = {job: _start_response() if job == "-" else job for job in dict.fromkeys(options.jobs)}
    fail_on = outcomes_of("--fail-on", options.fail_on or (), STOPPING)
    begun = {given: client.wait_for(job, options.timeout, check=False, fail_on=fail_on) for given, job in jobs.items()}
    given = {wait.job_id: wait.job_id if text == "-" else text for text, wait in begun.items()}
    waits = {wait.job_id: wait for wait in begun.values()}
    if len(waits) == 1:  # which may have ended long ago: then aiohttp would take longer to import than all else
        look_first_without_aiohttp(client)
    with Remembered(options.cursor, client) as remembered:
        for job_id, known in remembered.jobs(waits).items():
            if known.end is not None:
                del waits[job_id]
            elif known.watched is not None:
                waits[job_id] = client.wait_for(known.watched, options.timeout, check=False, fail_on=fail_on)
        waiting = _wait(client, list(waits.values()), options, plan, remembered, given=given)
        return run_until_signal(waiting, verbose=options.verbose)


class Plan(Struct, frozen=True):
    """What the options say of the ends, and what is made of the run; known to be right before anything is asked.

    Attributes:
        verdict: What the command makes of how jobs end.
        until: When it is over.
        runner: The CI system that runs it.
        reports: What is made of the run.
        telling: Makes what tells somebody, of the API's name and the number of jobs.
    """

    verdict: Verdict
    until: Until
    runner: Runner
    reports: tuple[Report, ...]
    telling: Callable[[str, int | None], Telling | None]


def _plan(options: Options) -> Plan:
    verdict = Verdict(
        options.no_fail,
        outcomes_of("--accept", options.accept or (), ACCEPTABLE),
        codes_of(options.exit_code or ()),
        one_is_enough=options.any,
    )
    until = Until.FIRST_GOOD if options.any else Until.FIRST_BAD if options.fail_fast else Until.ALL
    runner = runner_of(os.environ)
    return Plan(verdict, until, runner, tuple(reports_for(options, runner, verdict)), telling_for(options, verdict))


def telling_for(options: Options, verdict: Verdict) -> Callable[[str, int | None], Telling | None]:
    """Return what makes that which tells somebody.

    Raises:
        ConfigError: A command or a URL is none, or what sends it is not installed.
    """
    if options.exec is None and options.remind is None and not options.notify and not options.notify_env:
        return lambda _api, _total: None
    from ._tellers import tellers_for  # noqa: PLC0415 - few waits tell anybody

    return tellers_for(options, verdict)


def _start_response() -> Response | bytes:
    """Read the response that started a job from standard input; without its headers, a body has no HTTP status.

    Raises:
        ConfigError: There is none, or it is too large to be one.
    """
    text = sys.stdin.buffer.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise ConfigError(f"standard input is larger than a response that started a job: over {_LARGEST} bytes")
    response = response_in(text)
    return text if response.body == text else response


async def _wait(
    client: Client,
    waits: Sequence[Wait],
    options: Options,
    plan: Plan,
    remembered: Remembered,
    *,
    given: Mapping[str, str],
) -> int:
    jobs = "1 job" if len(given) == 1 else f"{len(given)} jobs"
    title = f"Waiting for {jobs} on {client.name}"
    async with client:
        if options.token_command is not None:
            await check_token(client)
        display = display_for(list(given), title, json=options.json)
        telling = plan.telling(client.name, len(given))
        extras = _extras(client, options, plan, remembered, telling)
        run = Run(waits, display, extras, remembered.ends)
        code, began_at, is_stopped = OWN_FAULT, datetime.now(UTC), False
        try:
            with display:
                code = await run_to_end(run, plan.verdict)
        except asyncio.CancelledError:
            code, is_stopped = code_when_stopped(), True
            raise
        finally:
            _say_how_to_go_on(run, options, given)
            outputs = outputs_of(waits, extras.outputs) if plan.reports else {}
            over = Finished(tuple(run.records), code, began_at, datetime.now(UTC), client.name, outputs)
            finish(plan.reports, over)
            if telling is not None:
                await telling.finish(over.outcomes, is_stopped=is_stopped)
    if Outcome.AUTH in run.outcomes.values() and options.source is None:
        note(f"the token came from {token_origin(client.api, options)}")
    return code


def _extras(client: Client, options: Options, plan: Plan, remembered: Remembered, telling: Telling | None) -> Extras:
    outputs: Mapping[str, str] = {} if options.source is not None else client.api.output
    return Extras(
        follow=outputs if options.follow_output else {},
        outputs=outputs,
        until=plan.until,
        verdict=plan.verdict,
        heartbeat=Heartbeat(learned_by(client), engine_of(client).unix),
        cursor=remembered.cursor,
        telling=telling,
    )


def _say_how_to_go_on(run: Run, options: Options, given: Mapping[str, str]) -> None:
    """Print the command that waits for the jobs that go on and that were given up."""
    if options.any and Outcome.SUCCEEDED in run.outcomes.values():
        return
    left = [given[job_id] for job_id, outcome in run.outcomes.items() if outcome in _GOES_ON]
    if left:
        note(f"to go on waiting: {command(vars(options), usual_options(), left)}")


def reports_for(options: Options, runner: Runner, verdict: Verdict) -> list[Report]:
    """Return what the options, and the variables of a CI runner, ask to be made of the run.

    Raises:
        ConfigError: A file could not be written.
    """
    on_stdout = not options.json and not is_terminal()
    reports: list[Report] = [AnnotationReport(runner, verdict, on_stdout=on_stdout)]
    if runner is Runner.GITHUB and (path := os.environ.get("GITHUB_OUTPUT")):
        reports.append(GitHubOutputs(path))
    if runner is Runner.AZURE:
        reports.append(AzureVariables(on_stdout=on_stdout))
    if options.outputs is not None:
        reports.append(DotenvFile(options.outputs))
    if options.summary or options.timeline or options.junit or (runner is Runner.GITHUB and not options.no_summary):
        from ._report_files import files_for  # noqa: PLC0415 - most waits write no file

        reports += files_for(options, runner, verdict)
    return reports


def display_for(job_ids: Sequence[str], title: str, *, json: bool) -> Display:
    """Return the display that suits stdout: a live table for a terminal, else lines."""
    if json:
        return JsonLines()
    if not is_terminal():
        return PlainLines(job_ids)
    try:
        from ._live import LiveTable  # noqa: PLC0415 - rich is an extra, and takes long to import
    except ImportError:
        note("for a live table, install rich: pip install 'jobwatch-client[cli]'")
        return PlainLines(job_ids)
    return LiveTable(job_ids, title)


def is_terminal() -> bool:
    """Return whether somebody sees stdout as it is drawn; not in a CI system, though some give commands a terminal."""
    if runner_of(os.environ) is not Runner.NONE:
        return False
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}


async def run_to_end(run: Run, verdict: Verdict = _STRICT) -> int:
    """Follow a run to its end and return its exit code.

    Output that cannot be written ends the run. If its reader has gone away and the verdict is known, the verdict's exit
    code is returned; else 141, as after SIGPIPE.
    """
    try:
        await run.follow()
    except BrokenPipeError:
        silence()
        return _code_of(run, verdict, unknown=BROKEN_PIPE)
    except OSError as error:
        silence()
        note(f"error: cannot write the output: {safe(error.strerror or type(error).__name__)}")
        return _code_of(run, verdict, unknown=USAGE) or USAGE
    return _code_of(run, verdict, unknown=OWN_FAULT)


def _code_of(run: Run, verdict: Verdict, *, unknown: int) -> int:
    """Return the exit code of a run; `unknown` where it is not known how each wait ended."""
    outcomes = run.verdict
    return unknown if outcomes is None else verdict.exit_code(outcomes)
