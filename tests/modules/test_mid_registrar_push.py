"""mid_registrar with push notification: what is promised on both sides, and that a woken device is called once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Harness, Sent, make_reply, make_request
from tests.modules.midreg_parts import BOB, CORE, DESK, Middle, contact_uri

PN = "pn-provider=apns;pn-prid=P;pn-param=Q"
PHONE = f"<sip:bob@127.0.0.1:5090;{PN}>"
PROMISE = '+sip.pns="apns";+sip.pnsreg="130"'
PROXY = Path(__file__).parents[2] / "scripts" / "pn_proxy.cfg"


def middle(**params: Any) -> Middle:
    """A mid_registrar with push notification."""
    return Middle(pn_enable=1, pn_providers="apns, fcm", **params)


def caps(sent: Sent) -> list[str]:
    """Values of the Feature-Caps lines of a message."""
    return re.findall("Feature-Caps: (.*)\r\n", sent.text)


def invites(sent: list[Sent]) -> list[tuple[int, str]]:
    """Port and Request-URI of the INVITEs among messages."""
    return [(one.port, one.first_line.split()[1]) for one in sent if one.text.startswith("INVITE")]


@pytest.mark.parametrize(("contact", "header", "upstream", "downstream"), [
    (PHONE, "", ['+sip.pns="apns"'], [PROMISE]),
    ("<sip:bob@127.0.0.1:5090;pn-provider>", "", ['+sip.pns="apns"', '+sip.pns="fcm"'], ['+sip.pns="apns"', '+sip.pns="fcm"']),
    ("<sip:bob@127.0.0.1:5090;pn-provider=fcm>", "", ['+sip.pns="fcm"'], ['+sip.pns="fcm"']),
    (PHONE, 'Feature-Caps: *;+sip.pns="apns"', ['*;+sip.pns="apns"'], []),
    (PHONE, 'Feature-Caps: *;+sip.pns="fcm"', ['*;+sip.pns="fcm"', '+sip.pns="apns"'], [PROMISE]),
    ("<sip:bob@127.0.0.1:5090>", "", [], []),
])
def test_promises(contact: str, header: str, upstream: list[str], downstream: list[str]) -> None:
    with middle() as server:
        passed, reply = server.through(contact, *([header] if header else []))
        assert "pn-" not in (passed.header("Contact") or "")
        assert (caps(passed), caps(reply)) == (upstream, downstream)
        assert contact.split(";")[0] in (reply.header("Contact") or "")


@pytest.mark.parametrize("contact", [
    "<sip:b@127.0.0.1:5090;pn-provider=acme;pn-prid=P;pn-param=Q>", "<sip:b@127.0.0.1:5090;pn-provider=apns;pn-prid=P>",
])
def test_unsupported_is_answered_here(contact: str) -> None:
    with middle() as server:
        server.through("<sip:other@127.0.0.1:5091>", source=DESK)
        reply, = server.register(contact, user="b")
        assert reply.first_line == "SIP/2.0 555 Push Notification Service Not Supported"
        assert (reply.port, reply.header("Contact"), caps(reply), server.xlog()[-1]) == (BOB[1], None, [], "save -1")


def test_no_promise_without_the_registrar_behind() -> None:
    with middle() as server:
        passed, = server.register(PHONE)
        reply, = server.granted(passed, code=403)
        assert caps(reply) == [] and server.stored() == []


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_one_invite_after_the_2xx(mode: int) -> None:
    """A challenge, a repeat and a second registration in between: the device is called once, when it is registered."""
    with middle(mode=mode, pn_refresh_timeout=30) as server:
        passed, _ = server.through(PHONE, expires=3000)
        server.advance(2000)
        assert invites(server.invite(contact_uri(passed))) == []
        assert server.xlog()[-2:] == ["lookup 2", "push ini-INVITE"]
        challenged, = server.register(PHONE, expires=3000)
        assert challenged.port == CORE[1]
        assert invites(server.granted(challenged, code=401)) == []
        again, = server.register(PHONE, "Authorization: Digest response", expires=3000)
        sent = server.granted(again)
        assert [one.port for one in sent] == [BOB[1], BOB[1]]
        assert invites(sent) == [(BOB[1], "sip:bob@127.0.0.1:5090")]
        more = server.register(PHONE, expires=3000)
        if more[0].port == CORE[1]:
            more += server.granted(more[0])
        assert invites(more) == []


@pytest.mark.parametrize("mode", [1, 2])
def test_absorbed_refresh_brings_the_call_at_once(mode: int) -> None:
    with middle(mode=mode) as server:
        passed, _ = server.through(PHONE)
        server.invite(contact_uri(passed))
        sent = server.register(PHONE)
        assert [one.port for one in sent] == [BOB[1], BOB[1]] and caps(sent[0]) == [PROMISE]
        assert invites(sent) == [(BOB[1], "sip:bob@127.0.0.1:5090")]
        assert invites(server.register(PHONE)) == []


def test_moved_device_keeps_its_contact_behind() -> None:
    with middle() as server:
        passed, _ = server.through(PHONE)
        moved, _ = server.through(f"<sip:robert@127.0.0.1:5092;{PN}>", call_id="new")
        assert contact_uri(moved).partition("ctid=")[2] == contact_uri(passed).partition("ctid=")[2]
        assert server.stored() == [f"sip:robert@127.0.0.1:5092;{PN}"]


def test_nobody_wakes_up() -> None:
    with middle(pn_refresh_timeout=4) as server:
        passed, _ = server.through(PHONE)
        server.invite(contact_uri(passed))
        final = [one.first_line for one in server.advance(5) if one.port == CORE[1]]
        assert final[:1] == ["SIP/2.0 408 Request Timeout"]


# ---- scripts/pn_proxy.cfg


class Proxy(Harness):
    """The push proxy as delivered; the registrar behind is where the script looks for it by itself."""

    def __init__(self) -> None:
        super().__init__(PROXY.read_text(encoding="latin-1"))

    def register(self, contact: str, *headers: str, cseq: int = 1) -> list[Sent]:
        """A REGISTER of the phone."""
        lines = (
            "REGISTER sip:example.com SIP/2.0", f"Via: SIP/2.0/UDP 127.0.0.1:{BOB[1]};branch=z9hG4bKr{cseq}", "Max-Forwards: 70",
            "From: <sip:bob@example.com>;tag=r", "To: <sip:bob@example.com>", "Call-ID: reg", f"CSeq: {cseq} REGISTER",
            f"Contact: {contact}", "Expires: 600", *headers, "Content-Length: 0",
        )
        return self.send("\r\n".join(lines) + "\r\n\r\n", BOB)

    def accept(self, passed: Sent) -> list[Sent]:
        """The registrar behind says yes."""
        assert passed.port == CORE[1]
        return self.send(make_reply(passed.text, 200, headers=f"Contact: {passed.header('Contact')}\r\n"), CORE)


def test_proxy_wakes_a_phone_for_call_and_bye() -> None:
    with Proxy() as server:
        passed, = server.register(PHONE)
        reply, = server.accept(passed)
        purr = re.search('pnspurr="([^"]+)"', reply.text)
        assert purr is not None and caps(passed) == ['+sip.pns="apns"']
        call = make_request("INVITE", contact_uri(passed), call_id="call", port=CORE[1],
                            headers=f"Contact: <sip:core@127.0.0.1:{CORE[1]}>\r\n")
        assert [one.first_line for one in server.send(call, CORE)] == ["SIP/2.0 100 Giving it a try"]
        refreshed, = server.register(PHONE, cseq=2)
        _, invite = server.accept(refreshed)
        assert invite.first_line == "INVITE sip:bob@127.0.0.1:5090 SIP/2.0"
        contact = f"sip:bob@127.0.0.1:5090;pn-purr={purr[1]}"
        answer, = server.send(make_reply(invite.text, 200, headers=f"Contact: <{contact}>\r\n"), BOB)
        route = f"Route: {answer.header('Record-Route')}\r\n"
        ack, = server.send(make_request("ACK", contact, call_id="call", branch="z9hG4bKack", to_tag="b1", headers=route,
                                        port=CORE[1]), CORE)
        assert ack.port == BOB[1]
        bye = make_request("BYE", contact, call_id="call", cseq=2, branch="z9hG4bKbye", to_tag="b1", headers=route, port=CORE[1])
        assert server.send(bye, CORE) == []
        moved, = server.register(f"<sip:bob@127.0.0.1:5092;{PN}>", cseq=3)
        _, got = server.accept(moved)
        assert (got.first_line, got.port) == ("BYE sip:bob@127.0.0.1:5092 SIP/2.0", 5092)


def test_proxy_sends_what_phones_ask_to_the_registrar_only() -> None:
    with Proxy() as server:
        invite = server.send(make_request("INVITE", "sip:alice@elsewhere.example", call_id="out", port=BOB[1]), BOB)[-1]
        assert invite.port == CORE[1] and ";dlg=" in (invite.header("Record-Route") or "")


@pytest.mark.parametrize(("uri", "headers", "to_tag", "status"), [
    ("sip:bob@127.0.0.1:5060;ctid=1", "", "", 403),
    ("sip:bob@127.0.0.1:5060", "", "", 403),
    ("sip:victim@192.0.2.1", "Route: <sip:127.0.0.1:5060;lr>\r\n", "x", 404),
    ("sip:victim@192.0.2.1", "Route: <sip:127.0.0.1:5060;lr;dlg=0123>\r\n", "x", 404),
    ("sip:victim@192.0.2.1", "", "x", 404),
    ("sip:victim@192.0.2.1", "Route: <sip:127.0.0.1:5060;lr>, <sip:192.0.2.2;lr>\r\n", "", 403),
])
def test_proxy_is_no_open_relay(uri: str, headers: str, to_tag: str, status: int) -> None:
    with Proxy() as server:
        sent = server.send(make_request("INVITE", uri, headers=headers, to_tag=to_tag, port=BOB[1]), BOB)
        assert {one.port for one in sent} == {BOB[1]} and sent[-1].first_line.split()[1] == str(status)


def test_proxy_answers_the_registrar_for_phones_it_does_not_know() -> None:
    with Proxy() as server:
        sent = server.send(make_request("INVITE", "sip:bob@127.0.0.1:5060;ctid=1", port=CORE[1]), CORE)
        assert sent[-1].first_line == "SIP/2.0 404 Not Found"
