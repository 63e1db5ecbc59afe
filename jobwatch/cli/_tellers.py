"""Whom the options of a wait ask to be told: a command, places that messages go to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .._errors import ConfigError
from ._exec import Exec
from ._processes import words_of
from ._telling import Telling, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._arguments import Options
    from ._exit_codes import Verdict
    from ._notify import Target
    from ._telling import Teller


def tellers_for(options: Options, verdict: Verdict) -> Callable[[str, int | None], Telling]:
    """Return a function that makes what tells somebody, of the API's name and the number of jobs, None if more come.

    Args:
        options: The options of a command, at least one of which asks for it.
        verdict: Which ends are good.

    Raises:
        ConfigError: A command or a URL is none, or what sends it is not installed.
    """
    if options.exec is not None:
        words_of(options.exec, "--exec", "the command to run for each job")  # a wrong one is found out at once
    targets: list[Target] = []
    if options.notify or options.notify_env:
        from ._notify import targets_of  # noqa: PLC0415 - it imports Apprise

        targets = targets_of(options)
    elif options.remind is not None:
        raise ConfigError("--remind goes with --notify or --notify-env: it sends another message")

    def telling(api: str, total: int | None) -> Telling:
        work = Work()
        tellers: list[Teller] = []
        if options.exec is not None:
            tellers.append(Exec(options.exec, verdict, work))
        if targets:
            from ._notify import Notifications  # noqa: PLC0415 - as above

            tellers.append(Notifications(targets, api, total, verdict, work))
        return Telling(tellers, work, options.remind, time.monotonic)

    return telling
