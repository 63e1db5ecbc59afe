"""The command line is tried as in a shell, even where the tests run on a CI system."""

from __future__ import annotations

import pytest

_SET_BY_RUNNERS = (
    *("CI", "GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITLAB_CI", "BUILDKITE", "TF_BUILD"),
    *("CIRCLECI", "JENKINS_URL", "BUILD_TAG"),
)


@pytest.fixture(autouse=True)
def no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _SET_BY_RUNNERS:
        monkeypatch.delenv(name, raising=False)
