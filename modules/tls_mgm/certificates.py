"""What scripts ask of a certificate: names, alternative names, validity, in the form OpenSSL prints them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from engine.transport.address import plain_ip

_SHORT: Final = {
    NameOID.COMMON_NAME: "CN", NameOID.COUNTRY_NAME: "C", NameOID.STATE_OR_PROVINCE_NAME: "ST", NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O", NameOID.ORGANIZATIONAL_UNIT_NAME: "OU", NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber", NameOID.DOMAIN_COMPONENT: "DC", NameOID.USER_ID: "UID", NameOID.SURNAME: "SN",
    NameOID.GIVEN_NAME: "GN", NameOID.TITLE: "title", NameOID.STREET_ADDRESS: "street", NameOID.POSTAL_CODE: "postalCode",
    NameOID.DN_QUALIFIER: "dnQualifier", NameOID.GENERATION_QUALIFIER: "generationQualifier", NameOID.PSEUDONYM: "pseudonym",
    NameOID.BUSINESS_CATEGORY: "businessCategory", NameOID.JURISDICTION_COUNTRY_NAME: "jurisdictionC",
    NameOID.JURISDICTION_LOCALITY_NAME: "jurisdictionL", NameOID.JURISDICTION_STATE_OR_PROVINCE_NAME: "jurisdictionST",
    NameOID.UNSTRUCTURED_NAME: "unstructuredName", NameOID.INITIALS: "initials",
    NameOID.ORGANIZATION_IDENTIFIER: "organizationIdentifier",
}
PARTS: Final = {
    "cn": NameOID.COMMON_NAME, "country": NameOID.COUNTRY_NAME, "state": NameOID.STATE_OR_PROVINCE_NAME,
    "locality": NameOID.LOCALITY_NAME, "organization": NameOID.ORGANIZATION_NAME, "unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "serial": NameOID.SERIAL_NUMBER,
}
"""Last word of $tls_peer_subject_... -> attribute."""
_KINDS: Final = {
    "email": x509.RFC822Name, "hostname": x509.DNSName, "uri": x509.UniformResourceIdentifier, "ip": x509.IPAddress,
}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Certificate:
    """One X.509 certificate; texts are latin-1 as everywhere, other letters as their UTF-8 bytes."""

    def __init__(self, der: bytes) -> None:
        self._parsed = x509.load_der_x509_certificate(der)

    @classmethod
    def of_pem(cls, pem: bytes) -> Certificate:
        """The first certificate of a PEM text. ValueError: there is none."""
        made = cls.__new__(cls)
        made._parsed = x509.load_pem_x509_certificate(pem)
        return made

    @property
    def version(self) -> str:
        """As it is coded: "2" for version 3."""
        return str(self._parsed.version.value)

    @property
    def serial(self) -> int:
        """The serial number, however long it is."""
        return self._parsed.serial_number

    def name(self, issuer: bool) -> str:
        """Subject or issuer on one line: /C=AT/L=Vienna/CN=example.com."""
        parts = []
        for rdn in (self._parsed.issuer if issuer else self._parsed.subject).rdns:
            for position, item in enumerate(rdn):
                value = "".join(
                    chr(byte) if 32 <= byte <= 126 else f"\\x{byte:02X}" for byte in _bytes_of(item.value))
                parts.append(f"{'+' if position else '/'}{_SHORT.get(item.oid, item.oid.dotted_string)}={value}")
        return "".join(parts)

    def part(self, issuer: bool, word: str) -> str | None:
        """The first attribute of that kind (a key of PARTS), None without one."""
        found = (self._parsed.issuer if issuer else self._parsed.subject).get_attributes_for_oid(PARTS[word])
        return _bytes_of(found[0].value).decode("latin-1") if found else None

    @cached_property
    def _alternatives(self) -> list[x509.GeneralName]:
        try:
            return list(self._parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        except (x509.ExtensionNotFound, ValueError):
            return []

    def alternatives(self, word: str) -> list[str]:
        """The subject's alternative names of a kind: email, hostname, uri, ip."""
        return [str(one.value) for one in self._alternatives if isinstance(one, _KINDS[word])]

    @property
    def not_before(self) -> str:
        """Begin of validity."""
        return _moment(self._parsed.not_valid_before_utc)

    @property
    def not_after(self) -> str:
        """End of validity."""
        return _moment(self._parsed.not_valid_after_utc)

    def is_expired(self, wall: float | None = None) -> bool:
        """Is its time over?"""
        return self._parsed.not_valid_after_utc < datetime.fromtimestamp(time.time() if wall is None else wall, UTC)

    @cached_property
    def is_self_signed(self) -> bool:
        """Has its own key signed it?"""
        try:
            self._parsed.verify_directly_issued_by(self._parsed)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def is_revoked(self, crl_dir: str) -> bool:
        """Is it on a list of its issuer in this folder (files *.r0, *.r1 ..., or *.pem, *.crl)?"""
        if not crl_dir:
            return False
        for path in sorted(Path(crl_dir).glob("*")):
            if path.suffix[1:2] != "r" and path.suffix not in (".pem", ".crl"):
                continue
            try:
                data = path.read_bytes()
                revoked = x509.load_pem_x509_crl(data) if b"-----BEGIN" in data else x509.load_der_x509_crl(data)
            except (OSError, ValueError):
                continue
            if revoked.issuer == self._parsed.issuer and revoked.get_revoked_certificate_by_serial_number(self.serial):
                return True
        return False

    def is_for(self, host: str) -> bool:
        """Is it a certificate for this SIP domain or address (RFC 5922 7.1, 7.2)? Names in URIs and DNS names count, the common
        name only where there are none; no wildcards."""
        host = host.lower().strip("[]")
        ip = plain_ip(host)
        if ip is not None:
            return ip in self.alternatives("ip")
        identities = [one.lower() for one in self.alternatives("hostname")]
        for uri in self.alternatives("uri"):
            scheme, _, rest = uri.lower().partition(":")
            if scheme in ("sip", "sips") and "@" not in rest:
                identities.append(rest.partition(";")[0].partition(":")[0])
        if not identities:
            common = self.part(False, "cn")
            identities = [common.lower()] if common else []
        return host in identities


def _bytes_of(value: str | bytes) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else value


def _moment(when: datetime) -> str:
    """As OpenSSL prints it: "Nov  2 10:00:00 2026 GMT"."""
    return f"{_MONTHS[when.month - 1]} {when.day:2d} {when:%H:%M:%S} {when.year} GMT"
