"""What TLS trusts, and the certificate that we prove ourselves by."""

from __future__ import annotations

import ssl
from typing import Final, TypeAlias
from weakref import WeakSet

from .._errors import ConfigError

TLSContext: TypeAlias = ssl.SSLContext

_TRUSTING: Final[WeakSet[ssl.SSLContext]] = WeakSet()
"""The contexts made here that hold no certificate of ours: of any other, nothing tells."""


def checked_context(context: object) -> TLSContext:
    """Return a context for clients; raise ConfigError for anything else."""
    if not isinstance(context, ssl.SSLContext):
        raise ConfigError(f"ssl= is an ssl.SSLContext, and not of type {type(context).__name__}")
    if context.protocol is ssl.PROTOCOL_TLS_SERVER:
        raise ConfigError("ssl= is a context for servers: make one with ssl.create_default_context()")
    return context


def context_of(cert: str | None, key: str | None, ca: str | None) -> TLSContext | None:
    """Return what the options for TLS say, or None where they say nothing.

    Args:
        cert: The file with the client certificate, and those that lead to a root, in PEM.
        key: The file with its private key, if that is not in the same file.
        ca: The file with the certificates to trust, in place of the system's.

    Raises:
        ConfigError: A file cannot be read or is none.
    """
    if key is not None and cert is None:
        raise ConfigError("--tls-key goes with --tls-cert, the certificate of that key")
    if cert is None and ca is None:
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise ConfigError(f"--tls-ca {ca}: no certificates in PEM") from None
    except OSError as error:
        raise ConfigError(f"--tls-ca {ca}: {error.strerror}") from None
    if cert is None:
        _TRUSTING.add(context)
    else:
        _load(context, cert, key)
    return context


def may_prove(context: TLSContext | None) -> bool:
    """Whether a context may hold a certificate by which we prove ourselves."""
    return context is not None and context not in _TRUSTING


def without_certificate(context: TLSContext) -> TLSContext:
    """Return a context that trusts what another does, and proves nobody by a certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = context.check_hostname
    made.verify_mode, made.verify_flags = context.verify_mode, context.verify_flags
    made.minimum_version, made.options = context.minimum_version, context.options
    trusted = context.get_ca_certs(binary_form=True)
    if trusted:
        made.load_verify_locations(cadata=b"".join(trusted))
    else:
        made.load_default_certs()  # which are read one by one, when they are needed
    _TRUSTING.add(made)
    return made


def _load(context: TLSContext, cert: str, key: str | None) -> None:
    def no_password() -> str:
        raise ConfigError("the private key has a password: give one without, such as a file that only you can read")

    for name, file in (("--tls-cert", cert), ("--tls-key", key)):
        try:
            if file is not None:
                with open(file, "rb"):  # noqa: PTH123 - to say which of the two is missing, which OpenSSL does not
                    pass
        except OSError as error:
            raise ConfigError(f"{name} {file}: {error.strerror}") from None
    try:
        context.load_cert_chain(cert, key, no_password)
    except ssl.SSLError as error:
        reason = {"KEY_VALUES_MISMATCH": "the key is not that of the certificate"}.get(error.reason or "")
        told = reason or "no certificate in PEM with its private key"
        raise ConfigError(f"--tls-cert {cert}{f' --tls-key {key}' if key else ''}: {told}") from None


def refusal_in(error: BaseException | None) -> str | None:
    """Return what a server says in TLS of our certificate, if an error or what caused it holds that.

    Under TLS 1.3 it comes when the handshake is over for us already: RFC 8446, section 4.4.2.4 and appendix E.
    """
    while error is not None:
        reason = getattr(error, "reason", None)
        if isinstance(error, ssl.SSLError) and isinstance(reason, str) and "_ALERT_" in reason:
            alert = reason.partition("_ALERT_")[2].lower().replace("_", " ")
            if "certificate" in alert or alert in {"unknown ca", "access denied", "decrypt error"}:
                return alert
        error = error.__cause__ or getattr(error, "os_error", None)
    return None
