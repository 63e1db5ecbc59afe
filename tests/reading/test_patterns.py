"""Regular expressions that are compiled late."""

from __future__ import annotations

import re
from unittest import mock

import pytest

from jobwatch._reading.patterns import pattern


def test_it_is_compiled_once_and_not_before_it_is_used() -> None:
    with mock.patch.object(re, "compile", wraps=re.compile) as compiled:
        late = pattern("a+", re.IGNORECASE)
        assert compiled.call_count == 0
        for _ in range(3):
            assert late.fullmatch("aA") is not None
        assert compiled.call_count == 1
    assert (late.sub("b", "cAAd"), late.pattern, late.flags & re.IGNORECASE) == ("cbd", "a+", re.IGNORECASE)


def test_it_takes_bytes_too_and_has_no_more_than_an_expression_has() -> None:
    assert pattern(b"a").match(b"ab") is not None
    with pytest.raises(AttributeError):
        _ = pattern("a").nothing  # type: ignore[attr-defined]
