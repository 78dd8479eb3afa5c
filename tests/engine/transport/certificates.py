"""Certificates for tests, made anew for every run: an authority, and what it vouches for."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority whose files lie in a folder: ca.pem, and NAME.pem with NAME.key for each issue()."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self._subject, self._key, [], True, NOW - DAY, NOW + DAY)
        self.ca = folder / f"{name.replace(' ', '-').lower()}.pem"
        self.ca.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject: x509.Name, key: Any, names: list[Any], is_ca: bool, begin: Any, end: Any) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self._subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
            .add_extension(x509.BasicConstraints(is_ca, None), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False))
        if is_ca:
            builder = builder.add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(
        self, name: str, *, hosts: tuple[str, ...] = (), ips: tuple[str, ...] = (), uris: tuple[str, ...] = (), emails: tuple[str, ...] = (),
        subject: dict[Any, str] | None = None, expired: bool = False, self_signed: bool = False,
    ) -> tuple[str, str]:
        """Paths of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[Any] = [x509.DNSName(host) for host in hosts]
        names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
        names += [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.RFC822Name(email) for email in emails]
        whole = x509.Name([x509.NameAttribute(oid, value) for oid, value in (subject or {NameOID.COMMON_NAME: name}).items()])
        begin, end = (NOW - 3 * DAY, NOW - 2 * DAY) if expired else (NOW - DAY, NOW + DAY)
        if self_signed:
            made = (
                x509.CertificateBuilder().subject_name(whole).issuer_name(whole).public_key(key.public_key()).serial_number(4711)
                .not_valid_before(begin).not_valid_after(end).sign(key, hashes.SHA256()))
        else:
            made = self._sign(whole, key, names, False, begin, end)
        certificate, secret = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return str(certificate), str(secret)

    def revoke(self, certificate: str, folder: Path) -> None:
        """Put a list with that certificate into a folder, under the name OpenSSL looks for."""
        revoked = x509.load_pem_x509_certificate(Path(certificate).read_bytes())
        entry = x509.RevokedCertificateBuilder().serial_number(revoked.serial_number).revocation_date(NOW - DAY).build()
        made = (
            x509.CertificateRevocationListBuilder().issuer_name(self._subject).last_update(NOW - DAY).next_update(NOW + DAY)
            .add_revoked_certificate(entry).sign(self._key, hashes.SHA256()))
        (folder / f"{hash_of(self._subject)}.r0").write_bytes(made.public_bytes(serialization.Encoding.PEM))


def hash_of(name: x509.Name) -> str:
    """OpenSSL's hash of a name made of lower-case-able text: SHA-1 of its canonical form, the first four bytes, little endian."""
    import hashlib

    def length(data: bytes) -> bytes:
        assert len(data) < 128
        return bytes([len(data)])

    whole = b""
    for rdn in name.rdns:
        for item in rdn:
            oid = x509.ObjectIdentifier(item.oid.dotted_string)
            value = " ".join(str(item.value).split()).lower().encode()
            numbers = [int(part) for part in oid.dotted_string.split(".")]
            assert all(number < 128 for number in numbers[2:])
            coded = bytes([numbers[0] * 40 + numbers[1], *numbers[2:]])
            pair = b"\x06" + length(coded) + coded + b"\x0c" + length(value) + value
            pair = b"\x30" + length(pair) + pair
            whole += b"\x31" + length(pair) + pair
    return f"{int.from_bytes(hashlib.sha1(whole, usedforsecurity=False).digest()[:4], 'little'):08x}"
