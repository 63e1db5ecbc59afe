"""The pytest fixture ``job_server``: a started `jobwatch.testing.JobServer`, fresh for each test.

It runs in a thread of its own, so that it serves tests with and without async, under pytest-asyncio and anyio's plugin
alike, and the subprocesses that they start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ._server import JobServer


@pytest.fixture(name="job_server")
def started_job_server() -> Iterator[JobServer]:
    """A `jobwatch.testing.JobServer`, started, with the token "sk_test"."""
    from ._server import JobServer  # noqa: PLC0415 - late, so that this plugin costs a test run nothing

    with JobServer() as server:
        yield server
