"""spec.tls: what could never make a connection is told when it is written, with what to do."""

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from trackpush_api.certificates import check_certificates
from trackpush_api.manifest import Resource
from trackpush_api.problems import Problem
from trackpush_api.routing import TlsMaterial

AUTHORITY = trustme.CA()
ISSUED, ANOTHER = AUTHORITY.issue_cert("client.test"), AUTHORITY.issue_cert("another.test")
CA = AUTHORITY.cert_pem.bytes().decode()
CHAIN = "".join(cert.bytes().decode() for cert in ISSUED.cert_chain_pems)
KEY = ISSUED.private_key_pem.bytes().decode()
OTHER_KEY = ANOTHER.private_key_pem.bytes().decode()
ENCRYPTED = (
    serialization.load_pem_private_key(KEY.encode(), password=None)
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    .decode()
)
OMS = Resource(kind="PushConfig", namespace="acme", name="oms", spec=None)


def told(**fields: str) -> list[str]:
    """Field and message of each problem."""
    problems = list[Problem]()
    check_certificates(OMS, TlsMaterial(**fields), problems)
    return [str(problem) for problem in problems]


def test_what_belongs_together_is_taken() -> None:
    assert told(ca=CA, certificate=CHAIN, private_key=KEY) == []
    problems = list[Problem]()
    check_certificates(OMS, None, problems)
    assert problems == []


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"ca": "nonsense"}, "spec.tls.ca", "is not a certificate in PEM"),
        ({"ca": KEY}, "spec.tls.ca", "is not a certificate in PEM"),
        ({"certificate": "nonsense", "private_key": KEY}, "spec.tls.certificate", "is not a certificate in PEM"),
        ({"certificate": CHAIN, "private_key": "nonsense"}, "spec.tls.privateKey", "is not a private key in PEM"),
        ({"certificate": CHAIN, "private_key": CHAIN}, "spec.tls.privateKey", "is not a private key in PEM"),
        ({"certificate": CHAIN, "private_key": ENCRYPTED}, "spec.tls.privateKey", "put it into the Secret without a"),
        ({"certificate": CHAIN, "private_key": OTHER_KEY}, "spec.tls.privateKey", "is not the key of spec.tls.cert"),
        ({"certificate": CA + CHAIN, "private_key": KEY}, "spec.tls.certificate", "own certificate must come first"),
    ],
)
def test_what_can_never_connect_is_reported(fields: dict[str, str], field: str, message: str) -> None:
    (problem,) = told(**fields)
    assert field in problem
    assert message in problem
    assert "PRIVATE KEY-----\n" not in problem
