"""Where the page is served, read from what a user wrote. Pure."""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct

from ..._errors import ConfigError
from ..._models import excerpt

_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.?", re.IGNORECASE)
_HIGHEST_PORT = 65_535


class Address(Struct, frozen=True):
    """A host and a port to listen at.

    Attributes:
        host: A name or an IP address, an IPv6 one without its brackets.
        port: The port; 0 takes a free one.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or (is_ip(self.host) and ipaddress.ip_address(self.host).is_loopback)

    @property
    def is_any(self) -> bool:
        """Whether it stands for all addresses of this machine."""
        return is_ip(self.host) and ipaddress.ip_address(self.host).is_unspecified

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(text: str) -> Address:
    """Return the address that a text names.

    Args:
        text: ``HOST:PORT``, such as ``127.0.0.1:8787`` or ``[::1]:0``.

    Raises:
        ConfigError: It names none.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        is_host = is_ip(host) and ":" in host
    else:
        is_host = ":" not in host and (is_ip(host) if _looks_like_ip(host) else _NAME.fullmatch(host) is not None)
    # Decimal digits of ASCII only: `int` reads others, and signs and underscores, too.
    is_port = re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) is not None and int(port) <= _HIGHEST_PORT
    if not colon or not is_host or not is_port:
        raise ConfigError(f"{excerpt(text)!r} is no address to serve at: write HOST:PORT, such as 127.0.0.1:8787")
    return Address(host.lower(), int(port))


def is_ip(host: str) -> bool:
    """Return whether a host is an IP address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def _looks_like_ip(host: str) -> bool:
    """Return whether a host ends in a number: no name does, and a browser takes it for an address."""
    return re.fullmatch(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?", host, re.IGNORECASE | re.ASCII) is not None
