"""What is new of watched jobs since the last time, for whoever shows or tells it; and the one loop that finds out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from .._models import Phase
from .._report.overview import Overview, Row
from .._watching.viewing import Reading, ViewSource
from ._output import without_secrets
from ._render import OutcomeRecord
from ._tail import Line, last_lines
from ._watch_ends import end_of

if TYPE_CHECKING:
    from .._models import Job

Written: TypeAlias = tuple[str, list[Line]]
"""The name of an output, and the last lines of it."""

_SHOWN = 20
"""How many lines of what a failed job wrote are shown, as ``wait`` does."""


class News(Struct, frozen=True):
    """What is new.

    Attributes:
        reading: What the source has read.
        overview: All jobs, with that taken in.
        rows: The jobs that are new or have changed, those first that changed first.
        gone: The ids of jobs that are shown no more.
        ended: How those ended that have since, as ``wait`` records it; the words in it are as they came.
        written: The end of what those wrote that have failed: the output's name, and its last lines; as they came, but
            for secrets.
        now: The time, in Unix seconds.
        is_first: Whether there was nothing before.
    """

    reading: Reading
    overview: Overview
    rows: tuple[Row, ...]
    gone: tuple[str, ...]
    ended: tuple[OutcomeRecord, ...]
    written: Mapping[str, Written]
    now: float
    is_first: bool


class Viewer(Protocol):
    """Something that shows watched jobs, or tells of them."""

    def take(self, news: News, /) -> None:
        """Show what is new. It is called now and then also when nothing is: time has passed."""
        ...


class Feed:
    """Reads a source again and again, keeps an overview of what it says, and has viewers show that.

    Args:
        source: Where the jobs come from.
        overview: Takes them in.
        unix: Returns the time by the clock that looks are dated by, in Unix seconds.
        outputs: What the jobs' outputs are called, and the fields of a job's record that hold them.
    """

    def __init__(
        self,
        source: ViewSource,
        overview: Overview,
        unix: Callable[[], float],
        outputs: Mapping[str, str] | None = None,
    ) -> None:
        self.overview = overview
        self._outputs = outputs or {}
        self._source = source
        self.unix = unix
        self._is_first = True
        self._version = 0
        self._going_on: dict[str, float] = {}
        self._jobs: dict[str, Job] = {}

    async def run(self, viewers: Sequence[Viewer], every: float, is_over: Callable[[Overview], bool]) -> None:
        """Have viewers show what is new, until that is over.

        Args:
            viewers: The viewers.
            every: After how many seconds they are called though nothing is new.
            is_over: Says, when all was shown, whether that was enough.

        Raises:
            OSError: What a viewer writes to cannot be written.
        """
        while True:
            news = await self._news(every)
            for viewer in viewers:
                viewer.take(news)
            if is_over(self.overview):
                return

    async def _news(self, every: float) -> News:
        reading = await self._source.read(every)
        now = self.unix()
        self.overview.take(reading, now)
        self.overview.refresh(now)
        delta = self.overview.since(self._version)
        rows = delta.rows if self.overview.version > self._version else ()
        for sighting in reading.sightings:
            if sighting.job is not None and sighting.job.phase.ended:
                self._jobs[sighting.record.job_id] = sighting.job
        for job_id in delta.gone:
            self._going_on.pop(job_id, None)
        ended = self._ended(rows, now)
        news = News(
            reading=reading,
            overview=self.overview,
            rows=rows,
            gone=delta.gone,
            ended=tuple(record for record, _ in ended),
            written={record.job_id: written for record, written in ended if written is not None},
            now=now,
            is_first=self._is_first,
        )
        self._version, self._is_first = delta.version, False
        return news

    def _ended(self, rows: Sequence[Row], now: float) -> list[tuple[OutcomeRecord, Written | None]]:
        """Return the records of jobs that were seen to go on, or are told of for the first time, and have ended."""
        ended: list[tuple[OutcomeRecord, Written | None]] = []
        for row in rows:
            since = self._going_on.setdefault(row.job_id, now)
            if row.goes_on or row.job.outcome is None or since < 0.0:
                if row.goes_on and since < 0.0:  # a job of the same id
                    self._going_on[row.job_id] = now
                continue
            self._going_on[row.job_id] = _ENDED
            job = self._jobs.pop(row.job_id, None)
            ended.append((_with_result(end_of(row, round(now - since, 3)), job), self._written(job)))
        return ended

    def _written(self, job: Job | None) -> Written | None:
        """Return the end of what a job wrote that has failed."""
        if job is None or job.phase not in {Phase.FAILED, Phase.PARTIAL}:
            return None
        told = {name: getattr(job.wire, field, None) for name, field in self._outputs.items()}
        # Without secrets before lines are cut: of half a secret nobody would know that it is one.
        texts = {name: without_secrets(text) for name, text in told.items() if isinstance(text, str)}
        return last_lines(texts, _SHOWN)


_ENDED = -1.0


def _with_result(record: OutcomeRecord, job: Job | None) -> OutcomeRecord:
    return record if job is None else replace(record, result=job.result, started_at=job.started_at or record.started_at)
