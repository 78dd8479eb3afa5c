"""The module: credentials by realm, and the answers to challenges (RFC 3261 22.2, RFC 7616 3.4, RFC 8760)."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Any, Final

from engine.errors import ConfigError, SipParseError
from engine.module import Module, modparam
from engine.script.values import print_of
from engine.script.varspec import parse_variable
from engine.sip.digest import (
    DigestFields, canonical_algorithm, compute_ha1, format_credentials, hash_digits, parse_digest,
)
from engine.sip.message import Response
from modules.uac_auth.api import Credential

_HEADERS: Final[dict[int, tuple[str, str]]] = {
    401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization"),
}
"""Status code -> header of the challenge, header of the answer."""
_CREDENTIAL: Final = re.compile(r"\s*([^\s:]+)\s*:\s*([^\s:]+)\s*:\s*(\S+)\s*\Z")
_HA1: Final = re.compile(r"0x([0-9a-f]{64}|[0-9a-f]{32})\Z")


def parse_credential(text: str) -> Credential:
    """"user:realm:password". Raises ConfigError, which does not show the password."""
    found = _CREDENTIAL.match(text)
    if found is None:
        raise ConfigError("uac_auth: bad credential", hint='it looks like "user:realm:password", the password without blanks')
    return Credential(*found.groups())


def avp_name(text: str) -> str:
    """The name in "$avp(name)"."""
    spec = parse_variable(text.strip())
    if spec.name != "avp" or not spec.inner or spec.inner_var is not None or spec.transformations or spec.index is not None:
        raise ConfigError(f"uac_auth: expected $avp(name), not {text!r}")
    return spec.inner


class UacAuthModule(Module):
    """The uac_auth module."""

    credentials = modparam(str, None, multi=True, name="credential", parse=parse_credential, help="user:realm:password")
    auth_realm_avp = modparam(str, "", parse=avp_name, help="AVP with a realm, for credentials that differ by call")
    auth_username_avp = modparam(str, "", parse=avp_name, help="AVP with the user for that realm")
    auth_password_avp = modparam(str, "", parse=avp_name, help="AVP with the password or HA1 for that realm")

    def mod_init(self) -> None:
        names = (self.auth_realm_avp, self.auth_username_avp, self.auth_password_avp)
        if any(names) and not all(names):
            raise ConfigError("uac_auth: auth_realm_avp, auth_username_avp and auth_password_avp go together, define all three")
        self._avp_names: tuple[str, ...] = names if all(names) else ()
        self._secret = secrets.token_bytes(32)
        self._by_realm: dict[str, Credential] = {one.realm: one for one in self.credentials}

    def credential(self, realm: str, avps: dict[str, list[Any]] | None = None) -> Credential | None:
        """The credential for a realm: from AVPs, else from the parameters (the last one of a realm counts)."""
        if self._avp_names and avps is not None:
            found, user, password = (self._newest(avps, name) for name in self._avp_names)
            if found == realm and user and password:
                return Credential(user, realm, password)
        return self._by_realm.get(realm)

    @staticmethod
    def _newest(avps: dict[str, list[Any]], name: str) -> str:
        values = avps.get(name)
        return print_of(values[-1]) if values else ""

    def answer(
        self, response: Response, method: str, uri: str, body: str = "", *, avps: dict[str, list[Any]] | None = None,
        algorithms: tuple[str, ...] = (),
    ) -> str:
        """Header lines that answer a 401 or 407: of each realm we have a credential for the first challenge that we can do, since
        servers offer what they like best first (RFC 8760 2.4). What is no Digest, or of an unknown algorithm, is passed over."""
        names = _HEADERS.get(response.status_code)
        if names is None:
            return ""
        lines: dict[str, str] = {}
        for value in response.header_values(names[0]):
            try:
                challenge = parse_digest(value)
            except SipParseError as error:
                self.log.error("a challenge cannot be read: %s", error.message)
                continue
            realm = challenge.realm
            if not challenge.is_digest or realm is None or realm in lines:
                continue
            if algorithms and canonical_algorithm(challenge.algorithm) not in algorithms:
                continue
            credential = self.credential(realm, avps)
            line = self.line(response.status_code, challenge, credential, method, uri, body) if credential is not None else None
            if line is not None:
                lines[realm] = line
        return "".join(lines.values())

    def line(
        self, code: int, challenge: DigestFields, credential: Credential, method: str, uri: str, body: str = "",
    ) -> str | None:
        """The header line that answers one challenge; None when it cannot be answered."""
        algorithm = canonical_algorithm(challenge.algorithm)
        if algorithm is None:
            return None
        known = _HA1.match(credential.password)
        if known is None:
            ha1 = compute_ha1(algorithm.removesuffix("-sess"), credential.user, credential.realm, credential.password)
        elif len(known[1]) == hash_digits(algorithm):
            ha1 = known[1]
        else:
            return None  # the hash of another algorithm
        value = format_credentials(
            credential.user, ha1, challenge, method, uri, cnonce=self._cnonce(challenge.nonce or "", credential), body=body)
        return None if value is None else f"{_HEADERS[code][1]}: {value}\r\n"

    def _cnonce(self, nonce: str, credential: Credential) -> str:
        """Our nonce: digits, as OpenSIPS has it, the same for the same challenge, and nobody else can tell them beforehand."""
        text = f"{nonce}:{credential.realm}:{credential.user}".encode("latin-1", "replace")
        return str(int.from_bytes(hmac.digest(self._secret, text, "sha256")[:7], "big"))
