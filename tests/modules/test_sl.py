"""sl: replies without a transaction."""

from __future__ import annotations

import pytest

from engine.errors import ConfigErrors
from tests.helpers import Harness, make_request

HEAD = 'loadmodule "sl.so"\nloadmodule "sipmsgops.so"\n'


def test_tags_and_header_order() -> None:
    script = HEAD + """route {
        append_to_reply("X-R: 1\\r\\n"); sl_send_reply(100, "Trying"); sl_send_reply(180, "Ringing"); sl_send_reply(486, "Busy");
    }"""
    with Harness(script) as server:
        text = make_request("INVITE", headers="Record-Route: <sip:192.0.2.1;lr>\r\nTimestamp: 54\r\n")
        trying, ringing, busy = server.send(text)
        assert trying.header("To") == "<sip:bob@example.com>"
        assert ringing.header("To") == busy.header("To") and ";tag=" in busy.header("To")
        names = [line.partition(":")[0] for line in ringing.text.partition("\r\n\r\n")[0].split("\r\n")[1:]]
        assert names == ["Via", "Record-Route", "To", "From", "Call-ID", "CSeq", "X-R", "Server", "Content-Length"]
        assert busy.header("Record-Route") is None and busy.header("Timestamp") is None
        assert server.send(text)[2].header("To") == busy.header("To")
        stats = server.server.stats
        assert [stats.get(name).count for name in ("sl:1xx_replies", "sl:4xx_replies", "sl:sent_replies")] == [4, 2, 6]


def test_acks_to_own_replies_end_here() -> None:
    with Harness(HEAD + 'route { xlog("XL|$rm\\n"); sl_send_reply(480, "Gone"); xlog("XL|$retcode\\n"); }') as server:
        final, = server.send(make_request("INVITE"))
        tag = final.header("To").partition("tag=")[2]
        assert server.send(make_request("ACK", to_tag=tag)) == []
        assert server.xlog() == ["INVITE", "1"]
        assert server.send(make_request("ACK", to_tag="other")) == []
        assert server.xlog()[2:] == ["ACK", "1"]
        server.advance(3.0)
        server.send(make_request("ACK", to_tag=tag))
        assert server.xlog()[4:] == ["ACK", "1"]
        assert server.server.stats.get("sl:received_ACKs").count == 1


@pytest.mark.parametrize(("via", "port", "marks"), [
    ("SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKx", 5070, "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKx"),
    ("SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx", 9, "SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx"),
    ("SIP/2.0/UDP 192.0.2.1:9;rport;branch=z9hG4bKx", 5070,
     "SIP/2.0/UDP 192.0.2.1:9;received=127.0.0.1;rport=5070;branch=z9hG4bKx"),
    ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx", 5060, "SIP/2.0/UDP 192.0.2.1;received=127.0.0.1;branch=z9hG4bKx"),
])
def test_where_replies_go(via: str, port: int, marks: str) -> None:
    with Harness(HEAD + 'route { sl_send_reply(200, "OK"); }') as server:
        sent, = server.send(make_request("OPTIONS", via=via))
        assert (sent.ip, sent.port, sent.header("Via")) == ("127.0.0.1", port, marks)


def test_redirections_name_the_destinations() -> None:
    script = HEAD + """route {
        if ($rU == "new") { $ru = "sip:new@192.0.2.1"; $ru_q = 500; append_msg_branch("sip:b@192.0.2.2", "1.0"); }
        sl_send_reply(302, "Moved");
    }"""
    with Harness(script) as server:
        assert server.send(make_request("OPTIONS", "sip:new@example.com"))[0].header("Contact") == (
            "<sip:new@192.0.2.1>;q=0.5, <sip:b@192.0.2.2>;q=1")
        assert server.send(make_request("OPTIONS", "sip:old@example.com"))[0].header("Contact") is None


def test_signature_and_warning() -> None:
    route = HEAD + 'route { sl_send_reply(404, "No"); }'
    with Harness("server_signature=no\nsip_warning=yes\n" + route, preamble=True) as server:
        sent, = server.send(make_request("OPTIONS"))
        assert sent.header("Server") is None
        assert sent.header("Warning").startswith('392 127.0.0.1:5060 "Noisy feedback tells:  pid=')
        assert sent.header("Warning").endswith('in_uri=sip:bob@example.com out_uri=sip:bob@example.com via_cnt==1"')
    with Harness('server_header="Server: mine"\n' + route, preamble=True) as server:
        assert server.send(make_request("OPTIONS"))[0].header("Server") == "mine"


def test_errors_and_mistakes() -> None:
    with Harness(HEAD + "route { sl_reply_error(); }") as server:
        assert server.send(make_request("OPTIONS"))[0].first_line == "SIP/2.0 500 Server error occurred (1/SL)"
        assert server.send(make_request("OPTIONS", "mailto:x"))[0].first_line == "SIP/2.0 475 Bad URI (475/SL)"
    with pytest.raises(ConfigErrors):
        Harness(HEAD + 'route { sl_send_reply(99, "x"); }')
