"""``jobwatch wait``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from .._client import check_token
from .._errors import ConfigError
from .._models import Outcome
from .._reading.started import Response, response_in
from ._clients import client_for, token_origin
from ._exit_codes import BROKEN_PIPE, OWN_FAULT, USAGE, exit_code
from ._lines import JsonLines, PlainLines
from ._output import note, silence
from ._render import safe
from ._run import Display, Run
from ._signals import run as run_until_signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._client import Client
    from .._wait import Wait
    from ._arguments import Options

_LARGEST = 4 * 1024 * 1024
"""The largest response to read from standard input, in bytes."""


def run(options: Options) -> int:
    """Wait for jobs, print their states, and return the exit code of how they ended."""
    client = client_for(options)
    if options.follow_output and not client.api.output:
        raise ConfigError(f"{client.api.name} tells no output of its jobs: leave out --follow-output")
    jobs = [_start_response() if job == "-" else job for job in dict.fromkeys(options.jobs)]
    waits = {wait.job_id: wait for wait in (client.wait_for(job, options.timeout, check=False) for job in jobs)}
    return run_until_signal(_wait(client, list(waits.values()), options))


def _start_response() -> Response:
    """Read the response that started a job from standard input.

    Raises:
        ConfigError: There is none, or it is too large to be one.
    """
    text = sys.stdin.buffer.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise ConfigError(f"standard input is larger than a response that started a job: over {_LARGEST} bytes")
    return response_in(text)


async def _wait(client: Client, waits: Sequence[Wait], options: Options) -> int:
    jobs = "1 job" if len(waits) == 1 else f"{len(waits)} jobs"
    title = f"Waiting for {jobs} on {client.name}"
    async with client:
        if options.token_command is not None:
            await check_token(client)
        with display_for([wait.job_id for wait in waits], title, json=options.json) as display:
            run = Run(waits, display, client.api.output if options.follow_output else None)
            code = await run_to_end(run, forgiving=options.no_fail)
    if Outcome.AUTH in run.outcomes.values() and options.source is None:
        note(f"the token came from {token_origin(client.api, options)}")
    return code


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


async def run_to_end(run: Run, *, forgiving: bool = False) -> int:
    """Follow a run to its end and return its exit code.

    Output that cannot be written ends the run. If its reader has gone away and the verdict is known, the verdict's exit
    code is returned; else 141, as after SIGPIPE.
    """
    try:
        await run.follow()
    except BrokenPipeError:
        silence()
        return _code_of(run, forgiving=forgiving, unknown=BROKEN_PIPE)
    except OSError as error:
        silence()
        note(f"error: cannot write the output: {safe(error.strerror or type(error).__name__)}")
        return _code_of(run, forgiving=forgiving, unknown=USAGE) or USAGE
    return _code_of(run, forgiving=forgiving, unknown=OWN_FAULT)


def _code_of(run: Run, *, forgiving: bool, unknown: int) -> int:
    verdict = run.verdict
    return unknown if verdict is None else exit_code(verdict, forgiving=forgiving)
