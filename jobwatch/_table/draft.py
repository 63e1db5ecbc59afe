"""The first draft of a table, made from an OpenAPI 3 document and the path of one job in it. Pure.

The document says where one job is read, how the token is sent, and what a reply holds; what its words mean it seldom
says. So whatever is taken by its name, and each word that is not a common one, is marked as a guess, and what could not
be found out is said beside the draft. Fields are those of https://spec.openapis.org/oas/v3.1.1.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from .._models import Phase
from .._reading.words import USUAL_WORDS, normalized, text_of

Schema: TypeAlias = Mapping[str, Any]

_NONE: Schema = {}
_DEEPEST = 4
_MOST_FIELDS = 2000
_MOST_REFS = 40
_STATUS = ("status", "state", "phase", "jobstatus", "jobstate", "runstatus", "runstate", "statetype", "lifecyclestate")
_FLAGS = ("done", "completed", "finished", "iscomplete", "isdone", "isfinished")
_PLACES: Mapping[str, Sequence[str]] = {
    "type": ("type", "kind", "jobtype", "tasktype", "processid"),
    "error": ("error", "errors", "errormessage", "exception", "failurereason", "failure", "statusmessage", "message"),
    "result": ("result", "results", "output", "outputs"),
    "url": ("htmlurl", "weburl", "runurl", "logsurl"),
    "attempt": ("attempt", "attempts", "attemptnumber", "retries", "trynumber", "runcount"),
    "created_at": ("createdat", "created", "createtime", "creationtime", "createddate", "submittedat", "queuedat"),
    "started_at": ("startedat", "started", "starttime", "startdate", "startat"),
    "ended_at": ("endedat", "ended", "endtime", "enddate", "finishedat", "finished", "completedat", "completed"),
    "updated_at": ("updatedat", "updated", "updatetime", "lastupdated", "modifiedat", "modified"),
    "retry_after": ("retryafter", "pollinterval", "pollintervalms", "pollafter"),
}
_TIMES = frozenset({"created_at", "started_at", "ended_at", "updated_at"})
_PROGRESS = ("progress", "percent", "percentcomplete", "percentage", "progresspercent")
_GUESSES: Sequence[tuple[Phase, str]] = (
    (Phase.PARTIAL, r"partial|warning|somefail|witherror|withfail|withissue"),
    (Phase.BLOCKED, r"approv|inputrequired|actionrequired|authrequired|confirm|manual|suspend|paus"),
    (Phase.CANCELLED, r"cancel|abort|kill|dismiss|revok|skip|delet|discard|stopped|terminated"),
    (Phase.FAILED, r"fail|error|reject|timeout|timedout|expir|crash|invalid|lost|dead|preempt|unsuccess|denied|evict"),
    (Phase.PENDING, r"pend|queue|wait|sched|creat|submit|accept|new|init|defer|idle|hold"),
    (Phase.RUNNING, r"ing$|run|progress|activ|start|process|work"),
    (Phase.SUCCEEDED, r"succe|complet|pass|^ok$|applied|ready"),
    (Phase.FINISHED, r"finish|done|ended|end$|exit|closed"),
)
"""By what a word that is not common is guessed at, in this order."""

_RESERVED = frozenset({"job_id", "job_ids", "project_id", "limit", "url", "now"})
_SENT = frozenset({"accept", "authorization", "content-type", "user-agent"})
"""Headers that are sent in any case."""

_HELD = frozenset({"paused", "suspended", "onhold", "held"})
"""Common words of jobs that wait, which elsewhere wait for somebody."""


class DraftError(ValueError):
    """No table can be made: the text says what the document lacks."""


class Draft(Struct, frozen=True):
    """A draft.

    Attributes:
        text: The table as TOML.
        remarks: What the document does not say, and has to be looked up.
        has_status: Whether a field was found that may be the status.
        example: The document's own example of a reply, if it has one.
    """

    text: str
    remarks: tuple[str, ...]
    has_status: bool
    example: bytes | None = None


def drafted(document: object, path: str) -> Draft:
    """Write the first draft of a table.

    Args:
        document: An OpenAPI 3 document, decoded.
        path: The path of one job in it, with any name in its braces: ``/jobs/{id}``.

    Raises:
        DraftError: It is no such document, or has no such path.
    """
    whole = _mapping(document)
    if not str(whole.get("openapi", "")).startswith("3."):
        raise DraftError("it is no OpenAPI 3 document: there is no openapi = 3.x in it")
    return _Drafting(whole, path).draft()


class _Field(Struct, frozen=True):
    """One field of a reply: where it lies, and its schema."""

    place: tuple[str, ...]
    schema: Schema

    @property
    def word(self) -> str:
        return normalized(self.place[-1])


class _Drafting:
    """The writing of one draft."""

    def __init__(self, document: Schema, path: str) -> None:
        self._document = document
        self._title = str(_mapping(document.get("info")).get("title") or "An API").replace("\n", " ")[:80]
        first = re.search(r"[A-Za-z][A-Za-z0-9]*", self._title)
        self._prefix = first[0].upper() if first is not None else "API"
        self._path, self._item = _path_in(_mapping(document.get("paths")), path)
        self._method = "post" if "get" not in self._item and "post" in self._item else "get"
        self._operation = _mapping(self._item.get(self._method))
        if not self._operation:
            raise DraftError(f"{self._path} has neither GET nor POST")
        self._lines: list[str] = []
        self._words_table: list[str] = []
        self._remarks: list[str] = []
        self._has_status = False

    def draft(self) -> Draft:
        """Return the table and what could not be told."""
        self._lines.append(
            f"# {_shown(self._title)}: a first draft, made from its OpenAPI document. Look at each guess."
        )
        self._request()
        self._auth()
        example = self._reply()
        if self._words_table:
            self._lines += ["[words]", *self._words_table]
        return Draft("\n".join(self._lines) + "\n", tuple(self._remarks), self._has_status, example)

    # --- the request ---------------------------------------------------------------------------------------------

    def _request(self) -> None:
        names = re.findall(r"\{([^{}]+)\}", self._path)
        if not names:
            raise DraftError(f"{self._path} has no place for a job's id, such as {{id}}")
        job, params = self._path, [each for each in names[:-1] if each != names[-1]]
        for each in params:
            job = job.replace(f"{{{each}}}", f"{{{_name(each)}}}")
        base, prefix = self._address()
        job = prefix + job.replace(f"{{{names[-1]}}}", "{job_id}")
        wanted = [each for each in self._parameters() if each.get("required") is True]
        query = [str(each.get("name")) for each in wanted if each.get("in") == "query"]
        if query:
            job += "?" + "&".join(f"{each}={{{_name(each)}}}" for each in query)
            self._remarks.append(f"the query wants {', '.join(query)}: given by --param")
        self._say("job", job)
        if base:
            self._say("base_url", base)
        self._say("base_url_variable", f"{self._prefix}_URL")
        named = [str(each.get("name")) for each in wanted if each.get("in") == "header"]
        headers = [each for each in named if each.lower() not in _SENT]
        if headers:
            self._remarks.append(f"the headers {', '.join(headers)} are required: put them under headers")
        if self._method == "post":
            self._say("method", "POST")
            self._remarks.append("it is asked by POST: write its body")

    def _address(self) -> tuple[str, str]:
        """Return the address of the API, and what all paths begin with."""
        servers = [_mapping(each) for each in _list(self._item.get("servers") or self._document.get("servers"))]
        url = str(servers[0].get("url", "")) if servers else ""
        for variable, told in _mapping(servers[0].get("variables")).items() if servers else ():
            url = url.replace(f"{{{variable}}}", str(_mapping(told).get("default", "")))
        try:
            parts = urlsplit(url)
            is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and "{" not in url
        except ValueError:
            return "", ""
        path = parts.path.rstrip("/")
        prefix = path if re.fullmatch(r"(?:/[\w.~-]+)*", path, re.ASCII) and "/." not in path else ""
        if not is_whole:
            self._remarks.append(f"the document does not say where it is served: set ${self._prefix}_URL")
        return (f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if is_whole else ""), prefix

    def _parameters(self) -> Iterator[Schema]:
        for each in (*_list(self._item.get("parameters")), *_list(self._operation.get("parameters"))):
            yield self._resolved(_mapping(each))

    def _auth(self) -> None:
        security = self._operation.get("security", self._document.get("security"))
        wanted = [_mapping(each) for each in _list(security)]
        schemes = _mapping(_mapping(self._document.get("components")).get("securitySchemes"))
        names = [name for each in wanted for name in each]
        known = [self._resolved(_mapping(schemes.get(name))) for name in names or schemes]
        auth = next(filter(None, map(_auth_of, known)), None)
        if auth is None:
            if known:
                self._remarks.append("the document names a way to log in that no table can say, such as a cookie")
            return
        self._say("token", f"{self._prefix}_TOKEN")
        if auth != "bearer":
            self._say("auth", auth)
        if not names or {} in wanted:
            self._lines.append("token_optional = true" + ("" if names else "  # guess: the document does not say"))

    # --- the reply -----------------------------------------------------------------------------------------------

    def _reply(self) -> bytes | None:
        """Say what lies where in a reply, and return the document's example of one."""
        responses = _mapping(self._operation.get("responses"))
        good = sorted(status for status in map(str, responses) if re.fullmatch(r"2\d\d|2XX|default", status))
        contents = [content for status in good if (content := self._json_of(_mapping(responses.get(status))))]
        content = contents[0] if contents else _NONE
        schema = _mapping(content.get("schema"))
        if isinstance(ref := schema.get("$ref"), str) and not ref.startswith("#"):
            self._remarks.append(f"what a reply holds is told in another document: {ref[:200]}")
        elif not schema:
            self._remarks.append("the document does not say what a reply holds")
        fields = list(self._fields(schema))
        status = self._status(fields)
        self._id(fields, status)
        self._words(status, fields)
        self._others(fields, status)
        if "404" not in responses:
            self._remarks.append("the document does not say what it answers for an unknown id: try one")
        if {"200", "202"} <= responses.keys():
            self._remarks.append("both 200 and 202 are answers: the HTTP status may be the state (see http)")
        if "303" in responses:
            self._remarks.append('303 is an answer: perhaps http = { 303 = "succeeded" }')
        several = [self._resolved(_mapping(each)).get("value") for each in _mapping(content.get("examples")).values()]
        given: list[object] = [content.get("example"), *several, self._resolved(schema).get("example")]
        example = next((told for each in given if (told := _mapping(each))), None)
        return None if example is None else msgspec.json.encode(dict(example))

    def _json_of(self, response: Schema) -> Schema:
        content = _mapping(self._resolved(response).get("content"))
        kinds = [kind for kind in content if "json" in kind] or [kind for kind in content if kind.startswith("*/")]
        return _mapping(content.get(kinds[0])) if kinds else _NONE

    def _fields(self, schema: Schema) -> Iterator[_Field]:
        """Yield the fields of a reply, those that lie higher first."""
        level: list[_Field] = [_Field((), self._merged(schema))]
        found = 0
        for _ in range(_DEEPEST):
            below: list[_Field] = []
            for each in level:
                for name, inner in _mapping(each.schema.get("properties")).items():
                    found += 1
                    if found > _MOST_FIELDS:
                        return
                    field = _Field((*each.place, name), self._merged(_mapping(inner)))
                    yield field
                    below.append(field)
            level = below

    def _status(self, fields: Sequence[_Field]) -> _Field | None:
        named = [each for each in fields if each.word in _STATUS and not each.schema.get("properties")]
        # One that lists its words is more likely meant than one that lies higher.
        by_words = sorted(
            named, key=lambda each: (not each.schema.get("enum"), len(each.place), _STATUS.index(each.word))
        )
        status = next(iter(by_words), None) or next((each for each in fields if each.word in _FLAGS), None)
        if status is None:
            self._remarks.append("no field is called status, state or the like: say where it lies")
            self._lines.append('status = "status"  # guess: the document has no such field')
            return None
        self._has_status = True
        self._say("status", _place(status.place), guess=len(named) > 1)
        if len(named) > 1:
            others = ", ".join(_place(each.place) for each in named if each is not status)
            self._remarks.append(f"it may also be the status: {others}")
        return status

    def _id(self, fields: Sequence[_Field], status: _Field | None) -> None:
        around = () if status is None else status.place[:-1]
        last = normalized(re.findall(r"\{([^{}]+)\}", self._path)[-1])
        beside = [each for each in fields if each.place[:-1] == around]
        found = next((each for each in beside if each.word == last), None)
        found = found or next(
            (each for each in beside if each.word in {"id", "jobid", "taskid", "runid", "uuid"}), None
        )
        if found is None:
            self._remarks.append("no id lies beside the status: a reply about another job would not be noticed")
        else:
            self._say("id", _place(found.place), guess=found.word != last)

    def _words(self, status: _Field | None, fields: Sequence[_Field]) -> None:
        if status is None:
            return
        if status.word in _FLAGS:
            error = next((each for each in fields if each.place == (*status.place[:-1], "error")), None)
            if error is not None:
                self._say("failed_if", f"{_place(status.place)} && {_place(error.place)}", guess=True)
            end = Phase.FINISHED if error is None else Phase.SUCCEEDED
            self._words_table += ["running = [false]", f"{end.value} = [true]  # guess: by the flag's name"]
            return
        told = [each for each in _list(status.schema.get("enum")) if isinstance(each, str)]
        if not told:
            self._remarks.append(f"the words of {_place(status.place)} are not listed: look each of them up")
            return
        listed: dict[Phase, list[tuple[str, bool]]] = {}
        for word in told:
            phase, is_common = _meaning(word)
            listed.setdefault(phase, []).append((word, is_common))
        unknown = [word for word, _ in listed.pop(Phase.UNKNOWN, [])]
        if unknown:
            self._remarks.append(f"nobody knows what these words mean: {', '.join(map(_shown, unknown))}")
        for phase in Phase:
            words = listed.get(phase, [])
            guessed = [_shown(word) for word, is_common in words if not is_common]
            if words:
                line = f"{phase.value} = {_toml([word for word, _ in words])}"
                self._words_table.append(line + (f"  # guess: {' '.join(guessed)}" if guessed else ""))
        if not any(phase.ended for phase in listed):
            self._remarks.append("none of the words is an end: the status may be told elsewhere, too")

    def _others(self, fields: Sequence[_Field], status: _Field | None) -> None:
        around = () if status is None else status.place[:-1]
        beside = [each for each in fields if each.place[:-1] == around]
        within = [each for each in fields if len(each.place) > len(around) and each.place[: len(around)] == around]
        for key, names in _PLACES.items():
            found = min(
                (
                    each
                    for each in (beside if key == "type" else (*beside, *within))
                    if each.word in names and _fits(key, each.schema)
                ),
                key=lambda each: (len(each.place), names.index(each.word)),
                default=None,
            )
            if found is not None and (status is None or found.place != status.place):
                self._say(key, _place(found.place), guess=True)
        progress = next(
            (each for each in beside if each.word in _PROGRESS and _is(each.schema, "number", "integer")), None
        )
        if progress is not None:
            is_part = progress.schema.get("maximum") == 1
            told = f'"{_place(progress.place)}"' if is_part else f'{{ done = "{_place(progress.place)}", of = 100 }}'
            self._lines.append(f"progress = {told}  # guess")

    # --- schemas -------------------------------------------------------------------------------------------------

    def _resolved(self, schema: Schema) -> Schema:
        """Return what a reference leads to within the document."""
        for _ in range(_MOST_REFS):
            ref = schema.get("$ref")
            if not isinstance(ref, str):
                return schema
            found: object = self._document
            for step in ref.removeprefix("#/").split("/") if ref.startswith("#/") else ("",):
                found = _mapping(found).get(step.replace("~1", "/").replace("~0", "~"))
            schema = _mapping(found)
        return _NONE

    def _merged(self, schema: Schema, left: int = 8) -> Schema:
        """Return a schema with what it is made of put together: all of `allOf`, and whatever any alternative has."""
        schema = self._resolved(schema)
        parts = [part for key in ("allOf", "anyOf", "oneOf") for part in _list(schema.get(key))]
        if not parts or not left:
            return schema
        merged: dict[str, Any] = {"properties": {}, "enum": []}
        for part in (*(self._merged(_mapping(each), left - 1) for each in parts), schema):
            merged["properties"] |= _mapping(part.get("properties"))
            merged["enum"] += [each for each in _list(part.get("enum")) if each not in merged["enum"]]
            if part.get("type") != "null":
                merged |= {key: told for key, told in part.items() if key not in {"properties", "enum"}}
        return {key: told for key, told in merged.items() if told not in ({}, [])}

    def _say(self, key: str, value: str, *, guess: bool = False) -> None:
        self._lines.append(f"{key} = {_toml(value)}" + ("  # guess" if guess else ""))


