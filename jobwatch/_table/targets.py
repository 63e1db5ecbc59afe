"""Where a table's requests go, and how the token goes with them. Pure."""

from __future__ import annotations

import functools
import re
from urllib.parse import quote

from msgspec import Struct

from . import templates
from .fields import EventTable, TableError
from .schema import BatchTable, ListTable, Table

_URL = "!$&'()*+,/:;=?@[]~-._%"
_ORIGIN = re.compile(r"(https?://[^/]+)(/.*)", re.DOTALL)
_QUERY = re.compile(r"\?([A-Za-z0-9_.~-]+)=\{token\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HEADER = re.compile(r"([A-Za-z0-9-]+):\s*+([^{}]*+)\{token\}")


def address_of(table: Table) -> tuple[str, str]:
    """Return the base URL and the path of one job; `job` may be both.

    Raises:
        TableError: They are none, or there are two addresses.
    """
    whole = _ORIGIN.fullmatch(table.job)
    if whole is not None:
        if table.base_url:
            raise TableError(("base_url",), "job is a whole URL already: give one or the other")
        return whole[1], encoded(("job",), whole[2])
    if table.job != "{url}" and not table.job.startswith("/"):
        raise TableError(("job",), "it must start with / or with https://")
    return table.base_url, table.job if table.job == "{url}" else encoded(("job",), table.job)


def target_of(key: str, part: ListTable | BatchTable | EventTable | None) -> str | None:
    """Return the path and query of another request than that for the job; None where there is none."""
    return None if part is None or part.request is None else encoded((key, "request"), part.request)


def encoded(keys: tuple[str, ...], template: str) -> str:
    """Return a path and query whose literal text is encoded, such as JSON that people write there.

    Raises:
        TableError: It is none.
    """
    target = templates.mapped(template, functools.partial(quote, safe=_URL), lambda placeholder: placeholder[0])
    check_target(keys, target)
    return target


def check_target(keys: tuple[str, ...], target: str) -> None:
    """Refuse what could be asked for no job, whatever its id.

    Raises:
        TableError: It is such a path.
    """
    path, _, _ = templates.mapped(target, str, lambda _: "x").partition("?")
    if not path.startswith("/"):
        raise TableError(keys, "it must start with /")
    if not templates.is_encoded_path(path):
        raise TableError(keys, "its path can have neither dot segments nor a % by itself")


class Auth(Struct, frozen=True):
    """How the token is sent: in which header, after which word, and whether encoded as Basic wants it; or the query."""

    header: str = "Authorization"
    prefix: str = "Bearer "
    is_basic: bool = False
    query: str | None = None


def auth_of(table: Table) -> Auth:
    """Return how the token is sent.

    Raises:
        TableError: It cannot be told, or there is none to send.
    """
    has_token = bool(table.token_variable or table.token_file)
    for key, name in (("token", table.token_variable), ("token_file", table.token_file)):
        if name and _VARIABLE.fullmatch(name) is None:  # which may be the secret itself, so it is not shown
            form = f'as in {key} = "EXAMPLE_{key.upper()}"'
            raise TableError((key,), f"it is the name of an environment variable, {form}; no secret stands in a table")
    auth = table.auth or ("bearer" if has_token else "none")
    if (auth == "none") is has_token:
        trouble = "there is a token, so say how it is sent" if has_token else "token must name a variable for that"
        raise TableError(("auth",), trouble)
    match auth:
        case "none" | "bearer":
            return Auth()
        case "basic":
            return Auth(prefix="Basic ", is_basic=True)
        case _:
            if query := _QUERY.fullmatch(auth):
                return Auth(query=query[1])
            if header := _HEADER.fullmatch(auth):
                return Auth(header[1], header[2])
            if re.fullmatch(r"(?:[A-Za-z][A-Za-z0-9-]*[ =])?\{token\}", auth):
                raise TableError(("auth",), f'write the header that it goes into, too: "Authorization: {auth}"')
            known = '"bearer", "basic", "none", a header, "X-Api-Key: {token}", or the query, "?api_key={token}"'
            raise TableError(("auth",), f"write {known}")
