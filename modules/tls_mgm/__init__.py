"""tls_mgm: TLS domains (certificates, keys, trust) for proto_tls, proto_wss and everybody else who speaks TLS.

    modparam("tls_mgm", "server_domain", "example")
    modparam("tls_mgm", "match_ip_address", "[example]10.0.0.10:5061")
    modparam("tls_mgm", "certificate", "[example]/etc/opensips/tls/example.pem")

Domains come from the script, from a table, or both; tls_reload reads the table again. TLS itself is OpenSSL's, by Python's ssl
module, whichever of tls_openssl and tls_wolfssl a script loads.
"""

from __future__ import annotations

import re
import ssl
from typing import Any, Final

from engine.db.interface import check_version, find_driver
from engine.errors import DbError, SipParseError
from engine.module import REQUEST, ConfigError, Context, MiError, function, mi_command, modparam
from engine.sip.uri import parse_uri
from engine.transport.address import plain_ip
from modules.tls_mgm.domains import ANY, NO_NAME, Domain, DomainTable, parse_addresses, parse_method, parse_names, shown
from modules.tls_mgm.variables import TlsVariables, session_of

TABLE_VERSION: Final = 3
CLIENT_TYPE, SERVER_TYPE = 1, 2
_OF_DOMAIN: Final = re.compile(r"\s*\[([^\]]+)\](.+)", re.DOTALL)

# (domain, value) pairs of one parameter
Pairs = list[tuple[str, Any]]


def _of_domain(text: str) -> tuple[str, str]:
    found = _OF_DOMAIN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not of the form [domain]value")
    return found[1], found[2]


def _text(text: str) -> tuple[str, str]:
    return _of_domain(text)


def _flag(text: str) -> tuple[str, bool]:
    name, value = _of_domain(text)
    if not value.strip().isdigit():
        raise ValueError(f"{value!r} is not a number")
    return name, bool(int(value))


def _method(text: str) -> tuple[str, tuple[int, int]]:
    name, value = _of_domain(text)
    return name, parse_method(value)


def _addresses(text: str) -> tuple[str, list[str]]:
    name, value = _of_domain(text)
    return name, parse_addresses(value)


def _names(text: str) -> tuple[str, list[str]]:
    name, value = _of_domain(text)
    return name, parse_names(value)