def _path_in(paths: Schema, wanted: str) -> tuple[str, Schema]:
    """Return the path that is meant, whatever the names in its braces are, and what stands there."""
    shape = re.sub(r"\{[^{}]*\}", "{}", wanted.rstrip("/"))
    for path, item in paths.items():
        if re.sub(r"\{[^{}]*\}", "{}", str(path).rstrip("/")) == shape:
            return str(path), _mapping(item)
    near = [str(path) for path in paths if re.search(r"\{[^{}]+\}/?$", str(path)) and "get" in _mapping(paths[path])]
    there = f"; paths of one thing are: {', '.join(near[:20])}" if near else ""
    raise DraftError(f"there is no path {wanted} in it{there}")


def _auth_of(scheme: Schema) -> str | None:
    """Return how a table says that a token is sent; None where none can."""
    kind, place, name = scheme.get("type"), scheme.get("in"), scheme.get("name")
    if kind in {"oauth2", "openIdConnect"}:
        return "bearer"
    if kind == "http":
        told = str(scheme.get("scheme", "")).lower()
        return told if told in {"bearer", "basic"} else None
    if kind == "apiKey" and isinstance(name, str) and re.fullmatch(r"[\w.~-]+", name, re.ASCII):
        return {"header": f"{name}: {{token}}", "query": f"?{name}={{token}}"}.get(str(place))
    return None


