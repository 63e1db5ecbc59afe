"""Who is told of what, and in which words: values only, and a run on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from jobwatch import Client, Outcome, Phase
from jobwatch.cli import _telling
from jobwatch.cli._exit_codes import Verdict
from jobwatch.cli._facts import variables
from jobwatch.cli._lines import JsonLines
from jobwatch.cli._messages import Message, of_blocked, of_end, of_run
from jobwatch.cli._render import OutcomeRecord
from jobwatch.cli._run import Extras, Run
from jobwatch.cli._telling import Telling, Work
from jobwatch.testing import FakeSource
from tests.virtual import on_virtual_clock

NOW = datetime(2026, 11, 29, 13, 22, 35, tzinfo=UTC)
FAILED = OutcomeRecord("job_1", Outcome.FAILED, "FAILED", Phase.FAILED, "no such backup", 1, 0.2)
BLOCKED = OutcomeRecord(
    "job_1", Outcome.BLOCKED, "HELD", Phase.BLOCKED, None, 3, 12.0, asked="Deploy?", url="https://ci.test/1"
)
GOOD = OutcomeRecord("job_2", Outcome.SUCCEEDED, "DONE", Phase.SUCCEEDED, None, 2, 1.0)


class Heard:
    """A teller that keeps what it hears."""

    def __init__(self) -> None:
        self.all: list[tuple[str, list[str]]] = []

    def ended(self, record: OutcomeRecord) -> None:
        self.all.append((record.outcome.value, [record.job_id]))

    def blocked(self, records: Sequence[OutcomeRecord]) -> None:
        self.all.append(("blocked", [record.job_id for record in records]))

    def still_blocked(self, records: Sequence[OutcomeRecord]) -> None:
        self.all.append(("still blocked", [record.job_id for record in records]))

    def over(self, records: Sequence[OutcomeRecord]) -> None:
        self.all.append(("over", [record.job_id for record in records]))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


# --- when ---------------------------------------------------------------------------------------------------------


def test_that_a_job_waits_for_a_person_is_told_once_and_once_more_and_anew_when_it_does_so_again() -> None:
    heard, clock = Heard(), Clock()
    telling = Telling([heard], Work(), 60.0, clock)
    other = replace(BLOCKED, job_id="job_2")
    for clock.now, blocked in [
        (1.0, [BLOCKED]),
        (2.0, [BLOCKED, other]),
        (60.9, [BLOCKED, other]),
        (61.0, [BLOCKED, other]),
        (61.5, [BLOCKED, other]),
        (62.0, [other]),
        (500.0, [other]),
        (501.0, [BLOCKED, other]),
    ]:
        telling.blocked(blocked)
    assert heard.all == [
        ("blocked", ["job_1"]),
        ("blocked", ["job_2"]),
        ("still blocked", ["job_1"]),
        ("still blocked", ["job_2"]),
        ("blocked", ["job_1"]),
    ]


async def test_a_wait_that_ends_because_the_job_is_blocked_is_told_as_that_and_once() -> None:
    heard = Heard()
    telling = Telling([heard], Work(), None, Clock())
    telling.ended(BLOCKED)
    telling.blocked([replace(BLOCKED, job_id="job_2")])
    telling.ended(replace(BLOCKED, job_id="job_2"))
    assert heard.all == [("blocked", ["job_1"]), ("blocked", ["job_2"])]


async def test_a_wait_that_was_given_up_is_no_outcome_and_a_signal_leaves_no_time_for_a_message() -> None:
    heard = Heard()
    telling = Telling([heard], Work(), None, Clock())
    telling.ended(replace(FAILED, outcome=Outcome.INTERRUPTED))
    await telling.finish([FAILED], is_stopped=False)
    assert heard.all == [], "nothing has ended in this run"
    telling.ended(GOOD)
    await telling.finish([FAILED, GOOD], is_stopped=True)
    assert heard.all == [("succeeded", ["job_2"])]
    await telling.finish([FAILED, GOOD], is_stopped=False)
    assert heard.all[1:] == [("over", ["job_1", "job_2"])]


async def test_a_teller_that_raises_is_a_note_and_keeps_nobody_from_being_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Raising(Heard):
        def ended(self, record: OutcomeRecord) -> None:
            raise ValueError("x\x1b")

    async def fail() -> None:
        raise KeyError

    heard, work = Heard(), Work()
    telling = Telling([Raising(), heard], work, None, Clock())
    telling.ended(FAILED)
    work.begin(fail(), "what fails")
    await telling.finish([FAILED], is_stopped=False)
    assert heard.all == [("failed", ["job_1"]), ("over", ["job_1"])]
    first, second = capsys.readouterr().err.splitlines()
    assert first == r"jobwatch: Raising: ValueError: x\x1b; this is a fault of jobwatch's own"
    assert second.startswith("jobwatch: what fails: KeyError: ")


@on_virtual_clock
async def test_what_takes_too_long_when_the_run_is_over_is_left_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    work = Work()
    loop = asyncio.get_running_loop()
    for name, seconds in (("quick", 59.0), ("slow", 61.0), ("slower", 90.0)):
        work.begin(asyncio.sleep(seconds), name)
    await Telling([], work, None, loop.time).finish([], is_stopped=False)
    assert loop.time() == _telling._AFTER_THE_END
    told = capsys.readouterr().err
    assert "quick" not in told
    assert ", and 1 more: not waited for any longer" in told
    assert len(asyncio.all_tasks()) == 1


@on_virtual_clock
async def test_a_run_tells_a_job_that_is_blocked_and_goes_on_and_then_its_end() -> None:
    source = FakeSource()
    source.add("a", [("running", 0), ("blocked", 5), ("running", 1000), ("failed", 1100)], asked="Deploy?")
    source.add("b", [("running", 0), ("blocked", 5), ("running", 8), ("succeeded", 1200)], asked="no two looks")
    heard = Heard()
    loop = asyncio.get_running_loop()
    telling = Telling([heard], Work(), 600.0, loop.time)
    async with Client(source=source) as client:
        waits = [client.wait_for(job_id, check=False) for job_id in ("a", "b")]
        run = Run(waits, JsonLines(), Extras(telling=telling))
        await run.follow()
    assert heard.all == [("blocked", ["a"]), ("still blocked", ["a"]), ("failed", ["a"]), ("succeeded", ["b"])]


# --- what a command is told ---------------------------------------------------------------------------------------


def test_a_command_is_told_all_facts_as_text_and_none_of_an_outer_command_shows() -> None:
    told = variables(replace(FAILED, error="a\0b\nc", ran=3.0, ended_at=NOW, result={"n": 1}), 1)
    assert told["JOBWATCH_JOB_ID"] == "job_1"
    assert (told["JOBWATCH_OUTCOME"], told["JOBWATCH_EXIT_CODE"]) == ("failed", "1")
    assert (told["JOBWATCH_STATUS"], told["JOBWATCH_PHASE"]) == ("FAILED", "failed")
    assert told["JOBWATCH_ERROR"] == "a\ufffdb\nc"
    assert (told["JOBWATCH_RAN"], told["JOBWATCH_ENDED_AT"]) == ("3.0", "2026-11-29T13:22:35Z")
    assert told["JOBWATCH_RESULT"] == '{"n":1}'
    assert (told["JOBWATCH_URL"], told["JOBWATCH_ASKED"]) == ("", "")
    unread = OutcomeRecord("j", Outcome.TIMEOUT, None, None, None, 0, 1.0)
    assert variables(unread, 6).keys() == told.keys()


def test_no_variable_is_longer_than_a_system_takes_and_a_result_is_whole_or_left_out() -> None:
    told = variables(replace(FAILED, error="\U0001f600" * 100_000, result="x" * 100_000), 1)
    assert all(len(text.encode()) <= 128 * 1024 for text in told.values())
    assert len(told["JOBWATCH_ERROR"]) == 32 * 1024
    assert told["JOBWATCH_RESULT"] == ""


# --- what a message says ------------------------------------------------------------------------------------------


def test_the_message_of_one_job_tells_how_it_ended_why_and_where_to_look() -> None:
    record = replace(FAILED, ended_at=NOW.replace(second=34), ran=3.0, url="https://ci.test/1")
    assert of_end(record, "capydb", Verdict(), NOW) == Message(
        "job_1 failed (capydb)",
        "failed, ended 13:22:34, ran 3.0 s; 1 look\nno such backup\nhttps://ci.test/1",
        "failure",
    )
    assert of_end(GOOD, "capydb", Verdict(), NOW).kind == "success"
    assert of_end(FAILED, "capydb", Verdict(accepted=frozenset({Outcome.FAILED})), NOW).kind == "success"
    late = of_end(replace(FAILED, outcome=Outcome.TIMEOUT), "capydb", Verdict(), NOW)
    assert (late.title, late.kind) == ("job_1 not ended in time (capydb)", "warning")


def test_the_message_of_a_run_counts_and_names_ten_bad_ends() -> None:
    records = [GOOD] * 90 + [replace(FAILED, job_id=f"job_{number}") for number in range(12)]
    message = of_run(records, "capydb", Verdict())
    assert (message.title, message.kind) == ("90 succeeded, 12 failed (capydb)", "failure")
    lines = message.body.splitlines()
    assert lines[0] == "job_0 failed: no such backup"
    assert (len(lines), lines[-1]) == (11, "and 2 more")
    left = of_run([GOOD, replace(FAILED, outcome=Outcome.INTERRUPTED)], "capydb", Verdict())
    assert (left.title, left.body) == ("1 succeeded, 1 not waited for any more (capydb)", "2 jobs")


def test_the_message_of_a_job_that_waits_says_what_is_asked_and_where() -> None:
    assert of_blocked([BLOCKED], "ci") == Message(
        "job_1 waits for a person (ci)", "Deploy?\nhttps://ci.test/1", "warning"
    )
    assert of_blocked([BLOCKED], "ci", again=True).title == "job_1 still waits for a person (ci)"
    assert of_blocked([replace(BLOCKED, asked=None, url=None)], "ci").body == "It goes on when somebody acts."
    several = of_blocked([BLOCKED] * 12, "ci")
    assert several.title == "12 jobs wait for a person (ci)"
    assert several.body.splitlines()[::10] == ["job_1 asks: Deploy? https://ci.test/1", "and 2 more"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("@everyone come", "@\u200beveryone come"),
        ("<!channel> <@U1>", "<\u200b!channel> <\u200b@\u200bU1>"),
        ("a\x1b[2J\nb", r"a\x1b[2J b"),
        ("x" * 400, "x" * 300 + "..."),
    ],
    ids=["mention", "slack", "controls", "long"],
)
def test_a_servers_words_call_nobody_and_steer_nothing(asked: str, shown: str) -> None:
    url: Any = "javascript:x"
    assert of_blocked([replace(BLOCKED, asked=asked, url=url)], "ci").body == shown
