"""The public names: all of them, sorted, and each explained in a sentence."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import jobwatch
import jobwatch.apis
import jobwatch.otel
import jobwatch.testing
from jobwatch import _errors

MODULES = (jobwatch, jobwatch.apis, jobwatch.otel, jobwatch.testing)


def ruff_order(name: str) -> tuple[int, str]:
    """Order as ruff's RUF022 does: constants, then types, then the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def public(module: ModuleType) -> list[tuple[str, object]]:
    return [(name, getattr(module, name)) for name in module.__all__]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_all_is_sorted_and_everything_in_it_is_there(module: ModuleType) -> None:
    assert module.__all__ == sorted(module.__all__, key=ruff_order)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_all_is_complete_and_says_truly_where_each_name_comes_from() -> None:
    tree = ast.parse(Path(jobwatch.__file__).read_text())
    told = {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module is not None
        for alias in node.names
    }
    assert set(told) == set(jobwatch.__all__)
    assert {name: f".{module}" for name, module in told.items()} == jobwatch._MODULE_OF
    for name, module in told.items():
        assert getattr(jobwatch, name) is getattr(import_module(f"jobwatch.{module}"), name), name


def test_what_is_not_there_is_missed_as_usual() -> None:
    assert not hasattr(jobwatch, "Jobs")
    assert set(jobwatch.__all__) <= set(dir(jobwatch))


def test_every_error_is_public_and_under_the_root() -> None:
    errors = {
        name: value
        for name, value in vars(_errors).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == _errors.__name__
    }
    assert set(errors) <= set(jobwatch.__all__)
    assert all(issubclass(error, jobwatch.JobwatchError) for error in errors.values())
    for name in errors:
        assert name in (_errors.__doc__ or ""), f"{name} is not in the tree of the docstring"


def test_star_import_gives_exactly_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from jobwatch import *", names)
    assert set(names) - {"__builtins__"} == set(jobwatch.__all__)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(module.__name__, name) for module in MODULES for name, _ in public(module)],
)
def test_every_public_name_is_explained_in_a_sentence(owner: str, name: str) -> None:
    value = getattr(__import__(owner, fromlist=["*"]), name)
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return  # values and aliases carry their string beneath them, which does not survive import
    check_sentence(f"{owner}.{name}", value)
    if inspect.isclass(value):
        for member_name, member in vars(value).items():
            if not member_name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
                check_sentence(f"{owner}.{name}.{member_name}", member)


def check_sentence(name: str, value: object) -> None:
    text = inspect.getdoc(value)
    assert text, f"{name} has no docstring"
    first = text.split("\n\n")[0].split("\n    ")[0].strip()
    assert first[0].isupper() or first[0] in "`'\"", f"{name}: {first!r} does not start a sentence"
    assert first.endswith((".", "::")), f"{name}: {first!r} does not end as a sentence"
    assert " " in first, f"{name}: {first!r} is no sentence"


@pytest.mark.parametrize("name", [name for name in jobwatch.__all__ if inspect.isclass(getattr(jobwatch, name))])
def test_annotations_of_public_signatures_name_nothing_foreign(name: str) -> None:
    value = getattr(jobwatch, name)
    for member in vars(value).values():
        if inspect.isfunction(member) and not member.__name__.startswith("_"):
            told = " ".join(str(annotation) for annotation in inspect.get_annotations(member).values())
            assert "aiohttp" not in told
            assert "yarl" not in told


def test_version_and_typed_marker() -> None:
    assert jobwatch.__version__.count(".") == 2
    assert (Path(jobwatch.__file__).parent / "py.typed").exists()
