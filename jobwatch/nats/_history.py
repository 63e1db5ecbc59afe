"""What one worker learns of how long jobs take, known to all: summaries in the bucket ``PREFIX-history``.

There is one key for each type of jobs of an API at an origin, and one for all types together. They are read at the
start, and whenever somebody writes one; what is learned here is written a few seconds later, merged with what is there.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Final

import msgspec

from .._client.access import learned_by, origin_of
from .._core.durations import ANY_TYPE
from .._core.hazard import Durations
from .._errors import JobwatchError
from .._models import Phase
from ._bucket import Bucket, Unanswered
from ._budget import origin_key
from ._learned import LARGEST, LONGEST_TYPE, Summary, known_with, merged, summary_in, with_duration
from ._shared import Shared
from ._subjects import key_part

if TYPE_CHECKING:
    from .._client.client import Client
    from .._core.durations import Kind
    from ._bucket import Entry
    from ._connection import Connection

_KEPT: Final = 90 * 86_400.0
_WRITTEN_AFTER: Final = 2.0  # seconds, and up to as many more
_MOST_TYPES: Final = 512
_TRIES: Final = 8
_log = logging.getLogger("jobwatch.nats")


def history_bucket(connection: Connection) -> Bucket:
    """Return the bucket that the summaries are in."""
    return Bucket(connection, "history", _KEPT)


class SharedHistory(Shared):
    """Keeps what a client knows of durations together with what other workers know.

    Args:
        connection: Open.
        client: Whose knowledge that is.
    """

    def __init__(self, connection: Connection, client: Client) -> None:
        self._connection = connection
        self._api = client.name
        self._learned = learned_by(client)
        self._first = f"{key_part(client.name)}-{origin_key(origin_of(client))}"
        super().__init__(history_bucket(connection), f"{self._first}.*", "history")
        self._own = {kind: known for kind, known in self._learned.kinds.items() if kind[0] == self._api}
        self._summaries: dict[str, Summary] = {}
        self._stored: dict[str, tuple[int, Summary]] = {}
        self._unwritten: set[str] = set()

    async def _begin(self) -> None:
        try:
            await self._read()
        except Unanswered as error:
            raise self._connection.silent(error) from None
        self._learned.on_learned = self._heard

    def _end(self) -> None:
        self._learned.on_learned = None

    async def _leave(self) -> None:
        """Write what is not written yet."""
        await self._write()

    # --- what is learned here ------------------------------------------------------------------------------------

    def _heard(self, kind: Kind, seconds: float, told: bool, job_id: str) -> None:
        api, job_type, phase = kind
        if api != self._api or not job_id:
            return
        names = [ANY_TYPE]
        if job_type != ANY_TYPE and len(job_type) <= LONGEST_TYPE and (job_type in self._summaries or self._has_room()):
            names.append(job_type)
        for name in names:
            before = self._summaries.get(name, Summary(name))
            self._summaries[name] = after = with_duration(before, phase, job_id, seconds, told=told)
            if after is not before:
                self._unwritten.add(name)
        self._changed.set()

    def _has_room(self) -> bool:
        """Whether one more type may have a key: an API that gives each job its own must not fill the store."""
        return len(self._summaries) < _MOST_TYPES

    async def _run(self) -> None:
        connected = self._connection.times_connected
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(_WRITTEN_AFTER):
                    await self._changed.wait()
            except TimeoutError:
                pass
            if connected != self._connection.times_connected:  # what was written meanwhile was not told here
                connected = self._connection.times_connected
                try:
                    await self._read()
                except Unanswered as error:
                    connected = -1
                    _log.debug("what others have learned was not read: %s", error)
            if self._unwritten:
                await asyncio.sleep(_WRITTEN_AFTER * (1.0 + random.random()))  # noqa: S311 - no secret
                await self._write()

    async def _write(self) -> None:
        for name in sorted(self._unwritten):
            try:
                await self._write_one(name)
            except Unanswered as error:
                _log.debug("what was learned is written later: %s", error)
                return

    async def _write_one(self, name: str) -> None:
        """Write what is known of a type, merged with what others have written meanwhile."""
        key = f"{self._first}.{key_part(name)}"
        for _ in range(_TRIES):
            revision, stored = self._stored.get(name, (0, Summary(name)))
            summary = self._summaries[name]
            value = msgspec.json.encode(summary)
            if summary == stored or len(value) > LARGEST:
                self._unwritten.discard(name)
                return
            written = await self._bucket.put(key, value, revision)
            if written is not None:
                self._stored[name] = written, summary
                if self._summaries[name] == summary:  # nothing was learned meanwhile
                    self._unwritten.discard(name)
                return
            entry = await self._bucket.get(key)
            if entry is None:
                self._stored.pop(name, None)
            else:
                self._told(entry, is_now=True)

    # --- what others learn ---------------------------------------------------------------------------------------

    async def _read(self) -> None:
        for entry in await self._bucket.all(self._first):
            self._told(entry)

    def _told(self, entry: Entry, *, is_now: bool = False) -> None:
        """Take in what a key held; `is_now` says that it was just read, so that nothing that was told is newer."""
        try:
            told = summary_in(entry.value) if entry.value else None
        except JobwatchError as error:
            _log.error("%s (%s)", error, entry.key)
            return
        if told is None:
            return
        name = told.type
        if not is_now and entry.revision <= self._stored.get(name, (0, told))[0]:
            return
        self._stored[name] = entry.revision, told
        before = self._summaries.get(name, Summary(name))
        self._summaries[name] = after = merged(before, told)
        if after != told:
            self._unwritten.add(name)
            self._changed.set()
        for phase in (Phase.PENDING, Phase.RUNNING):
            if after.of(phase) != before.of(phase):
                kind = self._api, name, phase
                self._learned.replace(kind, known_with(self._own.get(kind, Durations()), after.of(phase)))
