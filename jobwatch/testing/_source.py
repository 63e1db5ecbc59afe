"""A source that says what a test has scripted, in place of any API: no server, no network, no replies as bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from msgspec.structs import replace

from .._models import UNCHANGED, Fault, FaultKind, Job, Phase, Unchanged

Answer: TypeAlias = "Phase | Job | Fault | Unchanged | Exception"
"""What is told of a job: a phase, the whole job, a fault, that it is unchanged, or an exception that is raised."""


class FakeSource:
    """Answers for scripted jobs, for ``Client(source=FakeSource())``.

    Args:
        key: The name of the source.
        delay: How many seconds each answer takes, on the loop's clock.

    Attributes:
        asked: The ids that were asked about, in order.
        delay: How many seconds each answer takes from now on.
    """

    def __init__(self, key: str = "fake", *, delay: float = 0.0) -> None:
        self.key = key
        self.delay = delay
        self.asked: list[str] = []
        self._answers: dict[str, list[Answer]] = {}
        self._projects: dict[str, list[str]] = {}

    def add(self, job_id: str, *answers: Answer, project_id: str | None = None) -> None:
        """Add a job, or give a known one another script.

        Args:
            job_id: Its id.
            answers: What it is told to be, one answer after the other; the last one for ever.
            project_id: The project in whose list it is shown, the newest first.
        """
        self._answers[job_id] = list(answers or (Phase.PENDING,))
        if project_id is not None:
            self._projects.setdefault(project_id, []).insert(0, job_id)

    async def job(self, job_id: str, /) -> Job | Fault | Unchanged:
        """Return what is scripted next; for a job that was not added, that there is none."""
        self.asked.append(job_id)
        await asyncio.sleep(self.delay)
        answers = self._answers.get(job_id)
        if answers is None:
            return Fault(FaultKind.NOT_FOUND, "no such job")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        match answer:
            case Phase():
                return Job(id=job_id, api=self.key, status=answer.value, phase=answer)
            case Exception():
                raise answer
            case _:
                return answer

    async def jobs(self, project_id: str, limit: int, /) -> Sequence[Job]:
        """Return a project's latest jobs, as they are scripted next."""
        await asyncio.sleep(self.delay)
        shown = [await self.job(job_id) for job_id in self._projects.get(project_id, [])[:limit]]
        return [replace(job, project_id=project_id) for job in shown if isinstance(job, Job)]


__all__ = ["UNCHANGED", "FakeSource"]
