"""What the tests of the job server ask it with: a clock of their own, and answers read to their end."""

from __future__ import annotations

from multidict import CIMultiDictProxy


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 500.0

    def __call__(self) -> float:
        return self.seconds


class Answer:
    """One answer, read to its end."""

    def __init__(self, status: int, headers: CIMultiDictProxy[str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
