"""Under which subjects the messages of a watch lie, whatever its job is called. Pure.

A subject is cut at its dots, so a job's id is one escaped token, and a long id the beginning of it with a checksum: a
line of the protocol holds 4,096 bytes. The id itself is in the body.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from msgspec import Struct

from .._errors import ConfigError

_LONGEST: Final = 180
_BEGINNING: Final = 120
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_PLAIN_TEXT: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{_LONGEST}}}")
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def token(text: str) -> str:
    """Return a text as one token of a subject: the same for the same text, and no other text's."""
    if _PLAIN_TEXT.fullmatch(text):  # as nearly all ids are, and each look needs some
        return text
    data = text.encode("utf-8", "surrogatepass")
    escaped = "".join(chr(byte) if byte in _PLAIN else f"={byte:02X}" for byte in data) or "="
    if len(escaped) <= _LONGEST:
        return escaped
    return f"{escaped[:_BEGINNING]}~{hashlib.sha256(data).hexdigest()[:40]}"  # nothing that is escaped has a ~


def key_part(text: str) -> str:
    """Return a text as one part of a key of a bucket: as `token`, in the fewer letters that keys may have."""
    return token(text).replace("~", "/")


def place_token(api: str, place: str) -> str:
    """Return the token of an API at one place: its name, and a checksum of its address and parameters."""
    return f"{token(api)[:80]}-{hashlib.sha256(place.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


def checked_prefix(prefix: str) -> str:
    """Return a prefix that can stand in front of all subjects.

    Raises:
        ConfigError: It cannot.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ConfigError(f"a prefix is 1 to 32 letters, digits, - and _, and not {prefix!r}")
    return prefix


def stream_name(prefix: str, shard: int) -> str:
    """Return the name of one of the streams."""
    return f"{prefix}-{shard}"


def shard_of(job_id: str, shards: int) -> int:
    """Return in which of so many streams a job is, from 0."""
    digest = hashlib.sha256(job_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % shards


class Names(Struct, frozen=True):
    """The subjects of the jobs of one API at one place, in one stream.

    Attributes:
        prefix: What all subjects begin with.
        shard: The number of the stream.
        place: See `place_token`.
    """

    prefix: str
    shard: int
    place: str

    def _job(self, job_id: str) -> str:
        return f"{self.prefix}.{self.shard}.job.{self.place}.{token(job_id)}"

    def waiting(self, job_id: str) -> str:
        """Return where what is known of a job waits for its next look."""
        return f"{self._job(job_id)}.w"

    def due(self, job_id: str) -> str:
        """Return where it lies when it is due, and when the job has ended."""
        return f"{self._job(job_id)}.due"

    def state(self, job_id: str) -> str:
        """Return the filter that finds it wherever it lies."""
        return f"{self._job(job_id)}.*"

    def event(self, job_id: str, generation: int, seq: int) -> str:
        """Return where a change lies for good."""
        return f"{self.prefix}.{self.shard}.ev.{self.place}.{token(job_id)}.{generation}.{seq}"

    def cursor(self, reader: str) -> str:
        """Return where a reader's place in the log lies."""
        return f"{self.prefix}.{self.shard}.read.{self.place}.{token(reader)}"

    def _project(self, project_id: str) -> str:
        return f"{self.prefix}.{self.shard}.project.{self.place}.{token(project_id)}"

    def project_waiting(self, project_id: str) -> str:
        """Return where what is known of a project waits for its next list."""
        return f"{self._project(project_id)}.w"

    def project_due(self, project_id: str) -> str:
        """Return where it lies when it is due."""
        return f"{self._project(project_id)}.due"

    def project_state(self, project_id: str) -> str:
        """Return the filter that finds it wherever it lies."""
        return f"{self._project(project_id)}.*"

    @property
    def all_projects(self) -> str:
        """The filter that finds all projects that are followed."""
        return f"{self.prefix}.{self.shard}.project.{self.place}.*.*"

    @property
    def all_projects_due(self) -> str:
        """The filter that finds all that are due."""
        return f"{self.prefix}.{self.shard}.project.{self.place}.*.due"

    @property
    def all_states(self) -> str:
        """The filter that finds what is known of all jobs."""
        return f"{self.prefix}.{self.shard}.job.{self.place}.*.*"

    @property
    def all_due(self) -> str:
        """The filter that finds all that is due, and all ends."""
        return f"{self.prefix}.{self.shard}.job.{self.place}.*.due"

    @property
    def all_events(self) -> str:
        """The filter that finds the log."""
        return f"{self.prefix}.{self.shard}.ev.{self.place}.>"

    @property
    def all_cursors(self) -> str:
        """The filter that finds all readers."""
        return f"{self.prefix}.{self.shard}.read.{self.place}.*"
