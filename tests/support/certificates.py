"""A certificate authority of a test's own, and what it signs, as files in PEM."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = timedelta(hours=12)


class Pair:
    """A certificate and its key. Kafka takes both from one file, `both`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.certificate = folder / f"{name}.crt"
        self.key = folder / f"{name}.key"
        self.both = folder / f"{name}.pem"

    def write(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        public = certificate.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.certificate.write_bytes(public)
        for file, content in ((self.key, private), (self.both, private + public)):
            file.touch(mode=0o600)
            file.write_bytes(content)


class Authority:
    """Signs certificates. file: its own, which whoever is to trust it needs."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        ca = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(ca, critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name}.crt"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self) -> Pair:
        """For a server that is reached as localhost or 127.0.0.1."""
        names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
        return self._sign("server", ExtendedKeyUsageOID.SERVER_AUTH, names)

    def elsewhere(self) -> Pair:
        """For a server of another name."""
        names = [x509.DNSName("elsewhere.example")]
        return self._sign("elsewhere", ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self) -> Pair:
        """For a client."""
        return self._sign("client", ExtendedKeyUsageOID.CLIENT_AUTH, [x509.DNSName("client")])

    def _sign(
        self, name: str, purpose: x509.ObjectIdentifier, names: Sequence[x509.GeneralName]
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(subject, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pair = Pair(self._folder, name)
        pair.write(certificate, key)
        return pair

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + _VALID)
        )