def _avp(text: str) -> str:
    """Name of an AVP, written with or without $avp()."""
    found = re.fullmatch(r"(?:\$avp\(([^()]+)\)|([\w.-]+))", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not the name of an AVP")
    return found[1] or found[2]


class TlsMgm(TlsVariables):
    """The module; also the TlsPolicy of the transports (engine.transport.tls)."""

    tls_library = modparam(
        str, "auto", choices=("auto", "none", "openssl", "wolfssl"),
        help="which library module has to be loaded; none: no matter")
    server_domain = modparam(str, None, multi=True, help="name of a domain for connections that are accepted")
    client_domain = modparam(str, None, multi=True, help="name of a domain for connections that are made")
    match_ip_address = modparam(str, None, multi=True, parse=_addresses, help="[domain]ip:port, ...; *: any address")
    match_sip_domain = modparam(
        str, None, multi=True, parse=_names, help="[domain]name, ...; shell patterns; none: clients that ask for no name")
    tls_method = modparam(
        str, None, multi=True, parse=_method, help="[domain]SSLv23, TLSv1, TLSv1_2, TLSv1_3, or a range such as TLSv1_2-TLSv1_3")
    certificate = modparam(str, None, multi=True, parse=_text, help="[domain]file with our certificate and those it hangs on")
    private_key = modparam(str, None, multi=True, parse=_text, help="[domain]file with the certificate's key")
    ca_list = modparam(str, None, multi=True, parse=_text, help="[domain]file with the certificates that are trusted")
    ca_dir = modparam(str, None, multi=True, parse=_text, help="[domain]folder with trusted certificates, by hash")
    crl_dir = modparam(str, None, multi=True, parse=_text, help="[domain]folder with revocation lists, by hash")
    crl_check_all = modparam(str, None, multi=True, parse=_flag, help="[domain]1: revocation of the whole chain is looked up")
    ciphers_list = modparam(str, None, multi=True, parse=_text, help="[domain]ciphers for TLS up to 1.2, as OpenSSL writes them")
    dh_params = modparam(str, None, multi=True, parse=_text, help="[domain]file with Diffie-Hellman parameters")
    ec_curve = modparam(str, None, multi=True, parse=_text, help="[domain]the elliptic curve to use")
    verify_cert = modparam(str, None, multi=True, parse=_flag, help="[domain]1: a certificate the peer shows is checked")
    require_cert = modparam(str, None, multi=True, parse=_flag, help="[domain]1: clients have to show a certificate")
    verify_domain = modparam(
        str, None, multi=True, parse=_flag,
        help="[domain]1: the certificate of a server must be for the SIP domain it stands for (RFC 5922); ours alone")
    client_tls_domain_avp = modparam(str, "", parse=_avp, help="AVP with the name of the client domain to use")
    client_sip_domain_avp = modparam(str, "", parse=_avp, help="AVP with the SIP domain that match_sip_domain is compared with")
    db_url = modparam(str, "", help="database with more domains")
    db_table = modparam(str, "tls_mgm", help="table with them")
    domain_col = modparam(str, "domain", help="column of the name")
    match_ip_address_col = modparam(str, "match_ip_address", help="column")
    match_sip_domain_col = modparam(str, "match_sip_domain", help="column")
    tls_method_col = modparam(str, "method", help="column")
    verify_cert_col = modparam(str, "verify_cert", help="column")
    require_cert_col = modparam(str, "require_cert", help="column")
    certificate_col = modparam(str, "certificate", help="column with the certificate itself, PEM")
    private_key_col = modparam(str, "private_key", help="column with the key itself, PEM")
    crl_check_all_col = modparam(str, "crl_check_all", help="column")
    crl_dir_col = modparam(str, "crl_dir", help="column")
    ca_list_col = modparam(str, "ca_list", help="column with the trusted certificates themselves, PEM")
    ca_dir_col = modparam(str, "ca_dir", help="column")
    ciphers_list_col = modparam(str, "cipher_list", help="column")
    cipher_list_col = modparam(str, "", help="another name of ciphers_list_col")
    dh_params_col = modparam(str, "dh_params", help="column with the parameters themselves, PEM")
    ec_curve_col = modparam(str, "ec_curve", help="column")

    def mod_init(self) -> None:
        self._check_library()
        self._from_script = (self._script_domains(True), self._script_domains(False))
        for name, *_ in self._all_pairs():
            if not any(domain.name == name for part in self._from_script for domain in part):
                raise ConfigError(f"TLS domain [{name}] is not defined", hint=f'modparam("tls_mgm", "server_domain", "{name}")')
        for part in self._from_script:
            for domain in part:
                domain.build()
        self.server_domains = DomainTable(self._from_script[0])
        self.client_domains = DomainTable(self._from_script[1])
        if self.db_url:
            if "tls_domain=" in self.db_url:
                raise ConfigError("tls_mgm cannot reach its own database over TLS domains of its own")
            find_driver(self.server.registry, self.db_url)

    async def child_init(self) -> None:
        if self.db_url:
            try:
                await self._load()
            except DbError as error:
                raise ConfigError(f"tls_mgm: {error}") from None

    # ---- domains of the script ----

    def _check_library(self) -> None:
        loaded = [name for name in ("openssl", "wolfssl") if f"tls_{name}" in self.server.registry.modules]
        if self.tls_library == "auto":
            if len(loaded) > 1:
                raise ConfigError("more than one TLS library module is loaded")
            if not loaded and not self.server.speaks_31:
                raise ConfigError("no TLS library module is loaded", hint='loadmodule "tls_openssl.so"')
        elif self.tls_library != "none" and self.tls_library not in loaded:
            raise ConfigError(
                f"tls_library is {self.tls_library}, but that module is not loaded",
                hint=f'loadmodule "tls_{self.tls_library}.so"')

    def _pairs(self) -> dict[str, Pairs]:
        """Attribute of a domain -> the (domain, value) pairs of the script."""
        return {
            "addresses": self.match_ip_address, "names": self.match_sip_domain, "method": self.tls_method,
            "verify_cert": self.verify_cert, "require_cert": self.require_cert, "verify_domain": self.verify_domain,
            "certificate": self.certificate, "private_key": self.private_key, "ca_list": self.ca_list, "ca_dir": self.ca_dir,
            "crl_dir": self.crl_dir, "crl_check_all": self.crl_check_all, "ciphers_list": self.ciphers_list,
            "dh_params": self.dh_params, "ec_curve": self.ec_curve,
        }

    def _all_pairs(self) -> Pairs:
        return [pair for pairs in self._pairs().values() for pair in pairs]

    def _script_domains(self, is_server: bool) -> list[Domain]:
        """The domains one direction has in the script, the latest first."""
        found: list[Domain] = []
        for name in self.server_domain if is_server else self.client_domain:
            if any(domain.name == name for domain in found):
                raise ConfigError(f"TLS domain [{name}] is defined twice")
            domain = Domain(name, is_server)
            if is_server or name not in self.server_domain:     # of two with one name the server's is meant
                for attribute, pairs in self._pairs().items():
                    for owner, value in pairs:
                        if owner == name:
                            setattr(domain, attribute, value)
            found.insert(0, domain)
        return found

    # ---- domains of the table ----

    async def _load(self) -> None:
        """Read the table and take over what is good in it; raises DbError."""
        columns = [
            "id", self.domain_col, self.match_ip_address_col, self.match_sip_domain_col, "type", self.tls_method_col,
            self.verify_cert_col, self.require_cert_col, self.certificate_col, self.private_key_col, self.crl_check_all_col,
            self.crl_dir_col, self.ca_list_col, self.ca_dir_col, self.cipher_list_col or self.ciphers_list_col,
            self.dh_params_col, self.ec_curve_col,
        ]
        driver, url = find_driver(self.server.registry, self.db_url)
        connection = await driver.connect(url)
        try:
            await check_version(connection, self.db_table, TABLE_VERSION)
            rows = await connection.query(self.db_table, columns)
        finally:
            await connection.close()
        parts: tuple[list[Domain], list[Domain]] = ([], [])
        for row in rows:
            try:
                domain = self._domain_of(row)
                part = parts[0 if domain.is_server else 1]
                known = self._from_script[0 if domain.is_server else 1]
                if any(other.name == domain.name for other in (*part, *known)):
                    raise ValueError("it is already defined")
                domain.build()
            except (ValueError, ConfigError) as error:
                self.log.error("TLS domain '%s' id %s is left out: %s", row[1] or "", row[0], error)
                continue
            part.insert(0, domain)
        self.server_domains = DomainTable(parts[0] + self._from_script[0])
        self.client_domains = DomainTable(parts[1] + self._from_script[1])

    @staticmethod
    def _domain_of(row: tuple[Any, ...]) -> Domain:
        """A domain from a line of the table. ValueError."""
        (_, name, addresses, names, kind, method, verify, require, certificate, key, check_all, crl_dir, ca_list, ca_dir, ciphers,
         dh_params, curve) = row
        if not name:
            raise ValueError("it has no name")
        if kind not in (CLIENT_TYPE, SERVER_TYPE):
            raise ValueError(f"unknown type {kind}")
        domain = Domain(
            str(name), kind == SERVER_TYPE, True, parse_addresses(addresses), parse_names(names), certificate=_blob(certificate),
            private_key=_blob(key), ca_list=_blob(ca_list), crl_dir=crl_dir or "", ciphers_list=ciphers or "",
            dh_params=_blob(dh_params), ec_curve=curve or "")
        if method:
            domain.method = parse_method(method)
        for attribute, value in (("verify_cert", verify), ("require_cert", require), ("crl_check_all", check_all)):
            if value is not None:
                setattr(domain, attribute, bool(value))
        if ca_dir:
            domain.ca_dir = ca_dir
        return domain

    # ---- what transports and other modules ask ----

    def server_domain_of(self, ip: str, port: int, name: str | None) -> Domain | None:
        """The domain for a connection accepted at an address from a client that asks for name."""
        return self.server_domains.find(ip, port, name or NO_NAME)

    def client_domain_of(self, ip: str, port: int, sender: Any) -> tuple[Domain | None, str | None]:
        """The domain for a connection to an address and the name to ask for, as the script wants it: $bavp, then $avp.

        sender: the Context or the branch of tm whose message it is, or None.
        """
        forced = self._wish(sender, self.client_tls_domain_avp)
        sip_domain = self._wish(sender, self.client_sip_domain_avp)
        if forced is not None:
            domain = self.client_domains.named(forced)
        else:
            domain = self.client_domains.find(ip, port, sip_domain or ANY)
        if domain is None:
            wish = forced or sip_domain
            self.log.error("no TLS client domain for %s:%d%s", ip, port, f" and [{wish}]" if wish else "")
        return domain, _host_name(sip_domain) or _next_hop(sender)

    @staticmethod
    def _wish(sender: Any, avp: str) -> str | None:
        if sender is None or not avp:
            return None
        values = (getattr(sender, "bavps", None) or {}).get(avp)
        if not values:
            avps = sender.avps if isinstance(sender, Context) else sender.transaction.avps
            values = avps.get(avp)
        return str(values[-1]) if values else None

    def client_context(self, domain: str, check_host: bool = False) -> ssl.SSLContext | None:
        """The ssl.SSLContext of a client domain, for other modules (URLs with tls_domain=...); None: there is no such domain.

        The chain is checked when the domain says so; with check_host also that the certificate is for the host. ConfigError: the
        domain's files are not what they were at start.
        """
        found = self.client_domains.named(domain)
        if found is None:
            return None
        return found.host_checking() if check_host else found.context

    def policy(self) -> Policy:
        """What the transports of TLS are given."""
        return Policy(self)

    # ---- script, management ----

    @function(REQUEST)
    def is_peer_verified(self, ctx: Context) -> bool:
        """1: the request came over TLS and the peer's certificate was checked; -1: no TLS, no certificate, or nobody checked."""
        session = session_of(ctx)
        return session is not None and session.is_verified

    @mi_command("tls_list", help="lists the TLS domains")
    def tls_list(self) -> dict[str, Any]:
        """Client domains, then server domains."""
        return {"Domains": [shown(domain) for domain in (*self.client_domains.domains, *self.server_domains.domains)]}

    @mi_command("tls_reload", help="reads the TLS domains of the database again")
    async def tls_reload(self) -> None:
        """New connections use the new domains; those of the script stay. 500: no database, or it cannot be read."""
        if not self.db_url:
            raise MiError(500, "DB url not set")
        try:
            await self._load()
        except DbError as error:
            self.log.error("failed to load tls data: %s", error)
            raise MiError(500, "Failed to reload") from None


class Policy:
    """tls_mgm as the transports see it (engine.transport.tls.TlsPolicy)."""

    def __init__(self, module: TlsMgm) -> None:
        self._module = module

    def server_domain(self, ip: str, port: int, name: str | None) -> Domain | None:
        """The domain for an accepted connection."""
        return self._module.server_domain_of(ip, port, name)

    def needs_name(self, ip: str, port: int) -> bool:
        """Whether the name a client asks for matters."""
        return self._module.server_domains.needs_name(ip, port)

    def client_domain(self, ip: str, port: int, sender: Any) -> tuple[Domain | None, str | None]:
        """The domain for a connection that is made."""
        return self._module.client_domain_of(ip, port, sender)


def _blob(value: Any) -> bytes | None:
    """A column with a file's contents."""
    if not value:
        return None
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


def _host_name(text: str | None) -> str | None:
    """A name that may stand in a ClientHello: no address, no pattern."""
    if not text or ANY in text or plain_ip(text) is not None or not text.isascii():
        return None
    return text


def _next_hop(sender: Any) -> str | None:
    """The host name of the URI a message goes to."""
    if sender is None:
        return None
    text = sender.dst_uri or (sender.ruri if isinstance(sender, Context) else sender.uri)
    try:
        return _host_name(getattr(parse_uri(text), "host", None)) if text else None
    except SipParseError:
        return None


exports = TlsMgm
