"""The URL of a job, as people copy it: matched against where an API's table says that its jobs are. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import ConfigError
from .._models import printable
from .._table import templates
from .urls import origin_of, split, unfit_for_url, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._reading.api import JobAPI

_SHOWN = 200


def is_url(text: str) -> bool:
    """Whether an id that was given is a URL."""
    return text.startswith(("https://", "http://"))


def has_job_urls(api: JobAPI) -> bool:
    """Whether the jobs of an API have URLs of their own that show their ids; where ``{url}`` is the id, it is one."""
    return "job_id" in templates.names_in([api.job_path])


def shape_of(api: JobAPI, base_url: str) -> str:
    """Return what the URL of a job looks like: the base URL, and the path with its names in braces."""
    return base_url.rstrip("/") + api.job_path.partition("?")[0]


def forms_of(job_path: str) -> Iterator[tuple[str, bool]]:
    """Yield what a job's path and query may look like, and whether that has the query.

    Where a job's state is read below its own URL, that URL names the job as well: ``/item/7/`` for ``/item/7/state``.
    """
    yield job_path, True
    path, _, _ = job_path.partition("?")
    yield path, False
    for placed in ("{job_id}", "{+job_id}"):
        thing, found, below = path.partition(placed)
        if found and below.startswith("/") and thing.strip("/"):
            yield f"{thing}{placed}", False


def values_in_url(api: JobAPI, base_url: str | None, url: str) -> dict[str, str]:
    """Return the id of the job that a URL is of, as ``job_id``, and the parameters that the URL shows.

    Args:
        api: Whose job it is to be.
        base_url: Where the API is served; by default, where its table says.
        url: The URL.

    Raises:
        ConfigError: It is not of a job of this API: the message shows what such a URL looks like.
    """
    base = (base_url or api.base_url).rstrip("/")
    if not base:
        raise ConfigError(f"no address for {api.name} to compare the job's URL with: give its base URL")
    text = url.partition("#")[0]
    if not unfit_for_url(text) and "@" not in split(text).netloc:
        if base_url is not None:  # as it stands: a brace in it is no name
            text = _below(base, text)
            base = ""
        path, _, _ = text.partition("?")
        for form, has_query in forms_of(api.job_path):
            found = None if not text else templates.values_in(base + form, text if has_query else path.rstrip("/"))
            if found is not None:
                return {name: unquoted(value) for name, value in found.items()}
    shape = shape_of(api, base_url or api.base_url)
    raise ConfigError(f"{printable(url)[:_SHOWN]} is no URL of a job of {api.name}: that looks like {shape}")


def params_in_url(api: JobAPI, base_url: str | None, url: str) -> dict[str, str]:
    """Return the parameters of an API that the URL of a job shows; for arguments and errors see `values_in_url`."""
    if not has_job_urls(api):
        return {}
    return {name: value for name, value in values_in_url(api, base_url, url).items() if name in api.params}


def _below(base: str, url: str) -> str:
    """Return what of a URL is below the base URL; nothing where it is elsewhere."""
    try:
        is_there = origin_of(url) == origin_of(base)
    except ValueError:
        return ""
    parts, root = split(url), split(base).path.rstrip("/")
    if not is_there or not parts.path.startswith(f"{root}/"):
        return ""
    return parts.path.removeprefix(root) + (f"?{parts.query}" if parts.query else "")
