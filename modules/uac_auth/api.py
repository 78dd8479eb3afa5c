"""What other modules may use of uac_auth: wants("uac_auth") gives an object of this shape, or None.

    lines = self.uac_auth.answer(response, "REGISTER", uri)
    if lines:
        ...                          # send the request again with these header lines and the next CSeq number
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from engine.sip.digest import DigestFields
from engine.sip.message import Response


class Credential(NamedTuple):
    """What a realm knows us by."""

    user: str
    realm: str
    password: str
    """Or "0x" and an HA1 in lower-case hex: 32 digits for MD5, 64 for the SHA algorithms."""


class UacAuth(Protocol):
    """The uac_auth module."""

    def credential(self, realm: str, avps: dict[str, list[Any]] | None = None) -> Credential | None:
        """The credential for a realm: from the AVPs of a run (auth_*_avp), else from the credential parameters."""

    def answer(
        self, response: Response, method: str, uri: str, body: str = "", *, avps: dict[str, list[Any]] | None = None,
        algorithms: tuple[str, ...] = (),
    ) -> str:
        """Header lines (Authorization or Proxy-Authorization, one for each realm) that answer a 401 or 407; "" when none of its
        challenges can be answered. method, uri and body are those of the request as it will be sent. algorithms: the only
        ones to be used (canonical spelling), () for all. Raises SipParseError when the reply cannot be read."""

    def line(
        self, code: int, challenge: DigestFields, credential: Credential, method: str, uri: str, body: str = "",
    ) -> str | None:
        """The header line that answers one challenge; None when it cannot be answered. code: 401 or 407."""
