"""How far a request is that has no answer yet."""

from __future__ import annotations

import enum


class Progress(enum.Enum):
    """How far a request is that has no answer yet."""

    UNCONNECTED = "unconnected"
    CONNECTED = "connected"
    """There is a connection, and TLS is not agreed on over it."""
    TUNNELLING = "tunnelling"
    """There is a connection, over which the request was not sent: the proxy at its end has not let it through."""
    ASKED = "asked"
    ANSWERING = "answering"
