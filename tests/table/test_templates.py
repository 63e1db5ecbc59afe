"""Templates: names in braces, what is put in their place, and what is read back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch._table import templates
from jobwatch._table.templates import filled, is_repeatable, mapped, names_in, repeated, value_in, whole_values_in

LITERALS = st.text(st.characters(exclude_characters="{}$"), max_size=8)


def test_names_are_found_and_variables_are_none() -> None:
    assert names_in(["/{a}/{+b}", None, "${C} {a}", "{1} {} {x y}"]) == ["a", "b", "a"]


def test_values_are_put_in_once_and_other_names_stay() -> None:
    assert filled("{a}{+b}{c}${a}", {"a": "{b}", "b": "2"}) == "{b}2{c}${a}"


@given(LITERALS, LITERALS)
def test_text_and_placeholders_go_through_functions_of_their_own(before: str, after: str) -> None:
    assert (
        mapped(f"{before}{{x}}{after}", str.upper, lambda found: found["name"]) == f"{before.upper()}x{after.upper()}"
    )


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("/jobs?id={job_id}&x=1", "/jobs?id=a&id=b&x=1"),
        ("/jobs?x=1&ids[]={job_id}", "/jobs?x=1&ids[]=a&ids[]=b"),
        ("/jobs/{job_id}?x=1", "/jobs/{job_id}?x=1"),
    ],
)
def test_a_part_of_the_query_is_written_once_for_each(template: str, written: str) -> None:
    assert repeated(template, ["a", "b"]) == written
    assert is_repeatable(template) is (template != written)


@pytest.mark.parametrize(
    ("template", "text", "value"),
    [
        ("/{p}/jobs/{job_id}?x=1", "/any/jobs/7?x=1", "7"),
        ("/{+job_id}", "/a/b:c", "a/b:c"),
        ("/{job_id}", "/a/b", None),
        ("/jobs.{job_id}", "/jobs-7", None),
        ("/{other}", "/7", None),
    ],
)
def test_a_value_is_read_back(template: str, text: str, value: str | None) -> None:
    assert value_in(template, text, "job_id") == value


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ('{"JobName":"{job_name}","RunId":["{run}"],"note":"of {x}"}', ["job_name", "run"]),
        ('{"query":"{me}","variables":{"id":"{job_id}"}}', ["job_id"]),
        ('{"query": "query($id: ID!) {job(id: $id) {id state}}"}', []),
        ('{"query":"{job(name: \\"{name}\\") {id}}"}', []),
        ("id={job_id}&queue={queue}&at=x{y}", ["job_id", "queue"]),
        ("<job id={x}/>", []),
        (None, []),
    ],
)
def test_a_name_that_is_a_whole_value_of_a_body(body: str | None, names: list[str]) -> None:
    assert whole_values_in([body]) == names


def test_a_path_is_encoded_by_the_whole_rule_whether_it_is_plain_or_not() -> None:
    parts = ("", ".", "..", "%2e", "%", "a", "a.b", "-_9Z", "é", " ", "\n")
    paths = ["/".join(chosen) for length in range(5) for chosen in itertools.product(parts, repeat=length)]
    assert [path for path in paths if templates.is_encoded_path(path) != bool(templates._PATH.fullmatch(path))] == []
