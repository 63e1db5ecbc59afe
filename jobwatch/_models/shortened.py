"""A text that is cut in its middle where it is too long. Pure."""

from __future__ import annotations


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters, with an ellipsis in place of its middle where it was longer.

    The end is kept: of ids and of errors it often tells more than the middle. Secrets are to be masked before: of one
    that was cut in two nobody would know the halves again.

    Args:
        text: Any text.
        most: How many characters, at least 1.
    """
    if len(text) <= most:
        return text
    tail = max(0, (most - 1) // 3)
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"
