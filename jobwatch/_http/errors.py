"""What a connection may turn out to be when a request is to go over it, apart from aiohttp, which is imported late."""

from __future__ import annotations


class NotSilent(Exception):
    """Something came on a connection before the request that it was to carry, or it was closed; nothing was sent."""


class LostWhenKept(Exception):
    """A connection that had been kept alive was lost before any answer: its server had perhaps given it up already."""


class Unanswered(Exception):
    """A new connection was lost before any answer to its first request."""


class CertificateRefused(Exception):
    """The server refused our certificate; the text is the alert that it sent. RFC 8446, section 6.2."""


class NotPlain(Exception):
    """A connection is not for a first look without aiohttp, or could not be opened so; nothing was sent."""
