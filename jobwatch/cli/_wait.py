"""``jobwatch wait``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .._errors import ConfigError
from .._models import Outcome
from .._reading.started import Response, response_in
from ._clients import client_for
from ._exit_codes import BROKEN_PIPE, OWN_FAULT, USAGE, exit_code
from ._output import note, silence
from ._run import Run
from ._running import run as run_interruptibly
from ._show import show_for
from ._text import safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._client import Client
    from .._wait import Wait
    from ._arguments import Options


_LARGEST = 4 * 1024 * 1024


def run(options: Options) -> int:
    """Wait for jobs, show their states, and return the exit code of how they ended."""
    client = client_for(options)
    if options.follow_output and not client.api.output:
        raise ConfigError(f"{client.api.name} tells no output of its jobs: leave out --follow-output")
    jobs = [started() if job == "-" else job for job in dict.fromkeys(options.jobs)]
    waits = {wait.job_id: wait for wait in (client.wait_for(job, options.timeout, check=False) for job in jobs)}
    return run_interruptibly(_wait(client, list(waits.values()), options))


def started() -> Response:
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
    title = f"Waiting for {jobs} on {client.api.name}"
    async with client:
        with show_for([wait.job_id for wait in waits], title, json=options.json) as show:
            run = Run(waits, show, client.api.output if options.follow_output else None)
            code = await followed(run, forgiving=options.no_fail)
    if Outcome.AUTH in run.outcomes.values():
        note(f"the token came from {client.api.token_variable}")
    return code


async def followed(run: Run, *, forgiving: bool = False) -> int:
    """Follow a run to its end and return its exit code; output that cannot be written ends it.

    If nobody reads the output any more and the verdict is known, that is the exit code; else 141, as after SIGPIPE.
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
