"""What an exception from below amounts to, in words of ours: theirs quote URLs and headers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .._models import Fault, FaultKind
from .._reading.patterns import pattern
from .errors import CertificateRefused, LostWhenKept, Unanswered
from .proxies import refused_by
from .tls import refusal_in

if TYPE_CHECKING:
    from .proxies import Proxy

_ADDRESS = pattern(r"\('([0-9A-Fa-f.:%]+)', \d+")
"""The address in the text of asyncio's error: nothing else tells it."""


def fault_of_proxy(error: Exception, host: str, proxy: Proxy) -> Fault | None:
    """Return what an exception says of the proxy itself, or None where it is about what lies beyond."""
    import aiohttp  # noqa: PLC0415  # which is imported late

    match error:
        case aiohttp.ClientHttpProxyError():
            return refused_by(proxy, error.status, "", host)
        case aiohttp.ClientProxyConnectionError():
            told = f"no connection to the proxy {proxy.name}: {_os_reason(error.os_error)}"
            return Fault(FaultKind.UNREACHABLE, told)
        case aiohttp.ClientConnectorDNSError() if error.host == proxy.host:
            return Fault(FaultKind.UNREACHABLE, f"no address found for the proxy {proxy.name}")
        case _:
            return None


def fault_of(error: Exception, host: str, *, is_tls: bool) -> Fault:
    """Return what an exception from below amounts to, in words of ours: theirs quote URLs and headers."""
    import aiohttp  # noqa: PLC0415  # which is imported late
    from aiohttp.http_exceptions import HttpProcessingError  # noqa: PLC0415

    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or "it was refused"
            file = os.environ.get("SSL_CERT_FILE")
            hint = "; SSL_CERT_FILE names no file" if file and not os.path.isfile(file) else ""  # noqa: PTH113
            return Fault(FaultKind.TLS, f"the certificate of {host} is not trusted: {reason}{hint}")
        case CertificateRefused():
            return Fault(FaultKind.TLS, f"{host} refused the client certificate, or wants one: {error}")
        case aiohttp.ClientSSLError() if (alert := refusal_in(error)) is not None:
            return Fault(FaultKind.TLS, f"{host} refused the client certificate, or wants one: {alert}")
        case aiohttp.ClientSSLError():
            reason = getattr(error.os_error, "reason", None) or "the handshake failed"
            # Until TLS 1.2 this is what a server says that wants a certificate: RFC 5246, section 7.4.6.
            hint = "; perhaps it wants a client certificate" if "ALERT_HANDSHAKE_FAILURE" in reason else ""
            return Fault(FaultKind.TLS, f"no TLS connection to {host}: {reason}{hint}")
        case aiohttp.ClientConnectorDNSError():
            return Fault(FaultKind.UNREACHABLE, f"no address found for {host}")
        case aiohttp.ClientConnectorError():
            where = f"{host}{_addresses_in(error.os_error, host)}"
            return Fault(FaultKind.UNREACHABLE, f"no connection to {where}: {_os_reason(error.os_error)}")
        case TimeoutError():
            return Fault(FaultKind.UNREACHABLE, f"no connection to {host} in time")
        case aiohttp.ClientPayloadError():
            return Fault(FaultKind.UNREADABLE, "the reply was cut off, or its framing is wrong")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return Fault(FaultKind.UNREADABLE, "the reply is not valid HTTP")
        case Unanswered() if is_tls:
            # So a server may refuse a client certificate under TLS 1.3, if it does not say so.
            told = f"the connection to {host} was lost before any answer; perhaps it wants another client certificate"
            return Fault(FaultKind.UNREACHABLE, told)
        case aiohttp.ClientConnectionError() | LostWhenKept() | Unanswered():
            return Fault(FaultKind.UNREACHABLE, f"the connection to {host} was lost")
        case _:
            return Fault(FaultKind.UNREACHABLE, f"the request to {host} failed: {type(error).__name__}")


def _addresses_in(error: OSError, host: str) -> str:
    """Return which address was tried last, in brackets, where that is another than the host: it may have moved."""
    found = dict.fromkeys(_ADDRESS.findall(str(error)))
    return f" ({', '.join(found)})" if found and host not in found else ""


def _os_reason(error: OSError) -> str:
    return os.strerror(error.errno) if isinstance(error.errno, int) and error.errno > 0 else "no address answered"
