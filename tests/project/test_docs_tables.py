"""The language of tables as its README tells it: every key, every table, and the walk from a reply to a job."""

from __future__ import annotations

import re
import sys
import textwrap
import tomllib
from pathlib import Path

import msgspec
import pytest

import jobwatch
from jobwatch import ConfigError, Job, JobAPI, Phase
from jobwatch._reading.words import USUAL_WORDS
from jobwatch._table.compile import api_of
from jobwatch._table.evaluation import holds
from jobwatch._table.expressions import expression_of
from jobwatch._table.fields import EventTable, PartTable
from jobwatch._table.hints import HintTable
from jobwatch._table.onward import OnwardTable, OriginTable
from jobwatch._table.schema import BatchTable, ListTable, Table, TokenTable, WordTable
from jobwatch.apis import APIS, GROUPS
from tests.table_server import TableServer, in_order

from . import built_in
from .documents import ROOT, Block, Command, blocks, commands, text_of
from .shell import run

DOCUMENT = "jobwatch/apis/README.md"
README = text_of(DOCUMENT)
TABLES = [*blocks("toml", DOCUMENT), *blocks("toml", "README.md")]
KEYS = re.findall(r"^\| `([a-z_.]+)` \| [A-Z`\"]", README[README.index("## All keys") :], re.MULTILINE)
LINES = [
    (re.sub(r"\\\|", "|", line), row.partition("|")[0])
    for row in re.findall(r"^\| (.*) \|$", README[README.index("## What the API does") :], re.MULTILINE)
    for line in re.findall(r"`([a-z_]+ = [^`]+)`", row)
]

OTHERS = {
    "job": 'job = "/jobs/{job_id}"',
    "base_url": 'base_url = "https://jobs.example.com"',
    "id": 'id = "id"',
    "status": 'status = "status"',
    "token": 'token = "OWN_TOKEN"',
}
"""What stands beside the lines that are shown by themselves."""


def loaded(text: str, folder: Path, *, is_whole: bool) -> JobAPI:
    """Write a table down, or a part of one with what stands beside it, and load it."""
    name = re.match(r"# (\w+\.toml)\n", text)
    if not is_whole:
        part = tomllib.loads(text)
        told = part.keys() | ({"base_url"} if part.get("job", "").startswith("http") else set())
        told |= set() if "auth" in part else {"token"}
        text = "\n".join(line for key, line in OTHERS.items() if key not in told) + f"\n{text}"
    file = folder / (name[1] if name else "own.toml")
    file.write_text(text, "utf-8")
    return jobwatch.load_api(file)


@pytest.mark.parametrize("block", TABLES, ids=str)
def test_each_table_loads(block: Block, tmp_path: Path) -> None:
    is_whole = re.search(r"^job = ", block.text, re.MULTILINE) is not None
    assert loaded(block.text, tmp_path, is_whole=is_whole).job_path
    assert len([line for line in block.text.splitlines() if line and not line.startswith("#")]) <= 12


@pytest.mark.parametrize(("line", "what"), LINES)
def test_each_line_loads(line: str, what: str, tmp_path: Path) -> None:
    assert loaded(f"{line}\n", tmp_path, is_whole=False).job_path, what


def test_the_lines_were_found() -> None:
    assert len(LINES) >= 15
    assert len(TABLES) >= 16


def test_every_key_is_told_once_and_no_other() -> None:
    kinds = {"words": WordTable, "progress": PartTable, "events": EventTable, "list": ListTable, "batch": BatchTable}
    kinds |= {"retry_after": HintTable, "continues_as": OnwardTable, "allowed_origins": OriginTable}
    kinds["token"] = TokenTable
    keys = [*Table.__struct_encode_fields__]
    keys += [f"{key}.{name}" for key, kind in kinds.items() for name in kind.__struct_encode_fields__]
    assert sorted(KEYS) == sorted(keys)


def test_what_get_and_list_do_is_told_of_every_key() -> None:
    (_, _, section) = README.partition("\n| keys | `get` | `list` |\n")
    keys = [row.split(" | ")[0] for row in section.partition("\n\n")[0].splitlines()[1:]]
    assert sorted(re.findall(r"`([a-z_]+)`", " ".join(keys))) == sorted(Table.__struct_encode_fields__)


def test_the_common_words_are_those() -> None:
    section = README[README.index("| phase | common words |") : README.index("**A place in braces**")]
    told = {
        word: Phase(phase)
        for phase, words in re.findall(r"^\| ([a-z]+) \| ([a-z ]+) \|$", section, re.MULTILINE)
        if phase != "phase"
        for word in words.split()
    }
    assert told == dict(USUAL_WORDS)


def test_the_entries_of_the_built_in_apis_are_those_made_from_their_tables() -> None:
    assert built_in.written() == README


def test_each_built_in_api_stands_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(APIS)


