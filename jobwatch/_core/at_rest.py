"""What is known of a watched job, made small between two looks: there may be a million such jobs. Pure.

Of most jobs that is: a good look, no end, nothing out of the ordinary. What they share (API, type, state) is one value
for all of them then, and what is a job's own is a few bytes, without the names of fields. What is known of any other
job is kept whole. These bytes never leave the process: a journal holds `Watched` as it is.
"""

from __future__ import annotations

import functools
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from .._models import Phase
from .matching import Fingerprint
from .tracker import Watched

_Own: TypeAlias = tuple[
    float | None,  # added_at
    str | None,  # project_id
    float | None,  # entered_at
    int | None,  # attempt
    float | None,  # started_at
    float | None,  # updated_at
    float | None,  # progress
    int,  # seq
    int,  # seq_before
    tuple[Fingerprint, ...],  # delivered
    int,  # looks
    float | None,  # looked_at
    float | None,  # retention
]

_encoded: Final = msgspec.msgpack.Encoder().encode
_own: Final = msgspec.msgpack.Decoder(_Own).decode
_copied: Final = b"".join
_KINDS_KEPT: Final = 4096


@functools.lru_cache(maxsize=_KINDS_KEPT)
def _kind(api: str, type: str | None, status: str | None, phase: Phase | None) -> Watched:  # noqa: A002 - a field's name
    return Watched(job_id="", api=api, type=type, status=status, phase=phase)


@functools.cache  # which takes a millisecond to make, and may never be needed
def _whole() -> msgspec.msgpack.Decoder[Watched]:
    return msgspec.msgpack.Decoder(Watched)


def packed(watched: Watched) -> tuple[Watched | None, bytes]:
    """Return what is known of a job, for `unpacked`: what it shares with others, if all else fits, and its own.

    Raises:
        ValueError, OverflowError: It has no encoding, such as half a surrogate pair.
    """
    it = watched
    if (
        (it.fault is not None or it.faults or it.failing_since is not None)
        or (it.missing or it.missing_since is not None or it.refused or it.refused_since is not None)
        or (it.doubted is not None or it.unsettled is not None or it.blocked is not None or it.outcome is not None)
        or (it.place is not None or it.visited or it.hops_paid_until is not None or it.is_new_here)
        or (it.end_missed or it.remarked or it.error is not None)
    ):
        return None, _copied((_encoded(it), b""))
    own: _Own = (
        it.added_at,
        it.project_id,
        it.entered_at,
        it.attempt,
        it.started_at,
        it.updated_at,
        it.progress,
        it.seq,
        it.seq_before,
        it.delivered,
        it.looks,
        it.looked_at,
        it.retention,
    )
    # A copy, since what an encoder returns has room to spare: a tenth.
    return _kind(it.api, it.type, it.status, it.phase), _copied((_encoded(own), b""))


def unpacked(job_id: str, kind: Watched | None, packed: bytes) -> Watched:
    """Return what is known of a job, from what `packed` returned."""
    if kind is None:
        return _whole().decode(packed)
    added, project_id, entered, attempt, started, updated, progress, seq, before, told, looks, at, kept = _own(packed)
    return replace(  # which takes a third of the time that it takes to make one from nothing
        kind,
        job_id=job_id,
        added_at=added,
        project_id=project_id,
        entered_at=entered,
        attempt=attempt,
        started_at=started,
        updated_at=updated,
        progress=progress,
        seq=seq,
        seq_before=before,
        delivered=told,
        looks=looks,
        looked_at=at,
        retention=kept,
    )
