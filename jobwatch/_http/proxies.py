"""The proxy that leads out of a network: which one, if any, and what is its own among the answers. Pure.

The variables are those that curl, requests and others read: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, in small
letters too, which go first, and ``NO_PROXY``. No standard says what they mean; this is what most agree on, and an item
of ``NO_PROXY`` counts in every form that is in use. https://everything.curl.dev/usingcurl/proxies/env.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from .._errors import ConfigError
from .._models import Fault, FaultKind, printable
from .._reading.patterns import pattern
from .secrets import Secrets, spellings
from .urls import quoted, split, unquoted

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from .answer import Headers

_PORTS = {"http": 80, "https": 443}
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PROXIES = pattern(r"(?:tinyproxy|squid|privoxy|mitmproxy|zscaler|bluecoat|mcafee web gateway)\b", re.IGNORECASE)
"""What proxies call themselves where a server's name stands; one that only hands on leaves the server's there."""

_OWN = {407: "wants a user and a password, or others than it was given", 401: "refused its user or password"}


class Proxy:
    """A proxy, whose user and password no repr shows.

    Attributes:
        name: Its host and port, as messages name it.
        host: Its host.
    """

    __slots__ = ("_password", "_scheme", "_user", "host", "name")

    def __init__(self, scheme: str, host: str, port: int, user: str | None, password: str | None) -> None:
        self.host = host
        self.name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._scheme = scheme
        self._user = user
        self._password = password

    def __repr__(self) -> str:
        return f"Proxy({self.name!r})"

    def url(self) -> str:
        """Return its URL with the user and the password; a method, so that no repr shows it."""
        parts = [quoted(part) for part in (self._user, self._password) if part is not None]
        return f"{self._scheme}://" + (":".join(parts) + "@" if parts else "") + self.name

    def secrets(self) -> Secrets:
        """Return the user and the password in every spelling."""
        user, password = self._user or "", self._password or ""
        return Secrets(spellings(user) | spellings(password) | spellings(f"{user}:{password}"))


def proxy_for(base_url: str, given: str | bool | None, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy through which an API is asked, or None where it is asked directly.

    Args:
        base_url: Where the API is served.
        given: The proxy's URL, for whatever host; False for none; None for what the environment says.
        environ: The environment. A loopback address has no proxy by it.

    Raises:
        ConfigError: It cannot be used.
    """
    if given is False:
        return None
    if given is not None:
        return _proxy(given, "proxy=")
    try:
        parts = split(base_url)
        scheme, host, port = parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None  # whoever uses the address says what is wrong with it
    variable = _variable(scheme, environ)
    if variable is None or not environ[variable].strip():
        return None
    exempt = environ.get("no_proxy", environ.get("NO_PROXY", ""))
    return None if _is_loopback(host) or _is_exempt(host, port, exempt) else _proxy(environ[variable].strip(), variable)


def _variable(scheme: str, environ: Mapping[str, str]) -> str | None:
    """Return the first of the variables that is there, even if it is empty, which says that there is no proxy."""
    for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        # To a CGI program HTTP_PROXY is a header that its client sent: https://httpoxy.org
        if name in environ and not (name == "HTTP_PROXY" and "REQUEST_METHOD" in environ):
            return name
    return None


def _proxy(text: object, where: str) -> Proxy:
    """Read a proxy's URL; no message repeats it, since it may hold a password."""
    if not isinstance(text, str):
        raise ConfigError(f"{where} is a URL, or False, and not of type {type(text).__name__}")
    try:
        parts = split(text if _SCHEME.match(text) else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"the proxy of {where} cannot be read: write http://HOST:PORT") from None
    if parts.scheme not in _PORTS:
        told = f"the proxy of {where} is one for {printable(parts.scheme)}: only http:// and https:// ones can be used"
        raise ConfigError(f"{told}; proxy=False and --no-proxy ask without any")
    if not host or not host.isprintable() or " " in text or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(f"the proxy of {where} cannot be read: write http://HOST:PORT")
    user = None if parts.username is None else unquoted(parts.username)
    password = None if parts.password is None else unquoted(parts.password)
    return Proxy(parts.scheme, host, port or _PORTS[parts.scheme], user, password)


# --- what is asked directly --------------------------------------------------------------------------------------


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")


def _is_exempt(host: str, port: int, exempt: str) -> bool:
    """Whether one of the items of ``NO_PROXY`` means a host."""
    return any(_means(item.lower(), host, port) for item in re.split(r"[,\s]+", exempt) if item)


def _means(item: str, host: str, port: int) -> bool:
    if item == "*":
        return True
    address = _address(host)
    if item == "<local>":
        return address is None and "." not in host
    name, item_port = _taken_apart(item)
    if item_port is not None and item_port != port:
        return False
    if address is not None:
        return _means_address(name, host, address)
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _means_address(name: str, host: str, address: IPv4Address | IPv6Address) -> bool:
    import ipaddress  # noqa: PLC0415 - few clients have a proxy, and fewer one whose exceptions are addresses

    if name.endswith(".") and name[0].isdigit():
        return host.startswith(name)
    try:
        network = ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False
    return address.version == network.version and address in network


def _taken_apart(item: str) -> tuple[str, int | None]:
    """Return the host and the port of an item; it has one where it ends with one, and is no bare IPv6 address."""
    found = re.fullmatch(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d{1,5}))?", item, re.ASCII)
    if found is None:
        return item, None
    return found["v6"] or found["name"] or "", int(found["port"]) if found["port"] else None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    import ipaddress  # noqa: PLC0415 - as above

    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


# --- what is the proxy's own --------------------------------------------------------------------------------------


def told_by(proxy: Proxy, fault: Fault, headers: Headers) -> Fault:
    """Return a fault of an answer that came through a proxy without TLS, and may be the proxy's own.

    Some proxies say so by a header: squid tells the error, and its name and that of others stands for the server's.

    Args:
        proxy: The proxy.
        fault: What the answer amounts to, were it the API's.
        headers: The headers of the answer.
    """
    status = fault.http_status or 0
    squid = headers.get("X-Squid-Error")
    is_asking = status == 407 or (status == 401 and headers.get("Proxy-Authenticate") is not None)
    is_own = (status in (401, 403) or status >= 500) and _PROXIES.match(headers.get("Server") or "") is not None
    if is_asking or is_own or squid is not None:
        return refused_by(proxy, status, f": {printable(squid[:80])}" if squid else "")
    if status in (401, 403) or fault.kind in (FaultKind.UNREACHABLE, FaultKind.UNREADABLE):
        return replace(fault, message=f"{fault.message} (asked through the proxy {proxy.name})")
    return fault


def refused_by(proxy: Proxy, status: int, why: str, host: str = "") -> Fault:
    """Return the fault of a proxy's own answer.

    Args:
        proxy: The proxy.
        status: The HTTP status of its answer.
        why: What more it says, behind a colon.
        host: Where a tunnel was to lead, if that was what it was asked for.
    """
    where = f" {host}" if host else " the API"
    if status in _OWN:
        return Fault(FaultKind.REFUSED, f"the proxy {proxy.name} {_OWN[status]}{why}", status)
    if status >= 500:
        return Fault(FaultKind.UNREACHABLE, f"the proxy {proxy.name} cannot reach{where}{why}", status)
    return Fault(FaultKind.REFUSED, f"the proxy {proxy.name} does not let requests to{where} through{why}", status)
