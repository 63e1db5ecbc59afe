"""What is known of a job, packed between two looks: the same when it is unpacked, and small."""

from typing import Any

import pytest
from msgspec.structs import replace

from jobwatch import Fault, FaultKind, Outcome, Phase, Problem, Watched
from jobwatch._core.at_rest import packed, unpacked
from jobwatch._core.matching import Fingerprint
from jobwatch._core.moves import Place
from jobwatch._core.settling import UnsettledEnd
from jobwatch._core.tracker import SeenBlocked, SuspectedEnd

THEN = 1_767_225_600.125

USUAL: dict[str, Any] = {
    "job_id": "job_1",
    "api": "capydb",
    "added_at": THEN,
    "type": "project.backup",
    "project_id": "p",
    "status": "running",
    "phase": Phase.RUNNING,
    "entered_at": THEN + 1.0,
    "attempt": 2,
    "started_at": THEN + 2.0,
    "updated_at": THEN + 3.0,
    "progress": 0.5,
    "seq": 4,
    "seq_before": 1,
    "delivered": (Fingerprint("pending"), Fingerprint("running", THEN)),
    "looks": 7,
    "looked_at": THEN + 4.0,
    "retention": 3_600.0,
}
SELDOM: dict[str, Any] = {
    "fault": Fault(FaultKind.UNREACHABLE, "no connection"),
    "faults": 3,
    "failing_since": THEN,
    "missing": 1,
    "missing_since": THEN,
    "refused": 1,
    "refused_since": THEN,
    "doubted": SuspectedEnd("completed", THEN),
    "unsettled": UnsettledEnd("failed", Phase.FAILED, Outcome.FAILED, THEN),
    "place": Place("https://api.example/j"),
    "visited": ("a", "b"),
    "hops_paid_until": THEN,
    "is_new_here": True,
    "end_missed": True,
    "blocked": SeenBlocked(THEN, THEN + 60.0, "who are you?"),
    "outcome": Outcome.SUCCEEDED,
    "remarked": ("cached",),
    "error": Problem("no space left"),
}


def test_each_field_there_is_comes_back() -> None:
    assert {*USUAL, *SELDOM} == set(Watched.__struct_fields__), "a new field is a job's own, shared, or seldom"
    usual = Watched(**USUAL)
    for known in [Watched(job_id="a", api="b"), usual, *(replace(usual, **{name: SELDOM[name]}) for name in SELDOM)]:
        assert unpacked(known.job_id, *packed(known)) == known
    for name in {*USUAL} - {"job_id", "api"}:
        known = Watched(job_id="a", api="b", **{name: USUAL[name]})
        assert unpacked("a", *packed(known)) == known


@pytest.mark.parametrize("name", SELDOM)
def test_what_is_seldom_is_kept_whole(name: str) -> None:
    kind, _ = packed(Watched(**USUAL, **{name: SELDOM[name]}))
    assert kind is None


def test_jobs_alike_share_what_they_have_in_common_and_the_rest_is_small() -> None:
    one, other = (packed(Watched(**{**USUAL, "job_id": job_id, "seq": seq})) for job_id, seq in [("a", 1), ("b", 2)])
    assert one[0] is other[0]
    assert packed(Watched(**{**USUAL, "status": "waiting"}))[0] is not one[0]
    assert len(one[1]) < 120


@pytest.mark.parametrize("odd", [{"project_id": "\ud800"}, {"attempt": 2**70}, {"remarked": ("\ud800",)}])
def test_what_has_no_encoding_is_not_packed(odd: dict[str, Any]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        packed(Watched(job_id="a", api="b", **odd))
