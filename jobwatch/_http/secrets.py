"""The secrets of a request, in every spelling in which a server may quote them back, and text without them. Pure.

A server that refuses a request may repeat what it was sent: a header, a URL, a body, decoded or as it came. What
jobwatch says of such a reply passes through `masked` first. A job's own record is not changed: it is the caller's data.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec.structs import replace

from .._models import JSON, Fault
from .._reading.patterns import pattern
from .._reading.words import lowered
from .urls import UNRESERVED, quoted, unquoted

SHORTEST = 6
"""What has fewer characters stands in other words by chance."""

_SECRET_NAME = pattern(r"auth|cookie|key|pass|pwd|secret|sig|token", re.IGNORECASE)
_OPEN_HEADER = pattern(r"accept|content-type|user-agent|.*version", re.IGNORECASE)
_IN_URL = str.maketrans("+/", "-_")
_SCHEMES = frozenset({"basic", "bearer", "digest", "apikey"})


class Secrets(frozenset[str]):
    """Secrets that no repr shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secrets()"


def spellings(secret: str) -> frozenset[str]:
    """Return how a secret may be quoted back: whole or a word of it, encoded for a URL, for JSON or in base64.

    Of a word that is base64 itself, as in Basic credentials, what it holds is a secret too.
    """
    words = {secret, *secret.split()}
    words |= {part for word in secret.split() for part in _within(word)}
    words = {word for word in words if len(word) >= SHORTEST and word.lower() not in _SCHEMES}
    return frozenset(spelt for word in words for spelt in _spelt(word) if len(spelt) >= SHORTEST)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return a text with ``***`` in place of each secret, and of the beginning of one that the text was cut within."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = _without(text, lowered(secret))
    return text


def _without(text: str, secret: str) -> str:
    # Whatever its case: a secret that became a host name or an upper-case log line is still one.
    folded = lowered(text)
    pieces: list[str] = []
    start = 0
    while (found := folded.find(secret, start)) >= 0:
        pieces.append(text[start:found])
        start = found + len(secret)
    # The last of it may be the beginning of a secret, where a text was cut.
    cut = folded.find(secret[:SHORTEST], max(start, len(text) - len(secret) + 1))
    while cut >= 0 and not secret.startswith(folded[cut:]):
        cut = folded.find(secret[:SHORTEST], cut + 1)
    pieces += [text[start:]] if cut < 0 else [text[start:cut], ""]
    return "***".join(pieces)


def without(secrets: frozenset[str], fault: Fault) -> Fault:
    """Return a fault that says none of these secrets."""
    message, code, request_id, url = (
        text and masked(text, secrets) for text in (fault.message, fault.code, fault.request_id, fault.url)
    )
    return replace(fault, message=message, code=code, request_id=request_id, url=url)


def is_secret_name(name: str) -> bool:
    """Whether a name says that what it stands for is a secret."""
    return _SECRET_NAME.search(name) is not None


def in_headers(headers: Mapping[str, str]) -> frozenset[str]:
    """Return the secrets in headers: whatever the caller sends, but for what says only in which form to answer."""
    return _all(value for name, value in headers.items() if not _OPEN_HEADER.fullmatch(name))


def in_query(query: str) -> frozenset[str]:
    """Return the secrets in an encoded query: the values whose names say that they are."""
    parts = (part.partition("=") for part in query.replace("+", " ").split("&"))
    return _all(unquoted(value) for name, _, value in parts if is_secret_name(unquoted(name)))


def in_body(body: bytes) -> frozenset[str]:
    """Return the secrets in a body, which is JSON or a form: the texts whose names say that they are."""
    try:
        return _all(_named(msgspec.json.decode(body)))
    except (ValueError, RecursionError):
        return in_query(body.decode("utf-8", "replace"))


def _all(secrets: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(spellings, secrets))


def _named(value: JSON, *, secret: bool = False) -> Iterator[str]:
    match value:
        case str() if secret:
            yield value
        case list():
            for each in value:
                yield from _named(each, secret=secret)
        case dict():
            for name, each in value.items():
                yield from _named(each, secret=secret or is_secret_name(name))
        case _:
            pass


def _within(word: str) -> Iterator[str]:
    try:
        text = base64.b64decode(word, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    yield from (text, *text.split(":", 1))


def _spelt(word: str) -> Iterator[str]:
    yield word
    if not UNRESERVED.fullmatch(word):  # as nearly every token is, which is quoted in none of the ways
        in_form = quoted(word, " ").replace(" ", "+")
        yield from (quoted(word, "/"), quoted(word), in_form, msgspec.json.encode(word).decode()[1:-1])
    packed = base64.b64encode(word.encode()).decode().rstrip("=")
    yield from (packed, packed.translate(_IN_URL))
