"""What aioresponses 0.7.9 needs to build a response of aiohttp 3.14, which asks for one argument more."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp


class Response(aiohttp.ClientResponse):
    """To be given as ``response_class``; its request counts as sent."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{"stream_writer": SimpleNamespace(output_size=0)} | kwargs)  # type: ignore[arg-type]
