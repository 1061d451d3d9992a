"""TLS contexts that always verify. A client's private key is never left in a file."""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator

from trackpush_api.routing import TlsMaterial
from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.port import Failure


def build_context(material: TlsMaterial | None) -> ssl.SSLContext:
    """A client context: TLS 1.2 or later, host names checked, the system's roots unless the destination has its own CA.

    Takes milliseconds, because it parses all roots: call it in a thread.

    Raises:
        AttemptError: TLS, if the PEM can't be used.
    """
    context = _verifying(material.ca if material else None)
    # Set explicitly, because Python's defaults differ between versions (3.13 changed the first two). An intermediate
    # certificate may be the trust anchor. Private CAs may lack extensions that RFC 5280 requires. Only the names in the
    # certificate's subjectAltName count (RFC 9525, section 6.3).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if material is not None and material.certificate is not None:
        _load_client_certificate(context, material)
    return context


def _verifying(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError) as error:
        detail = f"spec.tls: the CA is not a PEM certificate ({_reason(error)})"
        raise AttemptError(Failure.TLS, detail, is_permanent=True) from error


def _load_client_certificate(context: ssl.SSLContext, material: TlsMaterial) -> None:
    if material.private_key is None:
        raise AttemptError(Failure.TLS, "spec.tls: the client certificate has no private key", is_permanent=True)
    pem = f"{material.certificate}\n{material.private_key}\n".encode()
    try:
        with _private_file(pem) as path:
            # An encrypted key must fail: without a password callback OpenSSL would ask on the terminal.
            context.load_cert_chain(path, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as error:
        detail = f"spec.tls: client certificate and key can't be used together ({_reason(error)})"
        raise AttemptError(Failure.TLS, detail, is_permanent=True) from error


@contextlib.contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    """A file for OpenSSL, which reads certificates only from files.

    It is in memory, or else readable by this user only.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    with tempfile.NamedTemporaryFile() as file:  # mode 0600 (documented)
        file.write(content)
        file.flush()
        yield file.name


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or type(error).__name__
