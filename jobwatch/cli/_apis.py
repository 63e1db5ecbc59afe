"""``jobwatch apis``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from .._reading.api import JobAPI
from ..apis import APIS
from ._list import print_table
from ._output import say
from ._text import json_line, safe

if TYPE_CHECKING:
    from ._arguments import Options


class ApiRecord(Struct, frozen=True, tag_field="type", tag="api"):
    """What ``--json`` prints of an API."""

    name: str
    token_variable: str
    token_is_set: bool
    base_url: str
    base_url_variable: str
    params: tuple[str, ...]
    lists_jobs: bool
    docs: str


def run(options: Options) -> int:
    """Print the APIs, and whether each has a token; never the token."""
    if options.check is not None:
        from ._check import run as check  # noqa: PLC0415 - only where it is asked for

        return check(options)
    records = [_record(api) for api in APIS.values()]
    if options.json:
        for record in records:
            say(json_line(record))
    else:
        print_table([("API", "TOKEN IN", "SET", "LIST", "SERVED AT", "DOCUMENTED AT"), *map(_row, records)])
    return 0


def _record(api: JobAPI) -> ApiRecord:
    return ApiRecord(
        name=api.name,
        token_variable=api.token_variable,
        token_is_set=bool(os.environ.get(api.token_variable)),
        base_url=_public(os.environ.get(api.base_url_variable) or api.base_url),
        params=tuple(api.params),
        base_url_variable=api.base_url_variable,
        lists_jobs=api.list_path is not None,
        docs=api.docs,
    )


def _row(record: ApiRecord) -> tuple[str, ...]:
    token, listing = ("yes" if record.token_is_set else "no"), ("yes" if record.lists_jobs else "no")
    served_at = safe(record.base_url) if record.base_url else f"${record.base_url_variable}"
    return record.name, record.token_variable, token, listing, served_at, record.docs


def _public(url: str) -> str:
    """Return a URL without the parts in which people keep secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    if not parts.netloc:
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
