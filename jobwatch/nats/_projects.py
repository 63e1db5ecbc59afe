"""Projects that are followed: a list now and then, and every job on it that was not there before is watched.

A project is one message, as a watch is: a schedule, moved by the server when it is due, taken by a worker, and put back
by him behind the fence of `_rules`. The jobs are added first, and the project put back then: of a worker that dies in
between, the next one lists the project again, and finds that the jobs are watched already.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .._client.access import engine_of
from .._errors import ConfigError, JobwatchError
from .._models import AsJSON, Fault, FaultKind
from .._watching.projects import new_on, remembered
from .._watching.records import Project
from ._jobs import Jobs
from ._rules import EXPECTED, EXPECTED_WHERE, Message, Verdict, scheduled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from .._client.client import Client
    from .._core.tracker import Watched
    from .._models import Job
    from ._stream import Stream, Streams
    from ._subjects import Names

_SHORT: Final = 100
_LONG: Final = 1000
_WAKE_TRIES: Final = 8
"""How often a project is read that is being listed, for 25 s in all."""
_log = logging.getLogger("jobwatch.nats")


class Followed(Struct, frozen=True, omit_defaults=True):
    """The body of a project's message.

    Attributes:
        project: What is known of it.
        fault: Why its last list could not be read, or does not show all that is new; None if nothing is wrong.
        is_woken: Whether there may be news of its jobs that are watched, too: those that the next list shows in
            another state are to be looked at.
    """

    project: Project
    fault: str | None = None
    is_woken: bool = False


class ProjectStanding(Struct, AsJSON, frozen=True, kw_only=True):
    """How a project stands that is followed.

    Attributes:
        project_id: Its id.
        listed: How many of its jobs are known from its lists; None before the first.
        fault: Why its last list could not be read, or does not show all that is new; None if nothing is wrong.
    """

    project_id: str
    listed: int | None
    fault: str | None


def followed_in(body: bytes) -> Followed:
    """Return what is known of a project.

    Raises:
        JobwatchError: The body is something else.
    """
    try:
        return msgspec.json.decode(body, type=Followed)
    except msgspec.DecodeError as error:
        raise JobwatchError(f"a message holds what this jobwatch cannot read: {error}") from None


def waiting(names: Names, followed: Followed, seq: int, at: float) -> Message:
    """Return what has a project listed at a time.

    Args:
        names: The subjects.
        followed: What is known of it.
        seq: The sequence of the message that was read; 0 if there was none.
        at: When, in Unix seconds.
    """
    project_id = followed.project.project_id
    headers = scheduled(at, names.project_due(project_id)) | {
        EXPECTED: str(seq),
        EXPECTED_WHERE: names.project_state(project_id),
    }
    return Message(names.project_waiting(project_id), msgspec.json.encode(followed), headers)


def after_list(followed: Followed, jobs: tuple[Job, ...] | Fault) -> tuple[Followed, Sequence[Job]]:
    """Return what is known of a project after a list of its jobs, and which of them are to be watched."""
    if isinstance(jobs, Fault):
        return replace(followed, fault=str(jobs)), []
    project = followed.project
    new = new_on(jobs, project)
    is_cut = bool(new) and project.known is not None and len(new) == len(jobs) >= _LONG
    fault = f"more than {_LONG} jobs are new since the last list: some may be missed" if is_cut else None
    return Followed(replace(project, known=remembered(jobs, project)), fault), new


class Projects:
    """The projects of one API at one place.

    Args:
        streams: Open; projects are in the first.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._stream: Stream = streams.each[0]

    async def add(self, project_id: str) -> bool:
        """Follow a project; return whether it was not followed before.

        Raises:
            JobwatchError: The server does not answer, or cannot store it.
        """
        now = time.time()
        message = waiting(self._stream.names, Followed(Project(project_id=project_id, added_at=now)), 0, now)
        answer = await self._stream.settle([message])
        if answer.verdict is Verdict.STUCK:
            raise JobwatchError(f"project {project_id} cannot be stored: {answer.why}")
        return answer.verdict is Verdict.WON

    async def drop(self, project_id: str) -> bool:
        """Stop following a project; return whether it was followed.

        Raises:
            JobwatchError: The server does not answer.
        """
        pattern = self._stream.names.project_state(project_id)
        was_there = await self._stream.last(pattern) is not None
        await self._stream.purge(pattern)
        return was_there

    async def wake(self, project_id: str) -> bool:
        """Have a project listed now, and its jobs looked at of which the list shows news.

        Returns:
            Whether it is followed.

        Raises:
            JobwatchError: The server does not answer.
        """
        names, pause = self._stream.names, 0.1
        for _ in range(_WAKE_TRIES):
            last = await self._stream.last(names.project_state(project_id))
            if last is None:
                return False
            if last.subject == names.project_waiting(project_id):
                followed = replace(followed_in(last.body), is_woken=True)
                message = waiting(names, followed, last.seq, time.time())
                if (await self._stream.settle([message])).verdict is Verdict.WON:
                    return True
            await asyncio.sleep(pause)  # it is being listed, which may have begun before there was news
            pause *= 2.0
        return True  # it is due for so long that the list is still to come

    async def all(self) -> AsyncIterator[ProjectStanding]:
        """Iterate over the projects that are followed.

        Raises:
            JobwatchError: The server does not answer.
        """
        found: dict[str, ProjectStanding] = {}
        async for stored in self._stream.all(self._stream.names.all_projects):
            followed = followed_in(stored.body)
            project, known = followed.project, followed.project.known
            listed = None if known is None else len(known)
            standing = ProjectStanding(project_id=project.project_id, listed=listed, fault=followed.fault)
            found[project.project_id] = standing  # of two that were read while it moved, the later
        for standing in found.values():
            yield standing

    async def list_now(self, client: Client, body: bytes, seq: int, interval: float) -> None:
        """List a project that is due, have its new jobs watched, and put it back.

        Args:
            client: Asks for the list.
            body: The body of its message.
            seq: The sequence of that.
            interval: After how many seconds to list it again.

        Raises:
            JobwatchError: What the list showed cannot be stored, or the server does not answer.
        """
        before = followed_in(body)
        listed = await _listed(client, before.project)
        followed, new = after_list(before, listed)
        if followed.fault is not None and followed.fault != before.fault:
            _log.warning("project %s: %s", followed.project.project_id, followed.fault)
        jobs = Jobs(self._streams)
        await jobs.add([known for job in new if (known := _watched(client, job, followed)) is not None])
        if before.is_woken and not isinstance(listed, Fault):
            await jobs.wake_those_with_news([job for job in listed if job not in new])
        answer = await self._stream.settle([waiting(self._stream.names, followed, seq, time.time() + interval)])
        if answer.verdict is Verdict.STUCK:
            raise JobwatchError(f"what a list showed cannot be stored: {answer.why}")


def _watched(client: Client, job: Job, followed: Followed) -> Watched | None:
    try:
        return replace(client.watched(job.id), project_id=followed.project.project_id)
    except ConfigError as error:  # ids are the server's word, and need not be fit for a URL
        _log.warning("a job of project %s cannot be watched: %s", followed.project.project_id, error)
        return None


async def _listed(client: Client, project: Project) -> tuple[Job, ...] | Fault:
    """Read the latest jobs of a project, so many that one is among them which was there before."""
    engine = engine_of(client)
    try:
        jobs = await engine.project(project.project_id, _SHORT)
        if isinstance(jobs, Fault) or len(jobs) < _SHORT or project.known is None:
            return jobs
        if len(new_on(jobs, project)) < len(jobs):
            return jobs
        return await engine.project(project.project_id, _LONG)
    except ConfigError as error:
        return Fault(FaultKind.REFUSED, str(error))
