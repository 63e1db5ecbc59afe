"""``--exec COMMAND``: a command of the user's that is run once an outcome."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ._facts import variables
from ._output import echo, note, without_secrets
from ._processes import beginning, end, how_it_ended, words_of
from ._render import OutcomeRecord, output_line, safe
from ._tail import Line, last_lines

if TYPE_CHECKING:
    from ._exit_codes import Verdict
    from ._telling import Work

_LIMIT: Final = 60.0
"""For how many seconds a command may run."""

_AT_ONCE: Final = 4
_SHOWN: Final = 20
"""How many lines of what it writes are shown: the last."""


class Exec:
    """Runs a command without a shell, with what is known of the job in environment variables (see `_facts`).

    The rest of the environment is jobwatch's own, as it would be for the next command of a script: a variable that
    holds the API's token is in it, and may be what the command needs.

    Args:
        text: The command and its arguments, quoted as for a shell.
        verdict: What the command line makes of how jobs end.
        work: Has the commands that run.

    Raises:
        ConfigError: That is no command.
    """

    def __init__(self, text: str, verdict: Verdict, work: Work) -> None:
        self._words = words_of(text, "--exec", "the command to run for each job")
        self._name = f"--exec {safe(os.path.basename(self._words[0]))}"  # noqa: PTH119 - its arguments may be secret
        self._verdict = verdict
        self._work = work
        self._room = asyncio.Semaphore(_AT_ONCE)

    def ended(self, record: OutcomeRecord) -> None:
        """Run it for a job whose wait has ended."""
        self._work.begin(self._run(record), f"{self._name} for {safe(record.job_id)}")

    def blocked(self, records: Sequence[OutcomeRecord]) -> None:
        """Run it for jobs that wait for a person."""
        for record in records:
            self.ended(record)

    def still_blocked(self, records: Sequence[OutcomeRecord]) -> None:
        """Do nothing: what it was run for is no other outcome."""

    def over(self, records: Sequence[OutcomeRecord]) -> None:
        """Do nothing: it was run for each job."""

    async def _run(self, record: OutcomeRecord) -> None:
        async with self._room:
            trouble = await self._trouble(record)
        if trouble is not None:
            note(f"{self._name} for {safe(record.job_id)}: {trouble}")

    async def _trouble(self, record: OutcomeRecord) -> str | None:
        """Run it, show what it writes, and return what went wrong."""
        facts = variables(record, self._verdict.code_of(record.outcome))
        given = {name: without_secrets(text) for name, text in facts.items()}
        pipe = asyncio.subprocess.PIPE
        try:
            # A session of its own: it can be ended with all that it has started, and Ctrl-C is not for it.
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pipe,
                stderr=asyncio.subprocess.STDOUT,  # stdout is for what is waited for
                start_new_session=True,
                # In UTF-8 whatever the locale is: a job's id has to arrive in any.
                env={**os.environb, **{name.encode(): text.encode(errors="replace") for name, text in given.items()}},
            )
        except (OSError, ValueError) as error:
            return f"it cannot be run: {(isinstance(error, OSError) and error.strerror) or 'it is no command'}"
        try:
            async with asyncio.timeout(_LIMIT):
                written = await beginning(process.stdout)
                code = await process.wait()
        except TimeoutError:
            return f"ended after {_LIMIT:g} s, which is all the time that it has"
        finally:
            await end(process)
        self._show(record.job_id, written)
        return f"it failed: {how_it_ended(code)}" if code else None

    def _show(self, job_id: str, written: bytes) -> None:
        _, lines = last_lines({"exec": written.decode("utf-8", "replace")}, _SHOWN) or ("", list[Line]())
        for line in lines:
            echo(output_line(job_id, "exec", line))
