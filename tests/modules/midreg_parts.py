"""What the tests of mid_registrar share: a script on wires between phones and the registrar behind."""

from __future__ import annotations

import re
from typing import Any

from tests.helpers import Harness, Sent, make_reply, make_request

CORE = ("127.0.0.1", 5080)
BOB, DESK = ("127.0.0.1", 5090), ("127.0.0.1", 5091)
HERE = "127.0.0.1:5060"

SCRIPT = """
loadmodule "signaling.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "sipmsgops.so"
loadmodule "usrloc.so"
modparam("usrloc", "timer_interval", 1)
%(usrloc)s
loadmodule "event_routing.so"
loadmodule "mid_registrar.so"
%(params)s
route {
    if (is_method("REGISTER")) {
        %(before)s
        mid_registrar_save("location"%(save)s);
        $var(rc) = $retcode;
        xlog("XL|save $var(rc)\\n");
        if ($var(rc) == 1) {
            $du = "sip:127.0.0.1:5080";
            t_relay();
        }
        exit;
    }
    if (is_method("ACK|CANCEL")) {
        t_relay();
        exit;
    }
    mid_registrar_lookup("location"%(lookup)s);
    $var(rc) = $retcode;
    xlog("XL|lookup $var(rc)\\n");
    if ($var(rc) == 1)
        t_relay();
    else if ($var(rc) < 0)
        t_reply(404, "Not Found");
}
event_route[E_UL_CONTACT_REFRESH] { xlog("XL|push $param(reason)\\n"); }
event_route[E_UL_CONTACT_INSERT] { xlog("XL|insert $param(uri)\\n"); }
event_route[E_UL_CONTACT_UPDATE] { xlog("XL|update $param(uri)\\n"); }
event_route[E_UL_CONTACT_DELETE] { xlog("XL|delete $param(uri)\\n"); }
"""


class Middle(Harness):
    """A mid_registrar. params: of the module by name; those of usrloc in `usrloc`; save, lookup: further arguments of the
    functions as text; before: statements in front of mid_registrar_save()."""

    def __init__(
        self, *, usrloc: dict[str, Any] | None = None, save: str = "", lookup: str = "", before: str = "", **params: Any,
    ) -> None:
        super().__init__(SCRIPT % {
            "usrloc": _lines("usrloc", usrloc or {}), "params": _lines("mid_registrar", params), "save": save, "lookup": lookup,
            "before": before,
        }, preamble=True)
        self.cseq = 0
        self.calls = 0

    def register(
        self, contact: str | None, *headers: str, source: tuple[str, int] = BOB, call_id: str = "", cseq: int | None = None,
        expires: int | None = 600, user: str = "bob", branch: str = "",
    ) -> list[Sent]:
        """Send a REGISTER; what goes out."""
        self.cseq += 1
        cseq = self.cseq if cseq is None else cseq
        call_id = call_id or f"reg-{source[1]}"
        lines = [
            "REGISTER sip:example.com SIP/2.0",
            f"Via: SIP/2.0/UDP {source[0]}:{source[1]};branch=z9hG4bK{branch or f'{call_id}-{self.cseq}'}", "Max-Forwards: 70",
            f"From: <sip:{user}@example.com>;tag=r", f"To: <sip:{user}@example.com>", f"Call-ID: {call_id}",
            f"CSeq: {cseq} REGISTER", *([f"Contact: {contact}"] if contact is not None else []),
            *([f"Expires: {expires}"] if expires is not None else []), *headers, "Content-Length: 0",
        ]
        return self.send("\r\n".join(lines) + "\r\n\r\n", source)

    def granted(self, sent: Sent, *, expires: int | None = None, code: int = 200, contacts: str | None = None) -> list[Sent]:
        """The registrar behind answers a REGISTER with the contacts it was given; what goes out."""
        shown = sent.header("Contact") or ""
        header = sent.header("Expires")
        if contacts is None and "expires=0" not in shown and header != "0" and shown != "*":
            bare = re.sub(";expires=[0-9]+", "", shown)
            lifetime = expires or (re.search("expires=([0-9]+)", shown) or [0, header])[1]
            contacts = ", ".join(f"{one.strip()};expires={lifetime}" for one in bare.split(","))
        line = f"Contact: {contacts}\r\n" if contacts and code == 200 else ""
        return self.send(make_reply(sent.text, code, headers=line), CORE)

    def through(self, contact: str | None, *headers: str, expires_out: int | None = None, **more: Any) -> tuple[Sent, Sent]:
        """A REGISTER that must go on and is accepted: what the registrar behind got, and the phone."""
        passed, = self.register(contact, *headers, **more)
        assert passed.port == CORE[1], passed.first_line
        reply, *_ = self.granted(passed, expires=expires_out)
        return passed, reply

    def absorbed(self, contact: str | None, *headers: str, **more: Any) -> Sent:
        """A REGISTER that must be answered here: the reply."""
        reply, *_ = self.register(contact, *headers, **more)
        assert reply.first_line == "SIP/2.0 200 OK"
        return reply

    def invite(self, uri: str) -> list[Sent]:
        """A call from the registrar behind; what goes out."""
        self.calls += 1
        return self.send(make_request("INVITE", uri, call_id=f"call-{self.calls}", port=CORE[1]), CORE)

    def stored(self, aor: str = "bob") -> list[str]:
        """Contact URIs of an AoR, in order."""
        record = self.module.table("location").get(aor)
        return [] if record is None else [contact.contact for contact in record.contacts]

    @property
    def module(self) -> Any:
        """The module's instance."""
        return self.server.registry.modules["mid_registrar"]


def _lines(module: str, params: dict[str, Any]) -> str:
    return "\n".join(
        f'modparam("{module}", "{name}", {value})' if isinstance(value, int) else f'modparam("{module}", "{name}", "{value}")'
        for name, value in params.items()
    )


def contact_uri(sent: Sent) -> str:
    """The first Contact URI of a message."""
    found = re.search("<([^>]+)>", sent.header("Contact") or "")
    assert found is not None
    return found[1]
