"""Where a token comes from: given as it is, a variable, a file, or a function. It may be another one later."""

from __future__ import annotations

import contextvars
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from .._errors import ConfigError
from .._files.regular import read_regular
from .threads import Threads

if TYPE_CHECKING:
    from .._reading.api import JobAPI

TokenFunction: TypeAlias = Callable[[], str | Awaitable[str]]
"""What returns a token, and may be async."""

_LARGEST: Final = 64 * 1024
_CHECKED_EVERY: Final = 1.0
"""How many seconds lie between two looks at whether a file has changed."""


class TokenSource:
    """One place that a token comes from.

    Args:
        name: What it is called in messages, which never show the token.

    Attributes:
        is_checked: Whether it may say before a request that there is a token to be fetched.
        may_be_empty: Whether there may be none, for an API that is asked without.
    """

    is_checked = False
    may_be_empty = False

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def read(self) -> str:
        """Return the token as it is now, or an empty text where there is none without waiting for it.

        Raises:
            ConfigError: It cannot be read.
        """
        return ""

    async def fetch(self) -> object:
        """Return the token as it is now, or whatever came in its place; may raise anything."""
        return self.read()

    def has_changed(self) -> bool:
        """Return whether there is a token to be fetched; asked before each request where `is_checked`."""
        return False


class GivenToken(TokenSource):
    """A token that was given as it is, or none."""

    may_be_empty = True

    def __init__(self, token: str) -> None:
        super().__init__("the token")
        self._token = token

    def read(self) -> str:
        """Return it."""
        return self._token


class VariableToken(TokenSource):
    """An environment variable."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"the variable {variable}")
        self._variable = variable

    def read(self) -> str:
        """Return its value now."""
        return os.environ.get(self._variable, "")


class FileToken(TokenSource):
    """A file, which may be written anew: Kubernetes replaces the tokens of its service accounts so.

    https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
    """

    is_checked = True

    def __init__(self, path: str | os.PathLike[str], name: str) -> None:
        super().__init__(name)
        self._path = os.path.expanduser(path)  # noqa: PTH111 - pathlib takes long to import, and few need it
        self._seen: tuple[int, int, int] | None = None
        self._checked_at = -_CHECKED_EVERY

    def read(self) -> str:
        """Return its content; of what cannot be read no path is told that is not in its name."""
        self._seen = self._state()
        try:
            content = read_regular(self._path, _LARGEST + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "that is no path"
            raise ConfigError(f"cannot read {self.name}: {reason}") from None
        if len(content) > _LARGEST:
            raise ConfigError(f"{self.name} is no token: it has more than {_LARGEST} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise ConfigError(f"{self.name} is no text") from None

    def has_changed(self) -> bool:
        """Return whether it is another file, or was written, since it was read."""
        now = time.monotonic()
        if now - self._checked_at < _CHECKED_EVERY:
            return False
        self._checked_at = now
        state = self._state()
        return state is not None and state != self._seen

    def _state(self) -> tuple[int, int, int] | None:
        try:
            state = os.stat(self._path)  # noqa: PTH116 - as above
        except (OSError, ValueError):
            return None
        return state.st_mtime_ns, state.st_ino, state.st_size


class CalledToken(TokenSource):
    """A function of the user's, async or plain; a plain one is called in a thread, since it may take its time."""

    is_checked = True

    def __init__(self, function: TokenFunction) -> None:
        super().__init__("the function given as token=")
        call = getattr(function, "__call__", None)  # noqa: B004 - its own code, where it is an object that is called
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
        self._function = function
        # One: where a call hangs, none gathers behind it.
        self._threads = Threads(1, contextvars.copy_context(), "jobwatch token")

    async def fetch(self) -> object:
        """Call it, and await what it returns where that is to be awaited."""
        told: object = self._function() if self._is_async else await self._threads.call(self._function)
        return await cast("Awaitable[object]", told) if inspect.isawaitable(told) else told


def token_source(api: JobAPI, token: object, file: str | os.PathLike[str] | None) -> TokenSource:
    """Return where the token of a client comes from.

    Args:
        api: The API, which names variables.
        token: The token, or a function that returns it, if one was given.
        file: The file that holds it, if one was given.

    Raises:
        ConfigError: There is none, or more than one was given.
    """
    if token is not None and file is not None:
        raise ConfigError("token= and token_file= are two ways to say the same: give one of them")
    if file is not None:
        return FileToken(file, f"the token file {os.fspath(file)}")
    if callable(token):
        return CalledToken(cast("TokenFunction", token))
    if token is not None and not isinstance(token, str):
        trouble = f"token= is a text, or a function that returns one, and not of type {type(token).__name__}"
        raise ConfigError(trouble)
    if token and token.strip():
        return GivenToken(token)
    if os.environ.get(api.token_variable, "").strip():
        return VariableToken(api.token_variable)
    if path := os.environ.get(api.token_file_variable, "").strip():
        return FileToken(path, f"the token file that {api.token_file_variable} names")
    if api.token_is_optional or not needs_token(api):
        return GivenToken("")
    raise ConfigError(f"no token for {api.name}: set {variables_of(api)}, or pass token=")


def needs_token(api: JobAPI) -> bool:
    """Return whether an API has a token at all."""
    return bool(api.token_variable or api.token_file_variable)


def variables_of(api: JobAPI) -> str:
    """Return the variables that hold an API's token or its file, as a message names them."""
    file = f"{api.token_file_variable} (the path of a file that holds it)" if api.token_file_variable else ""
    return " or ".join(filter(None, [api.token_variable, file]))
