"""What a table says is different by what the response of a start is. Pure.

Some protocols have two kinds of URLs to ask, which a header's name tells from each other: what is a success in the one
(HTTP 200 without a body) is a broken answer in the other. And in some the server decides whether there is a job at all,
or the answer at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from .._models import Fault, Job
from .._reading.api import JobAPI
from .fields import TableError

_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_OF_STARTS = ("started_by", "inline")
_KEPT = (*_OF_STARTS, "started", "at_start", "job", "params")


def with_inline(
    api: JobAPI,
    table: Mapping[str, object],
    different: Mapping[str, Any],
    made: Callable[[Mapping[str, object], str], JobAPI],
) -> JobAPI:
    """Return an API that reads how work ended from a response that names no job, since it is the answer already.

    Args:
        api: The API.
        table: The table that it was made of.
        different: The keys that have other values there.
        made: Makes an API of a table and its name.

    Raises:
        TableError: Something there cannot be different, or is wrong.
    """
    answer = _different(table, different, ("inline",), made, api.name)

    def read(body: bytes, http_status: int) -> Job | Fault:
        return answer.job(body, "", http_status, any_id=True)

    return replace(api, inline=read)


def _different(
    table: Mapping[str, object],
    keys: Mapping[str, Any],
    where: tuple[str, ...],
    made: Callable[[Mapping[str, object], str], JobAPI],
    name: str,
) -> JobAPI:
    """Return the API of a table with other values of some keys."""
    if fixed := next((key for key in _KEPT if key in keys), None):
        raise TableError((*where, fixed), "it is the same whatever the response of the start is")
    told = {key: value for key, value in {**table, **keys}.items() if key not in _OF_STARTS}
    try:
        return made(told, name)
    except TableError as error:
        raise TableError((*where, *error.keys), error.trouble) from None


def by_header(
    api: JobAPI,
    table: Mapping[str, object],
    different: Mapping[str, Mapping[str, Any]],
    made: Callable[[Mapping[str, object], str], JobAPI],
) -> JobAPI:
    """Return an API with those by which jobs are read that a header names.

    Args:
        api: The API.
        table: The table that it was made of.
        different: By the name of a header, the keys that have other values.
        made: Makes an API of a table and its name.

    Raises:
        TableError: Something there cannot be different, or is wrong.
    """
    if api.job_path != "{url}":
        raise TableError(("started_by",), 'a header names the URL of a job only where job = "{url}"')
    others: dict[str, JobAPI] = {}
    for header, keys in different.items():
        where = ("started_by", header)
        if not _HEADER.fullmatch(header):
            raise TableError(where, 'write the name of a header, such as "Location"')
        other = _different(table, keys, where, made, api.name)
        name = f"{api.name} by {header}"
        others[name] = replace(other, name=name)
    names = {name.rpartition(" ")[2].lower(): name for name in others}
    return replace(api, others={**api.others, **others}, by_header=names)
