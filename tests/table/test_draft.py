"""The first draft of a table, made from an OpenAPI document: what it says, what it marks, and what it leaves open."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobwatch import ConfigError, Job, Phase
from jobwatch._table.compile import api_of
from jobwatch._table.draft import DraftError, drafted
from jobwatch.apis._files import draft_of

JOB = {
    "type": "object",
    "properties": {
        "jobId": {"type": "string"},
        "kind": {"type": "string"},
        "state": {"$ref": "#/components/schemas/State"},
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "submittedAt": {"type": "string", "format": "date-time"},
        "finishedAt": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "error": {"type": ["object", "null"]},
    },
}
STATES = ["QUEUED", "RUNNING", "AWAITING_APPROVAL", "OK", "DONE_WITH_ERRORS", "FAILED", "STOPPED", "QUX"]


def document(
    schema: object, path: str = "/kitchens/{kitchen-id}/orders/{jobId}", *, top: Any = None, **operation: object
) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    get = {"responses": {"200": {"content": content}, "404": {"description": "none such"}}} | operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Kitchen API", "version": "1"},
        "servers": [{"url": "https://kitchen.example.com/v2/"}],
        "paths": {path: {"get": get}, "/other": {}},
        "components": {
            "schemas": {"State": {"type": "string", "enum": STATES}, "Job": JOB},
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        },
        "security": [{"key": []}],
        **(top or {}),
    }


def table_of(told: dict[str, Any], path: str = "/kitchens/{k}/orders/{id}") -> tuple[dict[str, Any], tuple[str, ...]]:
    draft = drafted(told, path)
    table = tomllib.loads(draft.text)
    api_of(table, "draft")
    return table, draft.remarks


def test_a_draft_says_what_the_document_says() -> None:
    wrapped = {"type": "object", "properties": {"data": {"$ref": "#/components/schemas/Job"}}}
    draft = drafted(document(wrapped), "/kitchens/{k}/orders/{id}")
    assert (
        draft.text
        == """\
