"""``--notify URL``: messages by Apprise (https://github.com/caronc/apprise), which is imported only for them.

Such a URL holds secrets wherever its service wants them: as user, password, host or path. So nothing of it is shown but
its scheme, and what Apprise says of a failure is shown without every part of it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote

from .._errors import ConfigError
from .._http.secrets import masked, spellings
from .._http.threads import Threads
from ._messages import Message, of_blocked, of_end, of_run
from ._output import mask, note, without_secrets
from ._render import OutcomeRecord, safe

if TYPE_CHECKING:
    from typing import Protocol

    from ._arguments import Options
    from ._exit_codes import Verdict
    from ._telling import Work

    class _Apprise(Protocol):
        """What is used of Apprise, whose own types name too much."""

        def add(self, url: str, /) -> bool: ...

        def notify(self, body: str, title: str, kind: str, /, *, body_format: str) -> object: ...


_LIMIT: Final = 30.0
"""For how many seconds one message may take; Apprise gives up a request that has no answer for 4 s."""

_SHORTEST: Final = 4
"""How long a part of a URL is at least that is left out of what Apprise says."""

_SHOWN: Final = 200
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}(?=://)")


class Notifications:
    """Sends messages: one when the only job ends, one when a run of several is over, one when a job asks for somebody.

    Args:
        targets: Where they go.
        api: The name of the API.
        total: How many jobs are waited for.
        verdict: Which ends are good.
        work: Has the messages that are under way.
    """

    def __init__(self, targets: Sequence[Target], api: str, total: int | None, verdict: Verdict, work: Work) -> None:
        self._targets = targets
        self._api = api
        self._total = total
        self._verdict = verdict
        self._work = work

    def ended(self, record: OutcomeRecord) -> None:
        """Send how the only job ended; several have one message when the run is over, and one each if it is never."""
        if self._total == 1 or (self._total is None and not self._verdict.is_good(record.outcome)):
            self._send(of_end(record, self._api, self._verdict, datetime.now(UTC)))

    def blocked(self, records: Sequence[OutcomeRecord]) -> None:
        """Send what jobs ask that wait for a person."""
        self._send(of_blocked(records, self._api))

    def still_blocked(self, records: Sequence[OutcomeRecord]) -> None:
        """Send it again."""
        self._send(of_blocked(records, self._api, again=True))

    def over(self, records: Sequence[OutcomeRecord]) -> None:
        """Send how several jobs ended."""
        if self._total is not None and self._total > 1:
            self._send(of_run(records, self._api, self._verdict))

    def _send(self, message: Message) -> None:
        for target in self._targets:
            self._work.begin(target.send(message), target.name)


class Targets(list["Target"]):
    """The places that messages go to, one after the other, so that what Apprise says is of the one it is about.

    Attributes:
        parts: The parts of all their URLs.
        turn: Held by the message that is under way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts: set[str] = set()
        self.turn = asyncio.Lock()


class Target:
    """A place that messages go to.

    Args:
        url: Its URL as Apprise reads it, which is masked in all output from now on.
        option: The option that gave it, for errors.
        all_of_them: All places.

    Raises:
        ConfigError: It is no such URL, or Apprise is not installed.
    """

    def __init__(self, url: str, option: str, all_of_them: Targets) -> None:
        mask(spellings(url))
        scheme = _SCHEME.match(url)
        if scheme is None:
            raise ConfigError(
                f"{option} takes a URL of Apprise, such as mailto://USER:PASSWORD@HOST; this has no scheme"
            )
        self.name = f"{option} {scheme[0].lower()}://..."
        self._all = all_of_them
        self._all.parts |= {spelt for word in _parts(url) if len(word) >= _SHORTEST for spelt in (word, unquote(word))}
        self._apprise = _apprise()
        if not self._apprise.add(url):
            raise ConfigError(f"{self.name}: Apprise knows no such URL (https://github.com/caronc/apprise/wiki)")
        self._threads = Threads(1, contextvars.copy_context(), "jobwatch notify")

    async def send(self, message: Message) -> None:
        """Send a message; what goes wrong is a note on stderr."""
        async with self._all.turn:
            try:
                async with asyncio.timeout(_LIMIT):
                    trouble = await self._threads.call(lambda: self._trouble(message))
            except TimeoutError:
                trouble = f"no end after {_LIMIT:g} s"
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises, and its words may hold a secret
                trouble = type(error).__name__
        if trouble is not None:
            note(f"{self.name}: the message could not be sent{': ' if trouble else ''}{safe(trouble)}")

    def _trouble(self, message: Message) -> str | None:
        """Send a message, and return what went wrong; in a thread of its own, since Apprise blocks."""
        heard = _Heard()
        logger = logging.getLogger("apprise")
        logger.addHandler(heard)
        try:
            body, title = without_secrets(message.body), without_secrets(message.title)
            if self._apprise.notify(body, title, message.kind, body_format="text"):
                return None
        finally:
            logger.removeHandler(heard)
        return masked(without_secrets(heard.words[0]), self._all.parts)[:_SHOWN] if heard.words else ""


class _Heard(logging.Handler):
    """Keeps the warnings that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.getMessage())


def targets_of(options: Options) -> Targets:
    """Return where the options ask to send messages.

    Raises:
        ConfigError: One is no URL of Apprise's, a variable is not set, or Apprise is not installed.
    """
    targets = Targets()
    for url in options.notify:
        targets.append(Target(url, "--notify", targets))
        if url.partition("://")[2]:
            note("others on this machine can read the URL of --notify, and the secrets in it: --notify-env hides it")
    for name in options.notify_env:
        url = os.environ.get(name, "").strip()
        if not url:
            raise ConfigError(f"--notify-env {safe(name)}: that environment variable is not set, or empty")
        targets.append(Target(url, "--notify-env", targets))
    return targets


def _apprise() -> _Apprise:
    try:
        from apprise import Apprise  # noqa: PLC0415 - an extra, and it takes long to import
    except ImportError:
        raise ConfigError("--notify needs Apprise: pip install 'jobwatch-client[notify]'") from None
    # What it logs may quote a URL, so nobody else hears it; `_Heard` does.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return cast("_Apprise", Apprise())


def _parts(url: str) -> list[str]:
    return re.split(r"[/:@?&=,;#]+", url.partition("://")[2])
