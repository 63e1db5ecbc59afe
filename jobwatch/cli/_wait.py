"""``jobwatch wait``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._clients import client_for
from ._exit_codes import BROKEN_PIPE, USAGE, exit_code
from ._output import note, silence
from ._run import Run
from ._running import run as run_interruptibly
from ._show import show_for
from ._text import safe

if TYPE_CHECKING:
    from ._arguments import Options


def run(options: Options) -> int:
    """Wait for jobs, show their states, and return the exit code of how they ended."""
    return run_interruptibly(_wait(options))


async def _wait(options: Options) -> int:
    job_ids = list(dict.fromkeys(options.jobs))
    async with client_for(options) as client:
        waits = [client.wait_for(job_id, options.timeout, check=False) for job_id in job_ids]
        jobs = "job" if len(waits) == 1 else f"{len(waits)} jobs"
        with show_for(job_ids, f"Waiting for {jobs} on {client.api.name}", json=options.json) as show:
            return await followed(Run(waits, show), forgiving=options.no_fail)


async def followed(run: Run, *, forgiving: bool = False) -> int:
    """Follow a run to its end and return its exit code; output that cannot be written ends it.

    If nobody reads the output any more and the verdict is known, that is the exit code; else 141, as after SIGPIPE.
    """
    try:
        await run.follow()
    except BrokenPipeError:
        silence()
        return exit_code(run.outcomes.values(), forgiving=forgiving) if run.is_over else BROKEN_PIPE
    except OSError as error:
        silence()
        note(f"error: cannot write the output: {safe(error.strerror or type(error).__name__)}")
        return (exit_code(run.outcomes.values(), forgiving=forgiving) if run.is_over else USAGE) or USAGE
    return exit_code(run.outcomes.values(), forgiving=forgiving)
