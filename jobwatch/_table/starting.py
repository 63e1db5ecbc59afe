"""What a table says is different by the header of the start that named a job's URL. Pure.

Some protocols have two kinds of URLs to ask, which a header's name tells from each other: what is a success in the one
(HTTP 200 without a body) is a broken answer in the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from .._reading.api import JobAPI
from .fields import TableError

_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_KEPT = ("started_by", "started", "at_start", "job", "params")


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
        if fixed := next((key for key in _KEPT if key in keys), None):
            raise TableError((*where, fixed), "it is the same whatever header named the URL")
        try:
            other = made({key: value for key, value in {**table, **keys}.items() if key != "started_by"}, api.name)
        except TableError as error:
            raise TableError((*where, *error.keys), error.trouble) from None
        name = f"{api.name} by {header}"
        others[name] = replace(other, name=name)
    names = {name.rpartition(" ")[2].lower(): name for name in others}
    return replace(api, others={**api.others, **others}, by_header=names)
