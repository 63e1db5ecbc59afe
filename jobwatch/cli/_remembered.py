"""What ``--cursor`` remembers, opened for one command; without the option, nothing."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from .._client.access import place_of

if TYPE_CHECKING:
    from .._client.client import Client
    from ._cursor import Cursor, Known
    from ._render import OutcomeRecord


class Remembered:
    """A cursor file while a command uses it; a context manager.

    Args:
        path: The file; None for none.
        client: Whose jobs it is about.

    Attributes:
        cursor: The file, if there is one.
        ends: The ends that an earlier run has seen, of the jobs that `jobs` was asked for.
    """

    def __init__(self, path: str | None, client: Client) -> None:
        self.cursor: Cursor | None = None
        self.ends: list[OutcomeRecord] = []
        self._path = path
        self._client = client

    def __enter__(self) -> Self:
        """Open the file."""
        if self._path is not None:
            from ._cursor import Cursor  # noqa: PLC0415 - few commands name one

            self.cursor = Cursor(self._path, self._client.name, place_of(self._client))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self.cursor is not None:
            self.cursor.close()

    def jobs(self, job_ids: Iterable[str]) -> dict[str, Known]:
        """Return what is known of these jobs."""
        if self.cursor is None:
            return {}
        known = {job_id: self.cursor.known(job_id) for job_id in job_ids}
        # This command looks for none of them, and waits for none.
        self.ends = [
            replace(each.end, looks=0, elapsed=0.0, known_after=None) for each in known.values() if each.end is not None
        ]
        return known
