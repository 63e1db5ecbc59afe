"""How far a request is that has no answer yet, and what is wrong with that."""

from __future__ import annotations

import enum
from typing import assert_never


class Progress(enum.Enum):
    """How far a request is that has no answer yet."""

    UNCONNECTED = "unconnected"
    CONNECTED = "connected"
    """There is a connection, and TLS is not agreed on over it."""
    TUNNELLING = "tunnelling"
    """There is a connection, over which the request was not sent: the proxy at its end has not let it through."""
    ASKED = "asked"
    ANSWERING = "answering"


def trouble_at(progress: Progress, first: str, last: str, *, is_known: bool, is_resolving: bool) -> str:
    """Return in words what is wrong where a request has got no further than this.

    Args:
        progress: How far it is.
        first: What the connection leads to: the server, or a proxy.
        last: What speaks TLS, and what answers.
        is_known: Whether it is known when there is a connection.
        is_resolving: Whether an address is still looked for.
    """
    match progress:
        case Progress.UNCONNECTED if not is_known:
            return f"{first} did not answer"
        case Progress.UNCONNECTED if is_resolving:
            return f"no address was found for {first}"
        case Progress.UNCONNECTED:
            return f"{first} did not take the connection"
        case Progress.CONNECTED:
            return f"{last} took the connection and did not answer the TLS handshake"
        case Progress.TUNNELLING:
            return f"{first} took the connection and did not answer"
        case Progress.ASKED:
            return f"{last} took the connection and did not answer"
        case Progress.ANSWERING:
            return f"{last} began to answer, and the answer did not end"
        case _:
            assert_never(progress)
