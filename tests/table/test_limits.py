"""Tables of any size and shape are read, or refused with their line, in a time that grows as their file does."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from jobwatch import ConfigError, Job, load_api
from jobwatch._table.expressions import expression_of
from jobwatch._table.fields import Fields
from jobwatch._table.paths import PART, TEXT, Plan
from jobwatch.apis._files import line_of
from jobwatch.cli import main

HEAD = 'job = "https://api.test/{job_id}"\nid = "id"\n'
LONG = {
    "spaces behind a bracket, in a text": HEAD + "status = 5\nx = '''\n[" + " " * 100_000 + "\n'''\n",
    "brackets, in a text": HEAD + "status = 5\nx = '''\n[a" + " ]" * 50_000 + "x\n'''\n",
    "dots, in a text": HEAD + "status = 5\nx = '''\n" + "a .. " * 20_000 + "\n'''\n",
    "quotes, in a text": HEAD + "status = 5\nx = '''\n" + '"' * 100_001 + "\n'''\n",
    "spaces in a header": HEAD + 'status = "s"\ntoken = "T"\nauth = "X:' + " " * 100_000 + '"\n',
    "a key of many parts": HEAD + "status = 5\n" + ".".join("a" * 50_000) + " = 1\n",
    "a quoted key of many parts": HEAD + "status = 5\n" + ".".join(['"a"'] * 30_000) + " = 1\n",
    "a table of many parts": HEAD + "status = 5\n[" + " . ".join("a" * 50_000) + "]\n",
    "a key of many parts within": HEAD + "x = { " + ".".join("a" * 50_000) + " = 1 }\n",
    "tests of one place": HEAD + 'failed_if = "' + " && ".join(["a"] * 20_000) + '"\nstatus = 5\n',
    "a test of brackets": HEAD + 'status = "s"\nfailed_if = "' + "(" * 1000 + "a" + ")" * 1000 + '"\nx = 1\n',
    "a test of marks": HEAD + 'status = "s"\nfailed_if = "' + "!" * 2000 + 'a"\nx = 1\n',
    "a test of filters": HEAD + 'status = "s"\nfailed_if = "' + "a[?" * 500 + "b" + "]" * 500 + '"\nx = 1\n',
    "a test of quotes": HEAD + "failed_if = '" + '"a"' * 30_000 + " x y'\n",
    "a test of spaces": HEAD + 'failed_if = "' + "a" * 50_000 + " " * 50_000 + 'y"\n',
    "places": HEAD + 'status = "s"\nheaders = { A = "' + "{a" * 50_000 + '", B = 5 }\n',
    "a long key": HEAD + "a" * 500_000 + ' = "x"\n',
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_mistake_is_found_in_time(text: str, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text)
    began = time.process_time()
    with pytest.raises(ConfigError, match=r"own\.toml"):
        load_api(file)
    assert time.process_time() - began < 2.0


@pytest.mark.slow
@pytest.mark.parametrize("count", [10_000])
def test_many_tests_and_many_keys_are_compiled_in_time(count: int, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    tests = ", ".join(f'"a.k{number}"' for number in range(count))
    paths = ", ".join(f'"k{number}"' for number in range(count))
    params = "\n".join(f'p{number} = "x"' for number in range(count))
    holes = "".join(f"{{p{number}}}" for number in range(count))
    table = (
        f'failed_if = [{tests}]\nstatus = [{paths}]\nmethod = "POST"\nbody = "{holes}{{job_id}}"\n[params]\n{params}\n'
    )
    file.write_text(HEAD + table)
    began = time.process_time()
    api = load_api(file)
    assert time.process_time() - began < 3.0
    assert isinstance(api.job(b'{"id":"j","k7":"done"}', "j"), Job)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (HEAD + "status = " + "1" * 5000 + "\n", "own.toml:3: a number of too many digits"),
        (HEAD + "x = 1\nstatus = " + "[" * 5000 + "]" * 5000 + "\n", "own.toml:4: nested too deeply"),
        (HEAD + "status = [\n" + "[\n" * 3000 + "]\n" * 3001, "nested too deeply"),
        (HEAD + "status = " + "{a=" * 5000 + "1" + "}" * 5000 + "\n", "own.toml:3: nested too deeply"),
        (HEAD + f'status = "{".".join("a" * 90)}"\n', "own.toml:3: status: a place of 90 steps is too long"),
        (HEAD + f'status = "a{"[0]" * 500}"\n', "own.toml:3: status: a place of 501 steps is too long"),
        (HEAD + f'root = "{".".join("a" * 90)}"\nstatus = "s"\n', "own.toml:3: root: a place of 90 steps is too long"),
        (HEAD + "# " + "x" * 1_100_000, "own.toml is larger than 1 MiB"),
        (HEAD + "# " + "é" * 600_000, "own.toml is larger than 1 MiB"),  # cut within a letter, or else the next is
        (HEAD + "# x" + "é" * 600_000, "own.toml is larger than 1 MiB"),
        (HEAD + "x = 1\n" + ".".join("ab" * 100) + " = 1\n", "own.toml:4: a key or path of more than 100 parts"),
    ],
)
def test_what_the_parser_cannot_read_is_said_with_its_line(text: str, where: str, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_api(file)
    assert where in str(caught.value)


def test_places_of_as_many_steps_as_are_allowed_are_read() -> None:
    root, place = ".".join("r" * 64), ".".join("p" * 64)
    plan = Plan(expression_of(root))
    plan.want(expression_of(place), TEXT)
    compiled = plan.compiled()
    body: object = "found"
    for step in reversed(f"{root}.{place}".split(".")):
        body = {step: body}
    decoded = msgspec.json.decode(msgspec.json.encode(body), type=compiled.type)
    assert compiled.readers[0](compiled.base(decoded, {})) == "found"


def test_a_key_of_a_hundred_parts_and_a_text_with_dots_are_none_too_many(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(HEAD + 'status = "s"\ndocs = "' + "e.g. a... " * 500 + '"\n')
    assert load_api(file).job_path == "/{job_id}"


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        ("a = 1\n[x]\nb = 2\n", ("x", "b"), 3),
        ("[x]\n  [ x . 'y' ] # c\nb = 2\n", ("x", "y", "b"), 3),
        ('a."b.c" = 2\n', ("a", "b.c"), 1),
        ("a = 1\n[[x]]\ny.z = 2\n", ("x", "y", "z"), 3),
        ("a = 1\n[x]\nb = 2\n", ("x", "c"), 2),
        ("a = 1\n", ("q",), 1),
        ("a=1\nstatus=5\n", ("status",), 2),
    ],
)
def test_the_line_of_a_key_is_found(text: str, keys: tuple[str, ...], line: int) -> None:
    assert line_of(text, keys) == line


def test_a_list_in_which_items_are_chosen_is_decoded_once_and_nothing_else_is() -> None:
    fields = Fields()
    fields.want("type", "a[?k=='x'] | [0].t", TEXT)
    fields.want("error", "a[?k=='y'] | [0].m", PART)
    fields.want("result", "r", PART)
    kind = fields.plan.compiled().type
    decoded = msgspec.json.decode(b'{"a":[{"k":"x"}],"r":[1],"other":[1]}', type=kind)
    assert decoded.f0 == [{"k": "x"}]
    assert isinstance(decoded.f1, msgspec.Raw)
    assert len(kind.__args__[0].__struct_fields__) == 2


def test_a_large_sample_is_checked_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, sample = tmp_path / "own.toml", tmp_path / "sample.json"
    table.write_text('job = "https://api.test/{job_id}"\nroot = \'jobs."{job_id}"\'\nstatus = "s"\n')
    sample.write_bytes(msgspec.json.encode({"jobs": {}, "others": [f"text {number}" for number in range(50_000)]}))
    began = time.process_time()
    main(["apis", "--check", str(table), "--body", str(sample)])
    assert time.process_time() - began < 5.0
    assert "no such job" in capsys.readouterr().out
