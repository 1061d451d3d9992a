"""Checks the PEM of a PushConfig's ``spec.tls`` before a connection is made.

It doesn't check whether a certificate has expired, because a table is used for a long time after it was compiled. The
client's endpoint reports an expired certificate, and the attempt's error says so.
"""

import ssl

from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem, Reason
from trackpush_api.routing import TlsMaterial

_CERTIFICATE = "-----BEGIN CERTIFICATE----- … -----END CERTIFICATE-----"
_NO_CERTIFICATE = f"the Secret's value is not a certificate in PEM; it must contain {_CERTIFICATE}"
_NO_KEY = (
    "the Secret's value is not a private key in PEM; it must contain -----BEGIN PRIVATE KEY----- …"
    " (openssl pkey writes it)"
)
_ENCRYPTED = (
    "the private key is encrypted; put it into the Secret without a passphrase (openssl pkey -in KEY -out PLAIN), the"
    " Secret protects it"
)
_ANOTHERS = (
    "is not the key of spec.tls.certificate; put the key and the certificate that belong together into the Secret"
)
_NOT_FIRST = "the client's own certificate must come first, then the intermediates; put them in this order"


def check_certificates(resource: Resource, material: TlsMaterial | None, problems: list[Problem]) -> None:
    """Record unusable certificates and keys. The caller records missing ones."""
    if material is None:
        return
    found: list[tuple[str, str]] = []
    if material.ca is not None and not _is_certificates(material.ca):
        found.append(("ca", _NO_CERTIFICATE))
    if material.certificate is not None and not _is_certificates(material.certificate):
        found.append(("certificate", _NO_CERTIFICATE))
    elif material.certificate is not None and material.private_key is not None:
        found.extend(_pair(material.certificate, material.private_key))
    for name, message in found:
        problems.append(resource.problem(f"spec.tls.{name}", message, reason=Reason.SECRET_VALUE_INVALID))


def _is_certificates(pem: str) -> bool:
    """Whether OpenSSL reads at least one certificate in it, as it will for the connection."""
    if not pem.isascii():  # for such text the ssl module raises TypeError
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        return False
    return True


def _pair(certificate: str, private_key: str) -> list[tuple[str, str]]:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  70 ms, and few have a certificate
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  same
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415  same

    try:
        key = serialization.load_pem_private_key(private_key.encode(), password=None)
    except TypeError:
        return [("privateKey", _ENCRYPTED)]
    except UnsupportedAlgorithm:
        return []
    except ValueError:
        return [("privateKey", _ENCRYPTED if "ENCRYPTED" in private_key else _NO_KEY)]
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    own = key.public_key().public_bytes(*form)
    try:
        chain = [cert.public_key().public_bytes(*form) for cert in load_pem_x509_certificates(certificate.encode())]
    except (ValueError, UnsupportedAlgorithm):
        return []  # OpenSSL is more lenient, and its result counts
    if own == chain[0]:
        return []
    return [("certificate", _NOT_FIRST)] if own in chain else [("privateKey", _ANOTHERS)]
