"""One job watched in the background, of which there may be a million: between looks, what is known of it is packed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from .._core.at_rest import packed, unpacked
from .._core.tracker import Watched
from .watch import Brief, Watch, brief_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.look import Looked

_watched: Final[Any] = Watch.watched  # where it is kept, whatever the class below makes of its name
_kept_in: Final[Callable[[Watch], Watched | bytes]] = _watched.__get__
_keep_in: Final[Callable[[Watch, Watched | bytes], None]] = _watched.__set__


class BackgroundWatch(Watch, gc=False, eq=False):
    """One job watched in the background.

    Between looks, what is known takes a third of the room. `watched` is the same value at any time; it only takes
    longer to read it then.
    """

    _job_id: str = ""
    """Its id, for when what is known is packed."""
    _shared: Watched | Brief | None = None
    """As above: what is known of all such jobs, where its own is packed; where all is, what is counted of it."""

    if not TYPE_CHECKING:  # checkers are to see no difference

        @property
        def watched(self) -> Watched:
            """What is known of the job."""
            known = _kept_in(self)
            return self._unpacked(known) if type(known) is bytes else known

        @watched.setter
        def watched(self, known: Watched) -> None:
            _keep_in(self, known)

    @property
    def known(self) -> object:
        """What is known of the job, packed between looks."""
        return _kept_in(self)

    @property
    def brief(self) -> Brief:
        """What is counted of the job, without unpacking what is known of it."""
        shared = self._shared
        if shared is None or type(_kept_in(self)) is not bytes:
            return brief_of(self.watched)
        return shared if isinstance(shared, Brief) else brief_of(shared)

    def begin_look(self) -> None:
        """Enter the stage of a look under way, in which what is known is read many times."""
        self.unpack()
        Watch.begin_look(self)

    def unpack(self) -> None:
        """Have what is known at hand, where it is to be read several times."""
        known = _kept_in(self)
        if type(known) is bytes:
            _keep_in(self, self._unpacked(known))

    def rest(self) -> None:
        """Pack what is known; what has no encoding, such as half a surrogate pair from a source, stays as it is."""
        watched = _kept_in(self)
        if isinstance(watched, bytes):
            return
        parts = _parts_of(watched)
        if parts is not None:
            self._job_id = watched.job_id
            self._shared, own = parts
            _keep_in(self, own)

    def _unpacked(self, known: bytes) -> Watched:
        return unpacked(self._job_id, self._shared if type(self._shared) is Watched else None, known)


def at_rest(known: Watched, on_look: Callable[[Watch, Looked], None]) -> BackgroundWatch:
    """Return a watch of a job, packed from the beginning: a start makes very many of them."""
    parts = _parts_of(known)
    if parts is None:
        return BackgroundWatch(known, on_look=on_look)
    shared, own = parts
    return BackgroundWatch(cast("Watched", own), on_look=on_look, _job_id=known.job_id, _shared=shared)


def _parts_of(watched: Watched) -> tuple[Watched | Brief, bytes] | None:
    """Return what is shared of what is known, and the job's own; None of what has no encoding."""
    try:
        kind, own = packed(watched)
    except (ValueError, OverflowError):
        return None
    return brief_of(watched) if kind is None else kind, own