# Kitchen API: a first draft, made from its OpenAPI document. Look at each guess.
job = "/v2/kitchens/{kitchen_id}/orders/{job_id}"
base_url = "https://kitchen.example.com"
base_url_variable = "KITCHEN_URL"
token = "KITCHEN_TOKEN"
auth = "X-Key: {token}"
status = "data.state"
id = "data.jobId"
type = "data.kind"  # guess
error = "data.error"  # guess
created_at = "data.submittedAt"  # guess
ended_at = "data.finishedAt"  # guess
progress = { done = "data.progress", of = 100 }  # guess
[words]
pending = ["QUEUED"]
running = ["RUNNING"]
blocked = ["AWAITING_APPROVAL"]  # guess: AWAITING_APPROVAL
succeeded = ["OK"]  # guess: OK
partial = ["DONE_WITH_ERRORS"]  # guess: DONE_WITH_ERRORS
failed = ["FAILED"]
cancelled = ["STOPPED"]  # guess: STOPPED
"""
    )
    assert draft.remarks == ("nobody knows what these words mean: QUX",)
    api = api_of(tomllib.loads(draft.text), "kitchen")
    job = api.job(b'{"data": {"jobId": "7", "state": "DONE_WITH_ERRORS", "progress": 50}}', "7")
    assert isinstance(job, Job)
    assert (job.phase, job.progress) == (Phase.PARTIAL, 0.5)


@pytest.mark.parametrize(
    ("scheme", "told"),
    [
        ({"type": "http", "scheme": "Bearer"}, {"token": "KITCHEN_TOKEN"}),
        ({"type": "oauth2", "flows": {}}, {"token": "KITCHEN_TOKEN"}),
        ({"type": "http", "scheme": "basic"}, {"token": "KITCHEN_TOKEN", "auth": "basic"}),
        ({"type": "apiKey", "in": "query", "name": "key"}, {"token": "KITCHEN_TOKEN", "auth": "?key={token}"}),
        ({"type": "apiKey", "in": "cookie", "name": "sid"}, {}),
    ],
)
def test_how_the_token_is_sent(scheme: dict[str, Any], told: dict[str, str]) -> None:
    table, remarks = table_of(document(JOB, top={"components": {"securitySchemes": {"key": scheme}}}))
    assert {key: table[key] for key in ("token", "auth") if key in table} == told
    assert any("log in" in remark for remark in remarks) is (not told)


def test_a_token_that_may_be_left_out() -> None:
    assert table_of(document(JOB, security=[{"key": []}, {}]))[0]["token_optional"] is True
    assert "token_optional" not in table_of(document(JOB, security=[{"key": []}]))[0]
    assert (
        "token_optional = true  # guess"
        in drafted(document(JOB, top={"security": None}), "/kitchens/{}/orders/{}").text
    )


def test_of_several_places_the_one_that_lists_its_words_is_meant() -> None:
    schema = {
        "allOf": [
            {"properties": {"status": {"type": "string"}, "id": {"type": "integer"}}},
            {"properties": {"run": {"properties": {"phase": {"enum": ["ended"]}, "id": {"type": "integer"}}}}},
        ]
    }
    table, remarks = table_of(document(schema))
    assert (table["status"], table["id"]) == ("run.phase", "run.id")
    assert "it may also be the status: status" in remarks


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"done": {}, "error": {}}, {"words": {"running": [False], "succeeded": [True]}, "failed_if": "done && error"}),
        ({"finished": {"type": "boolean"}}, {"words": {"running": [False], "finished": [True]}}),
    ],
)
def test_a_flag_may_be_the_status(fields: dict[str, Any], told: dict[str, Any]) -> None:
    table, _ = table_of(document({"properties": {"id": {}, **fields}}))
    assert {key: table[key] for key in ("words", "failed_if") if key in table} == told


@pytest.mark.parametrize(
    ("told", "remark"),
    [
        (document({"properties": {"id": {}, "colour": {"type": "string"}}}), "no field is called status"),
        (document({"properties": {"state": {"type": "string"}}}), "the words of state are not listed"),
        (document({"properties": {"state": {"type": "string"}}}), "no id lies beside the status"),
        (document({"properties": {"state": {"enum": ["running"]}}}), "none of the words is an end"),
        (document(JOB, top={"servers": [{"url": "/"}]}), "does not say where it is served: set $KITCHEN_URL"),
        (document({"$ref": "https://x.example/job.yaml"}), "told in another document: https://x.example/job.yaml"),
        (document(JOB, responses={"200": {}}), "the document does not say what a reply holds"),
        (document(JOB, responses={"200": {}, "202": {}}), "both 200 and 202 are answers"),
        (document(JOB, responses={"200": {}}), "does not say what it answers for an unknown id"),
        (document(JOB, responses={"200": {}, "303": {}}), "303 is an answer"),
        (document(JOB, parameters=[{"in": "query", "name": "limit", "required": True}]), "the query wants limit"),
        (
            document(JOB, parameters=[{"in": "header", "name": name, "required": True} for name in ("X-A", "Accept")]),
            "the headers X-A are required",
        ),
    ],
)
def test_what_the_document_does_not_say_is_said(told: dict[str, Any], remark: str) -> None:
    _, remarks = table_of(told)
    assert any(remark in each for each in remarks), remarks


def test_a_query_that_is_required_becomes_a_parameter() -> None:
    table, _ = table_of(document(JOB, parameters=[{"in": "query", "name": "limit", "required": True}]))
    assert table["job"].endswith("/orders/{job_id}?limit={own_limit}")


def test_a_job_that_is_asked_for_by_post() -> None:
    told = document(JOB)
    told["paths"] = {"/jobs/{id}": {"post": told["paths"]["/kitchens/{kitchen-id}/orders/{jobId}"]["get"]}}
    table, remarks = table_of(told, "/jobs/{id}")
    assert table["method"] == "POST"
    assert "it is asked by POST: write its body" in remarks


@pytest.mark.parametrize(
    ("told", "path", "why"),
    [
        ({"swagger": "2.0"}, "/jobs/{id}", "no OpenAPI 3 document"),
        ([], "/jobs/{id}", "no OpenAPI 3 document"),
        (document(JOB), "/jobs/{id}", r"no path /jobs/\{id\} in it; paths of one thing are: /kitchens/"),
        (document(JOB), "/other", "neither GET nor POST"),
        (document(JOB, path="/jobs"), "/jobs", "no place for a job's id"),
    ],
)
def test_where_there_is_nothing_to_draft_from(told: Any, path: str, why: str) -> None:
    with pytest.raises(DraftError, match=why):
        drafted(told, path)


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_bytes(msgspec.json.encode(document(JOB)))
    assert draft_of(str(file), "/kitchens/{}/orders/{}").has_status
    file.write_text("openapi: 3.1.0\n", "utf-8")
    with pytest.raises(ConfigError, match=r"openapi\.json is no JSON"):
        draft_of(str(file), "/jobs/{id}")
    with pytest.raises(ConfigError, match="cannot read"):
        draft_of(str(tmp_path / "none.json"), "/jobs/{id}")


def test_references_that_lead_nowhere_or_round_end() -> None:
    for schema in ({"$ref": "#/components/schemas/Round"}, {"$ref": "other.json#/Job"}, {"$ref": "#/none"}):
        told = document(schema)
        told["components"]["schemas"]["Round"] = {"allOf": [{"$ref": "#/components/schemas/Round"}]}
        assert not drafted(told, "/kitchens/{k}/orders/{id}").has_status


def _anything(chance: random.Random, depth: int) -> Any:
    if not depth or chance.random() < 0.3:
        return chance.choice([None, True, 1, "", "state", 'a b\n#\x07"', "#/components/schemas/Job", [], {}, "enum"])
    if chance.random() < 0.3:
        return [_anything(chance, depth - 1) for _ in range(chance.randrange(3))]
    names = ["$ref", "properties", "allOf", "enum", "type", "state", "id", "a-b", "anyOf", "example", "error", "done"]
    return {chance.choice(names): _anything(chance, depth - 1) for _ in range(chance.randrange(5))}


def test_any_document_becomes_a_table_or_is_refused() -> None:
    chance = random.Random(13)
    drafts = 0
    for _ in range(800):
        told = document(
            {"type": "object", "properties": {"id": {}, chance.choice(["state", "x"]): _anything(chance, 6)}}
        )
        key = chance.choice(["servers", "security", "components", "info"])
        if chance.random() < 0.4:
            told[key] = _anything(chance, 4)
        draft = drafted(told, "/kitchens/{k}/orders/{id}")
        api_of(tomllib.loads(draft.text), "draft")
        drafts += draft.has_status
    assert 100 < drafts < 800
