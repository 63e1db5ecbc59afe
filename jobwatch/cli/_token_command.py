"""The token that a command prints: ``--token-command "gcloud auth print-access-token"``."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from .._errors import ConfigError
from ._processes import beginning, end, how_it_ended, last_words, words_of

_LIMIT: Final = 29.0
"""For how many seconds it may run: less than a client waits for a token, so that its own words are told."""

_PAUSE: Final = 30.0
"""How many seconds lie at least between two runs, but for the first two: what prints a token from a cache may print one
that is about to expire, and a refusal would be believed before the next run."""

_SHOWN: Final = 300
"""How many characters of what it wrote on stderr are shown: the last, since that is where the reason stands."""


class TokenCommand:
    """Runs a command for the token that it prints, without a shell.

    Args:
        text: The command and its arguments, quoted as for a shell.

    Raises:
        ConfigError: That is no command.
    """

    def __init__(self, text: str) -> None:
        self._words = words_of(text, "--token-command", "one that prints a token")
        self._name = f"the token command {os.path.basename(self._words[0])}"  # noqa: PTH119 - its arguments may be secret
        self._ran_at: float | None = None
        self._is_first = False
        self._told: str | ConfigError = ""

    async def __call__(self) -> str:
        """Return the token that it prints, or within 30 s of the last run what that told, but once after the first.

        Raises:
            ConfigError: It failed; the message has its exit code and the end of what it wrote on stderr.
        """
        now = asyncio.get_running_loop().time()
        if self._ran_at is None or self._is_first or now - self._ran_at >= _PAUSE:
            is_first, self._is_first = self._ran_at is None, False
            self._ran_at = now
            try:
                self._told = await self._run()
                self._is_first = is_first
            except ConfigError as error:
                self._told = error
        if isinstance(self._told, ConfigError):
            raise ConfigError(str(self._told))
        return self._told

    async def _run(self) -> str:
        pipe = asyncio.subprocess.PIPE
        try:
            # A session of its own: it can be ended with all that it has started.
            process = await asyncio.create_subprocess_exec(
                *self._words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it cannot be run"
            raise ConfigError(f"{self._name} cannot be run: {reason}") from None
        try:
            async with asyncio.timeout(_LIMIT):
                out, told = await asyncio.gather(beginning(process.stdout), beginning(process.stderr))
                code = await process.wait()
        except TimeoutError:
            raise ConfigError(f"{self._name} printed no token within {_LIMIT:g} s") from None
        finally:
            await end(process)
        if code:
            reason = last_words(told, _SHOWN)
            raise ConfigError(f"{self._name} failed: {how_it_ended(code)}" + (f": {reason}" if reason else ""))
        token = out.decode("utf-8", "replace").strip()
        if len(token.split()) != 1:
            raise ConfigError(f"{self._name} printed " + ("several words, and no token" if token else "no token"))
        return token
