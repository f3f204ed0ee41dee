"""A made-up authority, and the certificates that it gives to servers on loopback."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority"]

LOOPBACK = ("127.0.0.1", "localhost")
_DAY = timedelta(days=1)


class Authority:
    """Vouches for servers; `file` holds its own certificate, in PEM; theirs lie beside it."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.file = folder / f"{name}.pem"
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"made-up {name}")])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._count = 0
        itself = _builder(self._name, self._name, self._key.public_key(), _DAY)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        itself = itself.add_extension(constraints, critical=True)
        itself = itself.add_extension(usage, critical=True)
        self.pem = self._sign(itself)
        self.file.write_bytes(self.pem)

    def server(self, *names: str, ends_in: timedelta = _DAY) -> ssl.SSLContext:
        """What a server speaks TLS with whose certificate is for `names`, or else for loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        certificate = _builder(subject, self._name, key.public_key(), ends_in)
        for extension in (
            x509.SubjectAlternativeName([_general(name) for name in names or LOOPBACK]),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
        ):
            certificate = certificate.add_extension(extension, critical=False)
        self._count += 1
        file = self._folder / f"{self.file.stem}-{self._count}-server.pem"
        file.write_bytes(_private(key) + self._sign(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(self, certificate: x509.CertificateBuilder) -> bytes:
        signed = certificate.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, ends_in: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - 30 * _DAY,
        not_valid_after=now + ends_in,
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