def test_what_is_called_tried_is_run_against_its_server() -> None:
    servers = (ROOT / "tests" / "real_servers").glob("*.py")
    run = {name for file in servers for name in re.findall(r'Client\("([a-z0-9-]+)"', file.read_text("utf-8"))}
    assert run == {name for name in APIS if "tried with" in " ".join(built_in.entry(name).split())}


@pytest.mark.parametrize("name", sorted(APIS))
def test_an_entry_says_what_one_needs_to_wait_for_a_job(name: str) -> None:
    api, told = APIS[name], " ".join(built_in.entry(name).split())
    command = re.search(r"`(jobwatch wait [^`]+)`", told)
    assert command is not None
    assert all(f"--param {param}=" in command[1] for param in api.params)
    assert f"`{api.token_variable}`" in told
    assert f"]({api.docs})" in told
    assert "from documents" in told or "tried with" in told


# --- tables with a name ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["jobwatch.toml", "pyproject.toml"])
def test_a_table_with_a_name_is_found_from_below(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = [block for block in TABLES if block.text.startswith(f"# {file}\n")]
    (tmp_path / file).write_text(block.text, "utf-8")
    (tmp_path / "deep" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "below")
    assert jobwatch.load_api("kitchen").job_path == "/orders/{job_id}"


# --- the tables as they are told, on replies -------------------------------------------------------------------


def table_with(text: str) -> JobAPI:
    (block,) = [block for block in TABLES if text in block.text]
    return api_of(tomllib.loads(block.text), "own")


@pytest.mark.parametrize(
    ("text", "body", "phase"),
    [
        ("8188", {}, "running"),
        ("8188", {"j": {"status": {"status_str": "success"}, "outputs": {}}}, "succeeded"),
        ("KUBERNETES_URL", {"status": {"active": 1}}, "running"),
        ("KUBERNETES_URL", {"status": {}}, "pending"),
        ("KUBERNETES_URL", {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, "succeeded"),
        ("KUBERNETES_URL", {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}, "failed"),
    ],
)
def test_the_whole_tables_read_replies(text: str, body: object, phase: str) -> None:
    job = table_with(text).job(msgspec.json.encode(body), "j")
    assert isinstance(job, Job)
    assert job.phase is Phase(phase)


# --- the language ----------------------------------------------------------------------------------------------


def rows(heading: str) -> list[list[str]]:
    """Return the cells of a table, without what marks them as code."""
    (_, _, after) = README.partition(f"\n{heading}\n")
    table = after.partition("\n\n")[0].splitlines()[1:]
    cells = [re.split(r"(?<!\\) \| ", row.removeprefix("| ").removesuffix(" |")) for row in table]
    return [[re.sub(r"^(`+) ?(.*?) ?\1$", r"\2", re.sub(r"\\\|", "|", cell)) for cell in row] for row in cells]


REFUSED = rows("| refused | what the error says | write |")
IDIOMS = {condition: what for what, condition in rows("| what is meant | condition |")}
REPLIES: dict[str, tuple[list[object], list[object]]] = {
    "exit_code && exit_code != `0`": ([{"exit_code": 1}], [{"exit_code": 0}, {"exit_code": None}, {}]),
    "checks && !(checks[?status != 'done'])": (
        [{"checks": [{"status": "done"}]}],
        [{"checks": []}, {}, {"checks": [{"status": "done"}, {"status": None}]}],
    ),
    "checks[?status == 'failed']": ([{"checks": [{}, {"status": "failed"}]}], [{"checks": [{"status": "done"}]}, {}]),
    "conditions[?type=='Complete' && status=='True']": (
        [{"conditions": [{"type": "Complete", "status": "True"}]}],
        [{"conditions": [{"type": "Complete", "status": "False"}, {"type": "Failed", "status": "True"}]}, {}],
    ),
    "total && sum([done, lost]) == total": (
        [{"total": 3, "done": 2, "lost": 1}],
        [{"total": 0, "done": 0, "lost": 0}, {"total": 3, "done": 3}, {}],
    ),
    "starts_with(exitstatus, 'WARNINGS')": ([{"exitstatus": "WARNINGS: 3"}], [{"exitstatus": "OK"}, {}]),
    "locks == `[]`": ([{"locks": []}], [{"locks": ["a"]}, {"locks": None}, {}]),
    "status.observedGeneration != metadata.generation": (
        [{"status": {"observedGeneration": 1}, "metadata": {"generation": 2}}],
        [{"status": {"observedGeneration": 2}, "metadata": {"generation": 2}}],
    ),
    "run_attempt != {attempt}": ([{"run_attempt": 1}, {}], [{"run_attempt": 2}, {"run_attempt": "2"}]),
    "$.errors[?code == 'NOT_FOUND']": ([{"errors": [{"code": "NOT_FOUND"}]}], [{"errors": []}, {"errors": None}, {}]),
}


@pytest.mark.parametrize(("refused", "trouble", "right"), REFUSED)
def test_what_is_refused_is_and_its_right_form_is_not(refused: str, trouble: str, right: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(f"failed_if = {msgspec.json.encode(refused).decode()}\n", tmp_path, is_whole=False)
    assert str(raised.value).partition(" failed_if: ")[2] == trouble
    key = "failed_if" if "holds where nothing is there" in trouble else "running_if"
    assert loaded(f"{key} = {msgspec.json.encode(right).decode()}\n", tmp_path, is_whole=False).job_path


@pytest.mark.parametrize("condition", REPLIES)
def test_an_idiom_holds_where_it_says_and_nowhere_else(condition: str, tmp_path: Path) -> None:
    key = "nothing_if" if "(`nothing_if`)" in IDIOMS[condition] else "failed_if"
    text = f'{key} = {msgspec.json.encode(condition).decode()}\nparams = {{ attempt = "2" }}\n'
    if "{attempt}" not in condition:
        text = text.partition("params")[0]
    assert loaded(text, tmp_path, is_whole=False).job_path
    for is_so, replies in zip((True, False), REPLIES[condition], strict=True):
        for reply in replies:
            assert holds(expression_of(condition).on(reply, {"attempt": "2"}, reply)) is is_so, reply


def test_all_idioms_are_tried() -> None:
    assert IDIOMS.keys() == REPLIES.keys()
    assert len(REFUSED) >= 10


@pytest.mark.slow
async def test_an_end_that_nothing_proves_is_told_as_the_text_says(kitchen: Path) -> None:
    early = 'job = "https://x.example/{job_id}"\nstatus = "status"\nfailed_if = "exit_code != `0`"\n'
    (kitchen / "early.toml").write_text(early, "utf-8")
    (command,) = [each for each in commands(DOCUMENT) if "early.toml" in each.command]
    assert await printed(command, kitchen, "http://127.0.0.1:1") == command.output


# --- step by step ----------------------------------------------------------------------------------------------


@pytest.fixture
def kitchen(tmp_path: Path) -> Path:
    """A folder with a command called ``jobwatch``."""
    command = tmp_path / "bin" / "jobwatch"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobwatch "$@"\n', "utf-8")
    command.chmod(0o755)
    return tmp_path


async def printed(command: Command, folder: Path, url: str) -> str:
    """Run a command, and return what it printed."""
    variables = {"EXAMPLE_URL": url, "EXAMPLE_TOKEN": "sk_example"}
    return (await run(command.command, folder, variables, folder / "bin"))[1]


def state(word: str) -> dict[str, object]:
    return {"data": {"id": "j1", "state": word, "queue": "night", "created": "2024-06-17T08:55:00Z", "errors": []}}


@pytest.mark.slow
async def test_step_by_step(kitchen: Path) -> None:
    steps = README[README.index("## A table, step by step") : README.index("## How a table is read")]
    first = README[: README.index(steps)].count("\n")
    last = first + steps.count("\n")
    told: list[Block | Command] = [*commands(DOCUMENT), *blocks("toml", DOCUMENT)]
    (kitchen / "wrong.toml").write_text('job = "https://x.example/{job_id}"\nstatus = "status"\nstats = "s"\n', "utf-8")
    done = 0
    async with TableServer(in_order(state("BAKING"), state("ok"))) as server:
        for step in sorted((each for each in told if first < each.line <= last), key=lambda each: each.line):
            if isinstance(step, Block):
                (kitchen / "my.toml").write_text(step.text, "utf-8")
                continue
            done += 1
            if step.command.startswith("cat "):
                (kitchen / step.command.removeprefix("cat ")).write_text(step.output, "utf-8")
            out = await printed(step, kitchen, server.url)
            if " wait " in step.command:
                assert re.search(r"BAKING(?s:.*)ok", out), out
            else:
                assert out == step.output, step
        assert done == 6
        assert {headers.get("X-Api-Key") for _, _, headers, _ in server.requests} == {"sk_example"}
        assert {path for _, path, _, _ in server.requests} == {"/v1/night/j1"}


@pytest.mark.slow
async def test_the_python(kitchen: Path) -> None:
    (table,) = [block for block in TABLES if block.document == DOCUMENT and "EXAMPLE_URL" in block.text]
    (kitchen / "my.toml").write_text(table.text, "utf-8")
    told = [block for block in blocks("python", DOCUMENT) if "load_api(" in block.text]
    assert len(told) == 2
    for block in told:
        main = f"async def main():\n{textwrap.indent(block.text, '    ')}\n"
        program = f"import asyncio\nimport jobwatch\n\n{main}\nasyncio.run(main())\n"
        (kitchen / "program.py").write_text(program, "utf-8")
        async with TableServer(in_order(state("ok"))) as server:
            command = Command(block.document, block.line, f'"{sys.executable}" -W error program.py', "")
            assert await printed(command, kitchen, server.url) in {"ok\n", "j1 ok\n"}
            assert [path for _, path, _, _ in server.requests] == ["/v1/night/j1"]
