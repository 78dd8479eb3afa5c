"""TLS domains: what one is, how its ssl.SSLContext is made, and which one a connection gets.

A domain says which certificate is shown, what is asked of the peer and which versions and ciphers will do. Server domains are
chosen by the address a client came to and the name it asks for, client domains by the address that is connected to and the SIP
domain the script names; of several patterns that fit, exact names go before wildcards and those before "*".
"""

from __future__ import annotations

import os
import ssl
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from engine.errors import ConfigError
from engine.transport.address import bracketed, plain_ip
from engine.transport.tls import TlsSession
from modules.tls_mgm.certificates import Certificate

ANY: Final = "*"
NO_NAME: Final = "none"
"""What a client that asks for no name is matched as."""
DEFAULT_CERTIFICATE: Final = "/etc/opensips/tls/cert.pem"
DEFAULT_KEY: Final = "/etc/opensips/tls/ckey.pem"
DEFAULT_CA_DIR: Final = "/etc/pki/CA/"
METHODS: Final = (
    ("SSLv23", None), ("TLSv1", ssl.TLSVersion.TLSv1), ("TLSv1_2", ssl.TLSVersion.TLSv1_2), ("TLSv1_3", ssl.TLSVersion.TLSv1_3),
)
"""Names of tls_method, in the order of the versions."""


def _method_number(text: str) -> int:
    """Which of METHODS; the beginning of a name will do. ValueError: none."""
    wanted = text.lower()
    for number, (name, _) in enumerate(METHODS):
        if name.lower().startswith(wanted) or (not number and "tlsany".startswith(wanted)):
            return number
    raise ValueError(f"unsupported method [{text}], there are SSLv23, TLSv1, TLSv1_2, TLSv1_3 and ranges of them")


def parse_method(text: str) -> tuple[int, int]:
    """Lowest and highest of METHODS for tls_method: a name, or a range "low-high" whose ends may be missing. ValueError."""
    low, dash, high = (part.strip() for part in text.partition("-"))
    first = _method_number(low) if low else 1
    if not dash:
        return first, first
    return first, _method_number(high) if high else len(METHODS) - 1


def parse_addresses(text: str | None) -> list[str]:
    """match_ip_address: "ip:port" with commas, or "*". The last one first, as OpenSIPS keeps them. ValueError."""
    if not text or text.strip().startswith(ANY):
        return [ANY]
    found: list[str] = []
    for item in text.split(","):
        host, colon, port = item.strip().rpartition(":")
        ip = plain_ip(host)
        if not colon or ip is None or not port.isdigit():
            raise ValueError(f"[{item.strip()}] is no address, it looks like 10.0.0.10:5061")
        found.insert(0, address_key(ip, int(port)))
    return found


def parse_names(text: str | None) -> list[str]:
    """match_sip_domain: names or shell patterns with commas, "*" or "none". The last one first."""
    return [item.strip() for item in text.split(",") if item.strip()][::-1] or [ANY] if text else [ANY]


def address_key(ip: str, port: int) -> str:
    """How an address is written in the tables."""
    return f"{bracketed(ip)}:{port}"


@contextmanager
def _as_path(value: bytes | str) -> Iterator[str]:
    """A path to read a value from: a file's name as it is; bytes from a database lie in memory, on no disk."""
    if isinstance(value, str):
        yield value
        return
    descriptor = os.memfd_create("tls")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(value)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