def _meaning(word: str) -> tuple[Phase, bool]:
    """Return what a word means, or may mean, and whether that is a common word's meaning."""
    folded = normalized(word)
    common = USUAL_WORDS.get(folded)
    if common is not None and folded not in _HELD:
        return common, True
    return next((phase for phase, pattern in _GUESSES if re.search(pattern, folded)), Phase.UNKNOWN), False


def _fits(key: str, schema: Schema) -> bool:
    """Whether a field may hold what a key wants, as far as its type says."""
    if key in _TIMES:
        return _is(schema, "string", "integer", "number")
    if key in {"type", "url"}:
        return _is(schema, "string")
    return key != "attempt" or _is(schema, "integer", "number")


def _is(schema: Schema, *types: str) -> bool:
    told = schema.get("type")
    kinds = set(map(str, _list(told))) or {str(told)}
    return told is None or bool(kinds & set(types))


def _place(steps: Sequence[str]) -> str:
    """Return a place as JMESPath writes it."""
    return ".".join(step if re.fullmatch(r"[A-Za-z_]\w*", step, re.ASCII) else _json(step) for step in steps)


def _name(text: str) -> str:
    """Return a name for a parameter, which is none that a table has a meaning for."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    return f"own_{name}" if name in _RESERVED or not name[:1].isalpha() else name


def _toml(value: str | list[str]) -> str:
    """Return a value as TOML writes it; what JSON writes of texts is TOML, too."""
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    return f"'{value}'" if '"' in value and "'" not in value and value.isprintable() else _json(value)


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def _shown(word: str) -> str:
    """Return a word within a comment."""
    return "".join(each if each.isprintable() else "?" for each in text_of(word))


def _mapping(value: object) -> Schema:
    return cast("Schema", value) if isinstance(value, Mapping) else _NONE


def _list(value: object) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()
