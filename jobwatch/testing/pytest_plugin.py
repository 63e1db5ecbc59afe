"""The pytest fixture ``job_server``: a started `jobwatch.testing.JobServer`, fresh for each test.

Works with pytest-asyncio, in its auto mode and in its strict mode.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ._server import JobServer

try:
    import pytest_asyncio
except ImportError:

    @pytest.fixture(name="job_server")
    def missing_job_server() -> None:
        """Say what is missing."""
        pytest.fail("the fixture job_server needs pytest-asyncio: install it", pytrace=False)

else:

    @pytest_asyncio.fixture(name="job_server")
    async def started_job_server() -> AsyncIterator[JobServer]:
        """A `jobwatch.testing.JobServer`, started, with the token "sk_test"."""
        from ._server import JobServer  # noqa: PLC0415 - late, so that this plugin costs a test run nothing

        async with JobServer() as server:
            yield server