@dataclass(slots=True, eq=False, repr=False)
class Domain:
    """One TLS domain. Files are paths (str) in the script and contents (bytes) from a database."""

    name: str
    is_server: bool
    from_db: bool = False
    addresses: list[str] = field(default_factory=lambda: [ANY])
    names: list[str] = field(default_factory=lambda: [ANY])
    method: tuple[int, int] = (0, 0)
    verify_cert: bool = True
    require_cert: bool = True
    verify_domain: bool = False
    certificate: str | bytes | None = None
    private_key: str | bytes | None = None
    ca_list: str | bytes | None = None
    ca_dir: str = DEFAULT_CA_DIR
    crl_dir: str = ""
    crl_check_all: bool = False
    ciphers_list: str = ""
    dh_params: str | bytes | None = None
    ec_curve: str = ""
    context: ssl.SSLContext = field(init=False)
    own: Certificate | None = None
    """The certificate that is shown."""
    _strict: ssl.SSLContext | None = None
    """As context, but the host name is checked; made on first use."""

    def __post_init__(self) -> None:
        if not self.is_server:
            self.require_cert = False

    @property
    def method_name(self) -> str:
        """As tls_list shows it."""
        low, high = self.method
        return METHODS[low][0] if low == high else f"{METHODS[low][0]}-{METHODS[high][0]}"

    def build(self) -> None:
        """Make the context. Raises ConfigError: a file or a value is bad."""
        self.context = self._make()

    def host_checking(self) -> ssl.SSLContext:
        """A context that also wants the certificate to be for the host, where certificates are checked at all. ConfigError."""
        if self._strict is None:
            self._strict = self._make()
            self._strict.check_hostname = self._strict.verify_mode is not ssl.CERT_NONE
        return self._strict

    def _make(self) -> ssl.SSLContext:
        if self.is_server and self.certificate is None:
            self.certificate = DEFAULT_CERTIFICATE
        if self.certificate is not None and self.private_key is None:
            self.private_key = DEFAULT_KEY
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if self.is_server else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        step = "tls_method"
        try:
            self._set_versions(context)
            step = "ciphers_list"
            if self.ciphers_list:
                context.set_ciphers(self.ciphers_list)
            step = "ec_curve"
            if self.ec_curve:
                context.set_ecdh_curve(self.ec_curve)
            step = "dh_params"
            if self.dh_params is not None:
                with _as_path(self.dh_params) as path:
                    context.load_dh_params(path)
            step = "ca_list"
            self._set_trust(context)
            step = "certificate"
            self._load_own(context)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise ConfigError(f"TLS domain '{self.name}': bad {step}: {_reason(error)}") from None
        return context

    def _set_versions(self, context: ssl.SSLContext) -> None:
        low, high = METHODS[self.method[0]][1], METHODS[self.method[1]][1]
        with warnings.catch_warnings():         # TLS 1.0 is asked for by name, then
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = low or ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = high or ssl.TLSVersion.MAXIMUM_SUPPORTED

    def _set_trust(self, context: ssl.SSLContext) -> None:
        if not self.verify_cert:
            context.verify_mode = ssl.CERT_NONE
        elif self.is_server and not self.require_cert:
            context.verify_mode = ssl.CERT_OPTIONAL
        else:
            context.verify_mode = ssl.CERT_REQUIRED
        if self.ca_list is not None:
            with _as_path(self.ca_list) as path:
                context.load_verify_locations(cafile=path)
        if self.ca_dir:
            context.load_verify_locations(capath=self.ca_dir)
        if self.crl_dir:
            context.load_verify_locations(capath=self.crl_dir)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN if self.crl_check_all else ssl.VERIFY_CRL_CHECK_LEAF

    def _load_own(self, context: ssl.SSLContext) -> None:
        if self.certificate is None:
            return

        def refuse() -> str:
            raise ValueError("the private key is encrypted, which cannot be asked for here")

        with _as_path(self.certificate) as certificate, _as_path(self.private_key or b"") as key:
            context.load_cert_chain(certificate, key, refuse)
            with open(certificate, "rb") as file:
                self.own = Certificate.of_pem(file.read())

    def refuses(self, session: TlsSession, wanted: str | None) -> str:
        """Judge the server that was reached (verify_domain): its certificate must be for the name (RFC 5922 7.2)."""
        if not self.verify_domain or wanted is None:
            return ""
        shown = session.object.getpeercert(True) if session.object is not None else None
        try:
            if shown is not None and Certificate(shown).is_for(wanted):
                return ""
        except ValueError as error:
            return f"the peer's certificate cannot be read: {error}"
        return f"the peer's certificate is not for {wanted}"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None)  # some have none
        return str(reason or error.args[0]).lower().replace("_", " ")
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


class DomainTable:
    """All domains of one direction, in the order they are looked through: the latest first."""

    __slots__ = ("_by_address", "_by_name", "domains")

    def __init__(self, domains: Sequence[Domain] = ()) -> None:
        self.domains = list(domains)
        self._by_name = {domain.name: domain for domain in reversed(self.domains)}
        self._by_address: dict[str, list[tuple[str, Domain]]] = {}
        for domain in self.domains:
            for address in domain.addresses:
                known = self._by_address.setdefault(address, [])
                taken = {pattern for pattern, _ in known}
                known.extend((name.lower(), domain) for name in domain.names if name.lower() not in taken)
        for known in self._by_address.values():
            known.sort(key=lambda pair: 2 if pair[0] == ANY else 1 if ANY in pair[0] else 0)

    def named(self, name: str) -> Domain | None:
        """The domain of that name."""
        return self._by_name.get(name)

    def _at(self, ip: str, port: int) -> list[tuple[str, Domain]]:
        """Patterns for an address: its own, else those for any address."""
        return self._by_address.get(address_key(ip, port)) or self._by_address.get(ANY) or []

    def find(self, ip: str, port: int, name: str) -> Domain | None:
        """The domain whose pattern fits the name best."""
        name = name.lower()
        for pattern, domain in self._at(ip, port):
            if pattern == ANY or fnmatchcase(name, pattern):
                return domain
        return None

    def needs_name(self, ip: str, port: int) -> bool:
        """Whether the name makes a difference at this address."""
        found = self._at(ip, port)
        return bool(found) and not (found[-1][0] == ANY and len({id(domain) for _, domain in found}) == 1)


def shown(domain: Domain) -> dict[str, Any]:
    """A domain as tls_list prints it; contents from a database are not shown."""
    files = not domain.from_db
    found: dict[str, Any] = {
        "name": domain.name,
        "type": "TLS_DOMAIN_SRV" if domain.is_server else "TLS_DOMAIN_CLI",
        "IP ADDRESS FILTERS": domain.addresses,
        "SIP DOMAIN FILTERS": domain.names,
        "METHOD": domain.method_name,
        "VERIFY_CERT": domain.verify_cert,
        "REQ_CLI_CERT": domain.require_cert,
        "CRL_CHECKALL": domain.crl_check_all,
    }
    if files:
        found["CERT_FILE"] = domain.certificate or ""
    found["CRL_DIR"] = domain.crl_dir
    if files:
        found["CA_FILE"] = domain.ca_list or ""
    found["CA_DIR"] = domain.ca_dir
    if files:
        found["PKEY_FILE"] = domain.private_key or ""
    found["CIPHER_LIST"] = domain.ciphers_list
    if files:
        found["DH_PARAMS_FILE"] = domain.dh_params or ""
    found["EC_CURVE"] = domain.ec_curve
    return found
