"""``jobwatch wait``."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from .._client import check_token
from .._core.ends import ACCEPTABLE, STOPPING, outcomes_of
from .._errors import ConfigError
from .._models import Outcome
from .._reading.started import Response, response_in
from ._clients import client_for, token_origin
from ._exit_codes import BROKEN_PIPE, OWN_FAULT, USAGE, exit_code
from ._lines import JsonLines, PlainLines
from ._output import note, silence
from ._render import safe
from ._reports import Finished, finish, outputs_of
from ._run import Display, Run
from ._signals import code_when_stopped
from ._signals import run as run_until_signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._client import Client
    from .._wait import Wait
    from ._arguments import Options
    from ._reports import Report

_LARGEST = 4 * 1024 * 1024
"""The largest response to read from standard input, in bytes."""


class Verdict(Struct, frozen=True):
    """What the command makes of how the jobs ended.

    Attributes:
        forgiving: Whether every end is a good one.
        accepted: Which ends are, besides success.
    """

    forgiving: bool = False
    accepted: frozenset[Outcome] = frozenset()

    def code_of(self, run: Run, *, unknown: int) -> int:
        """Return the exit code of a run; `unknown` where it is not known how each wait ended."""
        outcomes = run.verdict
        return unknown if outcomes is None else exit_code(outcomes, forgiving=self.forgiving, accepted=self.accepted)


_STRICT = Verdict()


def run(options: Options) -> int:
    """Wait for jobs, print their states, and return the exit code of how they ended."""
    reports = reports_for(options)  # a file that cannot be written is found out before anything is waited for
    client = client_for(options)
    if options.follow_output and not client.api.output:
        raise ConfigError(f"{client.api.name} tells no output of its jobs: leave out --follow-output")
    jobs = [_start_response() if job == "-" else job for job in dict.fromkeys(options.jobs)]
    accepted = outcomes_of("--accept", options.accept or (), ACCEPTABLE)
    fail_on = outcomes_of("--fail-on", options.fail_on or (), STOPPING)
    begun = [client.wait_for(job, options.timeout, check=False, fail_on=fail_on) for job in jobs]
    waits = {wait.job_id: wait for wait in begun}
    verdict = Verdict(options.no_fail, accepted)
    return run_until_signal(_wait(client, list(waits.values()), options, verdict, reports))


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
    client: Client, waits: Sequence[Wait], options: Options, verdict: Verdict, reports: Sequence[Report]
) -> int:
    jobs = "1 job" if len(waits) == 1 else f"{len(waits)} jobs"
    title = f"Waiting for {jobs} on {client.name}"
    async with client:
        if options.token_command is not None:
            await check_token(client)
        display = display_for([wait.job_id for wait in waits], title, json=options.json)
        run = Run(waits, display, client.api.output if options.follow_output else None)
        code, began_at = OWN_FAULT, datetime.now(UTC)
        try:
            with display:
                code = await run_to_end(run, verdict)
        except asyncio.CancelledError:
            code = code_when_stopped()
            raise
        finally:
            outputs = outputs_of(waits, client.api.output) if reports else {}
            over = Finished(tuple(run.records), code, began_at, datetime.now(UTC), client.name, outputs)
            finish(reports, over)
    if Outcome.AUTH in run.outcomes.values() and options.source is None:
        note(f"the token came from {token_origin(client.api, options)}")
    return code


def reports_for(options: Options) -> list[Report]:
    """Return what the options, and the variables of a CI runner, ask to be made of the run.

    Raises:
        ConfigError: Something of it could not be made.
    """
    if not (options.summary or options.timeline or options.junit or "GITHUB_STEP_SUMMARY" in os.environ):
        return []
    from ._report_files import files_for  # noqa: PLC0415 - most waits write no file

    return files_for(options)


def display_for(job_ids: Sequence[str], title: str, *, json: bool) -> Display:
    """Return the display that suits stdout: a live table for a terminal, else lines."""
    if json:
        return JsonLines()
    if not _is_terminal():
        return PlainLines(job_ids)
    try:
        from ._live import LiveTable  # noqa: PLC0415 - rich is an extra, and takes long to import
    except ImportError:
        note("for a live table, install rich: pip install 'jobwatch-client[cli]'")
        return PlainLines(job_ids)
    return LiveTable(job_ids, title)


def _is_terminal() -> bool:
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
        return verdict.code_of(run, unknown=BROKEN_PIPE)
    except OSError as error:
        silence()
        note(f"error: cannot write the output: {safe(error.strerror or type(error).__name__)}")
        return verdict.code_of(run, unknown=USAGE) or USAGE
    return verdict.code_of(run, unknown=OWN_FAULT)
