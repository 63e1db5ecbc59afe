"""Which CI system runs us, from the variables that it documents. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Runner(enum.Enum):
    """A CI system, as far as that is known."""

    GITHUB = "GitHub Actions"
    GITLAB = "GitLab"
    BUILDKITE = "Buildkite"
    JENKINS = "Jenkins"
    AZURE = "Azure Pipelines"
    CIRCLECI = "CircleCI"
    OTHER = "a CI system"
    NONE = "no CI system"


# Read on 2026-11-29:
# https://docs.github.com/en/actions/reference/workflows-and-actions/variables: GITHUB_ACTIONS, "always true"
# https://docs.gitlab.com/ci/variables/predefined_variables/: GITLAB_CI, for all jobs
# https://buildkite.com/docs/pipelines/configure/environment-variables: BUILDKITE, always true
# https://learn.microsoft.com/azure/devops/pipelines/build/variables: TF_BUILD, True if a build task runs the script
# https://circleci.com/docs/reference/variables/: CIRCLECI, true
# https://docs.cloudbees.com/docs/cloudbees-ci/latest/automating-with-jenkinsfile/working-with-the-env: JENKINS_URL,
#   only where an administrator has set it. The name of a build's tag, "jenkins-JOB-NUMBER", is always there.
_MARKS = (
    ("GITHUB_ACTIONS", Runner.GITHUB),
    ("GITLAB_CI", Runner.GITLAB),
    ("BUILDKITE", Runner.BUILDKITE),
    ("TF_BUILD", Runner.AZURE),
    ("CIRCLECI", Runner.CIRCLECI),
)
_NO = frozenset({"", "0", "false", "no", "off"})


def runner_of(variables: Mapping[str, str]) -> Runner:
    """Return which CI system has set these variables.

    Args:
        variables: The environment.

    Returns:
        The first whose mark is set, and not to "false"; `Runner.OTHER` where only ``CI`` is.
    """
    for name, runner in _MARKS:
        if _is_on(variables, name):
            return runner
    if variables.get("JENKINS_URL") or variables.get("BUILD_TAG", "").startswith("jenkins-"):
        return Runner.JENKINS
    return Runner.OTHER if _is_on(variables, "CI") else Runner.NONE


def _is_on(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "").strip().casefold() not in _NO
