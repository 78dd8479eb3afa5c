"""Whole scripts with push notification: waiting calls, messages and requests inside dialogs, on real tm."""

from __future__ import annotations

import re

from tests.helpers import Harness, Sent, make_reply, make_request

PN = "pn-provider=apns;pn-prid=P1;pn-param=Q"
PHONE = ("127.0.0.1", 5080)

SCRIPT = """
log_level=3
socket=udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "signaling.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "sipmsgops.so"
loadmodule "usrloc.so"
loadmodule "event_routing.so"
loadmodule "registrar.so"
modparam("registrar", "pn_enable", true)
modparam("registrar", "pn_enable_purr", true)
modparam("registrar", "pn_providers", "apns")
modparam("registrar", "pn_refresh_timeout", 5)

event_route[E_UL_CONTACT_REFRESH] {
    xlog("XL|push $param(reason) $(param(uri){uri.param,pn-prid})\\n");
    if ($param(aor) == "broken")
        pn_failed($(param(uri){uri.param,pn-prid}));
}

route {
    if (is_method("CANCEL")) {
        if (t_check_trans())
            t_relay();
        exit;
    }
    if (is_method("REGISTER")) {
        save("location");
        exit;
    }
    if (has_totag()) {
        if (!is_method("ACK"))
            async(pn_process_purr("location"), resumed);
        t_relay();
        exit;
    }
    record_route();
    if (is_method("ACK")) {
        t_relay();
        exit;
    }
    $var(rc) = lookup("location");
    xlog("XL|lookup $var(rc)\\n");
    if ($var(rc) < 0)
        send_reply(404, "Not Found");
    else if ($hdr(X-Relay) != NULL || $var(rc) == 1)
        t_relay();
}

route[resumed] {
    xlog("XL|resumed $rc $avp(uri)\\n");
    t_relay();
}
"""


def register(server: Harness, cseq: int, contact: str = f"sip:bob@127.0.0.1:5080;{PN}", user: str = "bob") -> Sent:
    """REGISTER of the phone; the 200, and what else it set off stays in server.sent."""
    text = make_request(
        "REGISTER", "sip:example.com", call_id=f"reg-{user}", cseq=cseq, branch=f"z9hG4bKr{user}{cseq}", port=PHONE[1],
        headers=f"Contact: <{contact}>\r\nExpires: 600\r\n",
    ).replace("To: <sip:bob@", f"To: <sip:{user}@")
    return next(sent for sent in server.send(text, PHONE) if " 200 OK" in sent.first_line)


def first_lines(sent: list[Sent]) -> list[str]:
    """Their request and status lines."""
    return [one.first_line for one in sent]


def test_one_invite_however_often_the_device_registers() -> None:
    with Harness(SCRIPT) as server:
        register(server, 1)
        invite = make_request("INVITE", call_id="c")
        assert first_lines(server.send(invite)) == ["SIP/2.0 100 Giving it a try"]
        server.sent.clear()
        register(server, 2)
        register(server, 3)
        calls = [sent for sent in server.sent if sent.first_line.startswith("INVITE")]
        assert first_lines(calls) == ["INVITE sip:bob@127.0.0.1:5080 SIP/2.0"]
        assert calls[0].header("Record-Route") is not None
        assert first_lines(server.send(make_reply(calls[0].text, 200, "OK"), PHONE)) == ["SIP/2.0 200 OK"]
        assert server.xlog() == ["lookup 2", "push ini-INVITE P1"]


def test_nobody_comes() -> None:
    with Harness(SCRIPT) as server:
        register(server, 1)
        server.send(make_request("INVITE", call_id="c"))
        server.send(make_request("MESSAGE", call_id="m"))
        assert server.advance(3.5) == []
        assert set(first_lines(server.advance(2))) == {"SIP/2.0 408 Request Timeout", "SIP/2.0 480 Temporarily Unavailable"}
        server.sent.clear()
        register(server, 2)
        assert not [line for line in first_lines(server.sent) if "sip:bob@127.0.0.1" in line]


def test_message_is_delivered_after_the_wake_up() -> None:
    with Harness(SCRIPT) as server:
        register(server, 1)
        assert server.send(make_request("MESSAGE", call_id="m", body="hello")) == []
        server.sent.clear()
        register(server, 2)
        message = server.sent[-1]
        assert message.first_line == "MESSAGE sip:bob@127.0.0.1:5080 SIP/2.0"
        assert message.text.endswith("\r\n\r\nhello")
        assert first_lines(server.send(make_reply(message.text, 200, "OK"), PHONE)) == ["SIP/2.0 200 OK"]


def test_relay_after_two_does_nothing() -> None:
    with Harness(SCRIPT) as server:
        register(server, 1)
        sent = server.send(make_request("INVITE", call_id="c", headers="X-Relay: 1\r\n"))
        assert first_lines(sent) == ["SIP/2.0 100 Giving it a try"]
        assert any("not relayed" in line for line in server.log)


def test_failed_push_ends_the_wait() -> None:
    with Harness(SCRIPT) as server:
        register(server, 1, user="broken")
        sent = server.send(make_request("INVITE", "sip:broken@example.com", call_id="c"))
        assert first_lines(sent) == ["SIP/2.0 100 Giving it a try", "SIP/2.0 480 Temporarily Unavailable"]


def test_request_inside_a_dialog_is_held() -> None:
    with Harness(SCRIPT) as server:
        found = re.search('pnspurr="([^"]+)"', register(server, 1).text)
        assert found is not None
        uri = f"sip:bob@127.0.0.1:5080;pn-purr={found[1]}"
        bye = make_request("BYE", uri, call_id="d", to_tag="b", cseq=2)
        assert server.send(bye) == []
        assert server.send(bye) == []
        server.sent.clear()
        register(server, 2, f"sip:bob@127.0.0.1:5080;ob;{PN}")
        assert server.sent[-1].first_line == f"BYE {uri} SIP/2.0"
        assert server.xlog() == ["push mid-BYE P1", "resumed 1 sip:bob@127.0.0.1:5080;ob"]


def test_cancel_of_a_held_request_is_answered_at_once() -> None:
    with Harness(SCRIPT) as server:
        found = re.search('pnspurr="([^"]+)"', register(server, 1).text)
        assert found is not None
        uri = f"sip:bob@127.0.0.1:5080;pn-purr={found[1]}"
        invite = make_request("INVITE", uri, call_id="d", to_tag="b", cseq=2, branch="z9hG4bKi")
        assert first_lines(server.send(invite)) == ["SIP/2.0 100 Giving it a try"]
        cancel = make_request("CANCEL", uri, call_id="d", to_tag="b", cseq=2, branch="z9hG4bKi")
        assert sorted(first_lines(server.send(cancel))) == ["SIP/2.0 200 canceling", "SIP/2.0 487 Request Terminated"]
        server.send(make_request("ACK", uri, call_id="d", to_tag="b", cseq=2, branch="z9hG4bKi"))
        server.sent.clear()
        register(server, 2)
        server.advance(6)
        assert first_lines(server.sent) == ["SIP/2.0 200 OK"]
        assert "resumed" not in "".join(server.xlog())
