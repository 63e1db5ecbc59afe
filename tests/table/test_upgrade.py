"""Tables as they were before JMESPath, made into tables of today: what is written, read, and cannot be said."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobwatch import Fault, FaultKind, Job
from jobwatch._table.compile import api_of
from jobwatch._table.upgrade import form_today, upgraded
from jobwatch.cli import main
from tests.table.elsewhere import TABLES

UPGRADES: list[dict[str, Any]] = msgspec.json.decode(Path(__file__).with_name("upgrades.json").read_bytes())
"""Tables, what they became, and what the reader that there was read from replies, as today's does, too."""


@pytest.mark.parametrize("upgrade", UPGRADES, ids=range(len(UPGRADES)))
def test_a_table_that_is_upgraded_reads_as_it_did(upgrade: dict[str, Any]) -> None:
    before, after = ("\n".join(upgrade[key]) + "\n" for key in ("before", "after"))
    assert upgraded(before).text == after
    assert upgraded(after) == upgraded(before)
    api = api_of(tomllib.loads(after), "own")
    for reply in upgrade["replies"]:
        kind, body, *more = reply["asked"]
        if kind == "verdict":
            verdict: Any = api.verdict
            assert msgspec.to_builtins(verdict(*more, body.encode())) == reply["told"]
            continue
        seen = api.job(body.encode(), more[1], more[0])
        if isinstance(reply["told"], str):
            assert isinstance(seen, Fault)
            assert seen.kind is FaultKind(reply["told"])
            continue
        assert isinstance(seen, Job), seen
        told = msgspec.json.decode(msgspec.json.encode(seen))
        assert {key: told[key] for key in reply["told"]} == reply["told"]


def test_all_but_what_must_change_stays() -> None:
    before = """# mine
[apis.a]   # the first
job = "https://a.test/{job_id}"   # where
root = ""
status = ['task-state', "state"] # both
failed_if = ["code != 0", "!ok and state = done"]
missing='''error = "gone away"'''
progress = ["done / total", "part", "p / 100"]
times = { running = "at[0].start-time" }
events = { path = "", status = "to", at = ["at"], request = "/x/{job_id}" }
params.max = 1.5
[apis.a.list]
root = "jobs[kind=it's].all"
request = "/jobs?p={project_id}"
[apis."b.c"]
job = "https://b.test/{job_id}"
status = ""
"""
    assert (
        upgraded(before).text
        == """# mine
[apis.a]   # the first
job = "https://a.test/{job_id}"   # where
status = ['"task-state"', "state"] # both
failed_if = ["code != `null` && to_string(code) != '0'", "!(ok) && state == 'done'"]
missing_if="error == 'gone away'"
progress = [{ done = "done", of = "total" }, "part", { done = "p", of = 100 }]
times = { running = 'at[0]."start-time"' }
events = { path = "@", status = "to", at = ["at"], request = "/x/{job_id}" }
params.max = 1.5
[apis.a.list]
root = "jobs[?kind=='it\\\\'s'] | [0].all"
request = "/jobs?p={project_id}"
[apis."b.c"]
job = "https://b.test/{job_id}"
status = "@"
"""
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a.b", "a.b"),
        ("!a", None),
        ("a and !b", "a && !(b)"),
        ("conditions[type=Complete].status = True", "conditions[?type=='Complete' && status=='True']"),
        ("conditions[type=Failed]", "conditions[?type=='Failed']"),
        ("x[a=1].y[0] = z", "x[?to_string(a)=='1' && y[0]=='z']"),
        ("x[a=b].c != d", "x[?a=='b' && c && c != 'd']"),
        ("x[a=b] and !x[c=d].e", "x[?a=='b'] && !(x[?c=='d' && e])"),
        ("path != word", "path && path != 'word'"),
        ("n = 3", "to_string(n) == '3'"),
        ("done = true", "to_string(done) == 'true'"),
        ("code = 007", "code == '007'"),
        ("a-b = c", "\"a-b\" == 'c'"),
        ("e = null", None),
        ("a == 'b' && c", "a == 'b' && c"),
        ("a = b or c = d", "a == 'b or c = d'"),
        ("a[", None),
    ],
)
def test_a_condition_is_upgraded_or_said_to_have_no_form(before: str, after: str | None) -> None:
    table = f"failed_if = {msgspec.json.encode(before).decode()}\n"
    found = upgraded(table)
    if after is None:
        (remark,) = found.remarks
        assert remark.startswith("line 1: failed_if: ")
        assert found.text == table
    else:
        assert tomllib.loads(found.text) == {"failed_if": after}
        assert found.remarks == ()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_today_stays_as_it_is(name: str) -> None:
    assert upgraded(TABLES[name]).text == TABLES[name]


def test_the_command_line_prints_the_table_and_what_it_could_not_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.toml"
    file.write_text('job = "https://a.test/{job_id}"\nstatus = ""\n')
    assert main(["apis", "--upgrade", str(file)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ('job = "https://a.test/{job_id}"\nstatus = "@"\n', "")
    file.write_text('job = "https://a.test/{job_id}"\nstatus = "a-b"\n\nfailed_if = "!ok"\n')
    assert main(["apis", "--upgrade", str(file)]) == 1
    out, err = capsys.readouterr()
    assert "status = '\"a-b\"'" in out
    assert f"{file}: line 4: failed_if: '!(ok)' would hold where nothing is there" in err
    assert main(["apis", "--upgrade", str(tmp_path / "none.toml")]) == 2
    file.write_text("a = = 1")
    assert main(["apis", "--upgrade", str(file)]) == 2


def test_no_form_is_proposed_for_what_never_meant_what_it_says() -> None:
    assert form_today("failed_if", "a = x and b = y") == "\"a == 'x' && b == 'y'\""
    assert form_today("failed_if", "a = x or b = y") is None
