"""Everything: it goes on after a failure, says so, and leaves nothing out."""

from __future__ import annotations

import pytest

from tests.all import PARTS, Part, run_all


def test_everything_goes_on_after_a_failure_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    parts = [Part("broken", ("nothing.of.this.name",)), Part("whole", ("platform",))]
    assert run_all(parts) == 1
    lines = capfd.readouterr().out.splitlines()
    broken, whole, last = lines[-3:]
    assert broken.split()[0] == "broken"
    assert "FAILED" in broken
    assert "ok" in whole.split()
    assert last.endswith("failed: broken")
    assert run_all(parts[1:]) == 0
    assert capfd.readouterr().out.splitlines()[-1].endswith("all passed")


def test_everything_leaves_no_test_out() -> None:
    assert ("pytest", "--quiet", "tests") in [part.program for part in PARTS]
