"""Tables and replies at random: tables load or are refused in time, replies are jobs or faults, no end is made up.

``python -m tests.table.fuzz --replies 200000 --tables 20000 [--seed 1]``. What is changed are the tables that there
are, built in and elsewhere, and some that use what few do. An end of a job must have its reason: one of the conditions
that mean it holds, or a status means it, or the HTTP status does. That is asked of the body as plain JSON, without the
types that the reader decodes it to.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

import jobwatch.apis
from jobwatch import ConfigError, Fault, FaultKind, Job, JobAPI, Phase, load_api
from jobwatch._reading.words import USUAL_WORDS, Words
from jobwatch._table.compile import api_of
from jobwatch._table.evaluation import CannotEvaluate, holds
from jobwatch._table.expressions import Expression, expression_of
from jobwatch._table.fields import DECIDED, several
from tests.table.elsewhere import TABLES

LONGEST = 0.05
"""For how long a table may be read, in seconds of processor time."""

ODD = """
job = "https://a.test/{job_id}"
root = "jobs[?name=={job_id}] | [0]"
id = "name"
status = ["not_null(end, state)", "$.state", "parts[*].state"]
words = { succeeded = ["ok*", 1], failed = ["no*", false], cancelled = ["stop*"], nothing = ["-"] }
nothing_if = "@.generation != @.observed"
failed_if = ["parts[?state == 'failed'] && !(parts[?state == 'running'])", "$.errors[?code == `1`]"]
succeeded_if = "total && sum([done, lost]) == total"
progress = { done = "length(parts[?done])", of = "length(parts)" }
error = ["$.errors[0].message", "join(', ', parts[?error].error)"]
events = { path = "parts[].log[]", status = "state || to", at = "at" }
retry_after = ["parts[?wait].wait | [0]", "$.wait_ms"]
"""
PLAIN = """
job = "https://a.test/{job_id}"
status = ["a", "b.c", "d[0]", "e[-1].f"]
words = { succeeded = ["absent"], running = ["b"], cancelled = ["c*"] }
missing_if = "gone"
http = { 202 = "running", 422 = "failed" }
times = "times"
type = "b"
result = "e"
retry_after = "wait.seconds"
"""
_SCALARS: Sequence[Any] = [
    *(None, True, False, 0, 1, -1, 1.0, 2.5, 1718614500, 10**30, 1e308, "", "x", "j", "no", "false", "0", "1", "1/3"),
    *(
        "2024-06-17T08:55:00Z",
        "ok now",
        "no way",
        "stop!",
        "-",
        "\u017fucceeded",
        "\u0130",
        "running",
        "failed",
        "done",
    ),
]
_PIECES = [
    *("a", "b.c", "@", "$", "$.a", "[0]", "[*]", "[]", "[?a]", "[?a == 'x']", "&&", "||", "|", "!", "==", "!=", "<"),
    *("`1`", "`[]`", "`null`", "(", ")", "{job_id}", '"{job_id}"', '"a-b"', "length(", "sum(", "join('', ", "'x'"),
    *(",", ".", " ", "not_null(", "&a", "*", "[::2]", "{x: a}", "sort_by(", "\\", "'", "`", '"', "\u00e9"),
    *("max_by(a, &b)", "{z}", "{now}"),
]
_AROUND = [("(", ")"), ("!(", ")"), ("a[?", "]"), ("[", "]"), ("a || (", ")"), ("length(", ")"), ("!", "")]
_ENDING = [*DECIDED, "missing_if", "nothing_if"]


class Fuzzed(Struct, frozen=True):
    """A table, what it became, and what is asked of it plainly."""

    table: dict[str, Any]
    api: JobAPI
    words: Words
    root: Expression
    status: tuple[Expression, ...]
    ends: Mapping[Phase, tuple[Expression, ...]]
    places: tuple[tuple[str, tuple[str | int, ...]], ...]


def texts_of_tables() -> list[str]:
    """Return the tables that there are."""
    built_in = Path(jobwatch.apis.__file__).parent.glob("*.toml")
    return [*(file.read_text("utf-8") for file in sorted(built_in)), *TABLES.values(), ODD, PLAIN]


def fuzzed(text: str) -> Fuzzed:
    """Return a table with what its replies are made of and judged by."""
    table = tomllib.loads(text)
    given = dict(table.get("words", {}))
    nothing = given.pop("nothing", [])
    ends = {phase: _expressions(table.get(key, [])) for key, phase in DECIDED.items()}
    root, status = expression_of(table.get("root", "@")), _expressions(table.get("status", []))
    return Fuzzed(
        table=table,
        api=api_of(table, "own"),
        words=Words({Phase(phase): words for phase, words in given.items()}, nothing, table.get("status_prefix", "")),
        root=root,
        status=status,
        ends=ends,
        places=tuple(_places(table, root)),
    )


def _expressions(paths: str | list[str] | dict[str, Any]) -> tuple[Expression, ...]:
    return () if isinstance(paths, dict) else tuple(map(expression_of, several(paths)))


def _places(table: Mapping[str, Any], root: Expression) -> list[tuple[str, tuple[str | int, ...]]]:
    fields = ("id", "status", "error", "result", "type", "created_at", "ended_at", "retry_after")
    keys = (*fields, *DECIDED, "nothing_if", "missing_if")
    found = [(key, place) for key in keys for each in _expressions(table.get(key, [])) for place in each.places]
    start = root.places[0].path if root.places else ()
    is_list = root.place is None and bool(root.places)
    below = (*start, 0) if is_list else start
    return [(key, place.path if place.whole else below + place.path) for key, place in found]


def reply(of: Fuzzed, rng: random.Random) -> object:
    """Return a body that has something in some of the places that the table names, and something else elsewhere."""
    words = [*of.table.get("words", {}).values(), list(USUAL_WORDS)]
    body: Any = rng.choice([*[{}] * 20, [], None, "text", 3])
    for key, place in of.places:
        if rng.random() < 0.7:
            is_needed = key in ("id", "status") and rng.random() < 0.9
            value = _value(rng, words, 3) if is_needed else _value(rng, words)
            body = _put(body, place, "j" if is_needed and key == "id" else value, rng)
    return body


def _value(rng: random.Random, words: Sequence[Sequence[Any]], depth: int = 0) -> object:
    match rng.randrange(10):
        case 0 if depth < 3:
            return [_value(rng, words, depth + 1) for _ in range(rng.randrange(3))]
        case 1 if depth < 3:
            keys = ("state", "status", "type", "name", "code", "message", "done", "error", "at", "id", "reason")
            return {rng.choice(keys): _value(rng, words, depth + 1) for _ in range(rng.randrange(4))}
        case 2 | 3 | 4 | 5:
            word = rng.choice(rng.choice(words) or ["x"])
            return word.replace("*", rng.choice(["", "!", " 3"])) if isinstance(word, str) else word
        case _:
            return rng.choice(_SCALARS)


def _put(body: Any, place: Sequence[str | int], value: object, rng: random.Random) -> Any:
    if not place or rng.random() < 0.01:
        return value
    step, *rest = place
    if isinstance(step, int):
        items = body if isinstance(body, list) else []
        items += [{}] * (1 - len(items))
        at = step if -len(items) <= step < len(items) else 0
        items[at] = _put(items[at], rest, value, rng)
        return items
    found = dict(body) if isinstance(body, dict) else {}
    found[step] = _put(found.get(step), rest, value, rng)
    return found


def check_reply(of: Fuzzed, body: object, http_status: int) -> bool:
    """Read a reply, and return whether it is an end; raise AssertionError where that has no reason."""
    raw = msgspec.json.encode(body)
    seen = of.api.job(raw, "j", http_status)
    assert isinstance(seen, (Job, Fault)), (seen, raw)
    if isinstance(seen, Job) and seen.phase.ended:
        assert _has_reason(of, msgspec.json.decode(raw), http_status, seen), (of.table, raw, http_status, seen)
    wait = of.api.retry_after(raw, "j")
    assert wait is None or 0.0 <= wait < float("inf"), (wait, raw)
    for read in (of.api.jobs, of.api.batch):
        listed = read(raw)
        assert isinstance(listed, (tuple, Fault)), (listed, raw)
    assert of.api.verdict is None or of.api.verdict(500, raw) in (True, False, FaultKind.NOT_FOUND)
    return isinstance(seen, Job) and seen.phase.ended


def _has_reason(of: Fuzzed, body: Any, http_status: int, job: Job) -> bool:
    given = {"job_id": "j"} | of.table.get("params", {})
    base = of.root.on(body, given, body)
    if of.table.get("http", {}).get(str(http_status)) == job.phase.value:
        return True

    def value(expression: Expression) -> Any:
        try:
            return expression.on(base, given, body)
        except CannotEvaluate:
            return None

    if any(holds(value(each)) for each in of.ends.get(job.phase, ())):
        return True
    told = [found for each in of.status if (found := value(each)) is not None]
    if any(of.words.meaning(found)[1] is job.phase for found in told if isinstance(found, (str, int, float, list))):
        return True
    # An empty text is none.
    return of.words.absent is job.phase and not any(
        isinstance(found, (str, int, float)) and found != "" for found in told
    )


def table_text(rng: random.Random, texts: Sequence[str]) -> str:
    """Return a table in which something is changed."""
    lines = rng.choice(texts).strip().splitlines()
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        lines[at] = rng.choice(_CHANGES)(lines[at], rng, texts)
    return "\n".join(lines) + "\n"


def _new_expression(line: str, rng: random.Random, _texts: Sequence[str]) -> str:
    keys = ("missing_if", "nothing_if", "status", "root", "error", "id", "started", "times", "type", "retry_after")
    key = rng.choice([*DECIDED, *keys])
    made = "".join(rng.choice(_PIECES) for _ in range(rng.choice([1, 2, 3, 5, 8, 13, 40])))
    return f"{line}\n{key} = {msgspec.json.encode(made).decode()}"


def _new_setting(line: str, rng: random.Random, _texts: Sequence[str]) -> str:
    """Add a key that says how the API is asked, with a value that may be one."""
    key = rng.choice(["token", "token_file", "token_optional", "auth", "max_body"])
    texts = ["TOKEN", "bearer", "X-K: {token}", "?k={token}", "none", "2MiB", "16M", "0", "", "\u00e9", "x" * 3000]
    value = rng.choice([*texts, 0, -1, 2048, 1.5, 10**30, True, [], {}])
    return f"{line}\n{key} = {msgspec.json.encode(value).decode().replace(chr(0x7F), '')}"


def _nested(line: str, rng: random.Random, _texts: Sequence[str]) -> str:
    begin, end = rng.choice(_AROUND)
    many = rng.choice([3, 30, 90, 300, 1000])
    return f"{line}\nfailed_if = {msgspec.json.encode(begin * many + 'a' + end * many).decode()}"


def _long(line: str, rng: random.Random, _texts: Sequence[str]) -> str:
    joint, many = rng.choice([" && ", " || ", ".", "[0].", " == ", "|"]), rng.choice([5, 60, 400, 3000])
    return f"{line}\nsucceeded_if = {msgspec.json.encode(joint.join(['a'] * many)).decode()}"


def _other_line(_line: str, rng: random.Random, texts: Sequence[str]) -> str:
    return rng.choice(rng.choice(texts).strip().splitlines())


def _other_letters(line: str, rng: random.Random, _texts: Sequence[str]) -> str:
    at = rng.randrange(len(line) + 1)
    return line[:at] + rng.choice([*_PIECES, "=", "\t", "\x00", "#"]) + line[at + rng.randrange(3) :]


def _lasting(line: str, rng: random.Random, _texts: Sequence[str]) -> str:
    long = rng.choice(['"10s"', '"0"', '"1h30m"', '"soon"', '""', "10", "-1", "[]", f'"{"9" * 400}s"'])
    kind = rng.choice(["failed", "succeeded", "partial", "running", "x"])
    return f"{line}\nstable_for = {rng.choice([long, f'{{ {kind} = {long} }}'])}"


def _in_pages(line: str, rng: random.Random, _texts: Sequence[str]) -> str:
    places = ['"a"', '"a.b"', '"@"', '"$.a"', '"a[0]"', '"a[?b] | [0]"', '["a", "b"]', '""', "[]", "1"]
    place = rng.choice(places)
    leads = rng.choice([place, f'{{ token = {place}, query = "p" }}', '{ header = "X-Next" }', '{ body = "a" }', "{}"])
    request = rng.choice(['"/x/{job_id}"', '"/x?q={z}"', '"x"', '"/x/${Y}"'])
    method = rng.choice(["GET", "POST", "PUT"])
    told = f"{{ request = {request}, path = {place}, method = {method!r}, body = {{ a = 1 }} }}"
    protocols = ['"json-rpc"', '"grpc"', '""', place]
    made = [
        f"items = {rng.choice([place, f'{{ path = {place}, id = {place}, total = {place} }}'])}",
        f"next_page = {leads}",
        f"protocol = {rng.choice(protocols)}",
        f"pages = {rng.choice(['2', '50', '1', '-1', '10000', place])}",
        f"{rng.choice(['error', 'result'])} = {told}",
        f"events = {{ request = {request}, path = {place}, status = {place}, next_page = {leads} }}",
        f'batch = {{ request = "/x?id={{job_id}}", body = {{ a = 1 }}, next_page = {leads} }}',
    ]
    return "\n".join([line, *rng.sample(made, rng.randint(1, 3))])


_CHANGES: list[Callable[[str, random.Random, Sequence[str]], str]] = [
    *(
        _in_pages,
        _lasting,
        _new_setting,
        _new_expression,
        _new_expression,
        _nested,
        _long,
        _other_line,
        _other_letters,
        _other_letters,
    ),
]


def check_table(text: str, file: Path, longest: float = LONGEST) -> bool:
    """Load a table, and return whether it is one; raise AssertionError where that took too long, in seconds."""
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    is_table, took = _loaded(file)
    if took >= longest:  # as may be where the collector walks a large heap meanwhile
        is_table, took = _loaded(file)
    assert took < longest, (took, text)
    return is_table


def _loaded(file: Path) -> tuple[bool, float]:
    began = time.process_time()
    try:
        load_api(file)
        is_table = True
    except ConfigError as error:
        is_table = not str(error)
    return is_table, time.process_time() - began


def main() -> None:
    """Try as many as is said, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=20_000)
    parser.add_argument("--tables", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    texts = texts_of_tables()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        made = (table_text(rng, texts) for _ in range(options.tables))
        loaded = [text for text in made if check_table(text, Path(folder, "own.toml"))]
    print(f"{options.tables} tables: {len(loaded)} loaded, the others were refused, each in less than {LONGEST} s")
    of_all = [fuzzed(text) for text in [*texts, *loaded]]
    ends = 0
    for of in itertools.islice(itertools.cycle(of_all), options.replies):
        ends += check_reply(of, reply(of, rng), rng.choice([200, 200, 200, 202, 303, 400, 404, 422, 500]))
    print(f"{options.replies} replies to {len(of_all)} tables: {ends} ends, each with its reason; no exception")


if __name__ == "__main__":
    main()
