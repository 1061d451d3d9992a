"""Certificates, tokens and kubeconfigs of a test cluster. All are made anew for each cluster and end with it."""

import base64
import datetime as dt
import ipaddress
import secrets
from collections.abc import Sequence
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS = 30
_USES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


class Identities:
    """The keys of one cluster, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trackpush-test-ca")])
        self._ca = (
            _builder(name, name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_ca_usage(), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca = self._write("ca.crt", self._ca.public_bytes(serialization.Encoding.PEM))
        self.ca_key = self._write("ca.key", _pem(self._key))
        account_key = ec.generate_private_key(ec.SECP256R1())
        self.account_key = self._write("sa.key", _pem(account_key))
        self._tokens: dict[str, str] = {}

    def certificate(
        self,
        file: str,
        name: str,
        *,
        group: str | None = None,
        names: Sequence[str] = (),
        addresses: Sequence[str] = (),
    ) -> tuple[Path, Path]:
        """A certificate and its key, signed by the cluster's CA."""
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if group is not None:
            parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        others: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        others += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        builder = _builder(x509.Name(parts), self._ca.subject, key.public_key()).add_extension(
            x509.ExtendedKeyUsage(_USES), critical=False
        )
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        certificate = self._write(f"{file}.crt", signed.public_bytes(serialization.Encoding.PEM))
        return certificate, self._write(f"{file}.key", _pem(key))

    def tokens(self, users: dict[str, str]) -> Path:
        """The API server's token file: user → group ("" for none)."""
        lines = []
        for user, group in users.items():
            self._tokens[user] = secrets.token_hex(16)
            lines.append(",".join([self._tokens[user], user, user, *([f'"{group}"'] if group else [])]))
        return self._write("tokens.csv", ("\n".join(lines) + "\n").encode())

    def token(self, user: str) -> str:
        """The bearer token of a user."""
        return self._tokens[user]

    def kubeconfig(self, file: Path, server: str, user: str) -> Path:
        """A kubeconfig for a user of the token file."""
        authority = base64.b64encode(self.ca.read_bytes()).decode()
        cluster = {"server": server, "certificate-authority-data": authority}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        file.write_text(yaml.safe_dump(content))
        return file

    def _write(self, name: str, data: bytes) -> Path:
        file = self.folder / name
        file.write_bytes(data)
        return file


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
    )


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
