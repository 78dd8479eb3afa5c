"""engine.server.receive: the life of requests and replies, through a whole script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.server.receive import reversed_hex
from tests.helpers import Harness, make_reply, make_request

TOP = f"""
log_level=3
mpath="{Path(__file__).parent}"
socket=udp:127.0.0.1:5060
socket=udp:127.0.0.1:5062
socket=tcp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "proto_tcp.so"
loadmodule "answering.so"
"""


def running(script: str) -> Harness:
    return Harness(TOP + script)


def diary(harness: Harness) -> list[str]:
    module: Any = harness.server.registry.modules["answering"]
    return [line for line in module.diary if line != "child_init"]


def count(harness: Harness, name: str) -> int:
    found = harness.server.stats.get(name)
    assert found is not None
    return found.count


def test_a_request_runs_the_route() -> None:
    with running('route { note("$rm $ru $si $sp"); answer(200); }') as server:
        sent, = server.send(make_request("MESSAGE"), ("127.0.0.1", 5071))
        assert sent.first_line == "SIP/2.0 200 OK"
        assert (sent.ip, sent.port, sent.socket) == ("127.0.0.1", 5071, "udp:127.0.0.1:5060")
        assert diary(server) == ["MESSAGE sip:bob@example.com 127.0.0.1 5071", "post"]
        assert count(server, "rcv_requests") == 1
        sent, = server.send(make_request(), to="udp:127.0.0.1:5062")
        assert sent.socket == "udp:127.0.0.1:5062"


def test_streams_answer_on_their_connection() -> None:
    with running("route { answer(200); }") as server:
        sent, = server.send(make_request(via="SIP/2.0/TCP 127.0.0.1:5099;branch=z9hG4bK-1"), ("127.0.0.1", 40000), proto="tcp")
        assert (sent.proto, sent.port, sent.connection) == ("tcp", 40000, 1)


def test_callbacks_can_swallow() -> None:
    with running("route { answer(200); }") as server:
        assert server.send(make_request(call_id="swallowed")) == []
        assert diary(server) == []
        assert count(server, "drop_requests") == 1


def test_no_via_no_route() -> None:
    with running('route { note("ran"); } error_route { note("error"); }') as server:
        assert server.send(make_request().replace("Via:", "X-Via:")) == []
        assert diary(server) == []
        assert (count(server, "rcv_requests"), count(server, "err_requests")) == (1, 1)
        assert server.send(make_reply(make_request(), 200).replace("Via:", "X-Via:")) == []
        assert (count(server, "rcv_replies"), count(server, "err_replies")) == (1, 1)


@pytest.mark.parametrize(("old", "new", "reason"), [
    ("CSeq: 1 OPTIONS", "CSeq: 1", "bad CSeq header"),
    ("Content-Length: 0", "Content-Length: -7", "bad Content-Length header"),
    ("SIP/2.0/UDP", "SIP/7.0/UDP", "bad Via header"),
    ("To: <sip:bob@example.com>", 'To: "bob <sip:bob@example.com>', "bad header"),
])
def test_broken_headers_run_the_error_route_only(old: str, new: str, reason: str) -> None:
    with running('route { note("ran"); } error_route { note("$(err.class) $(err.rcode) $(err.rreason)"); }') as server:
        assert server.send(make_request().replace(old, new)) == []
        assert diary(server) == [f"1 400 {reason}"]
        assert count(server, "bad_msg_hdr") == 1


def test_what_is_not_sip_is_dropped() -> None:
    with running('route { note("ran"); } error_route { note("error"); }') as server:
        for junk in ("hello world, this is no SIP message\r\n\r\n", make_request().replace(" SIP/2.0", " extra SIP/2.0", 1), "\x00" * 40):
            assert server.send(junk) == []
        assert diary(server) == []
        assert sum("unable to parse" in line for line in server.log) == 3


def test_an_unexpected_error_is_logged_and_the_server_goes_on() -> None:
    with running('route { fail(); note("went on $rc"); answer(200); }') as server:
        sent, = server.send(make_request())
        assert sent.first_line == "SIP/2.0 200 OK"
        assert diary(server)[0] == "went on -1"
        assert any("broken on purpose" in line for line in server.log)


def test_a_waiting_run_does_not_hold_others_up() -> None:
    with running("""
        route { $var(x) = $ci; if ($ci == "first") { slow(20); note("rc $rc"); } note("$ci is $var(x)"); answer(200); }
    """) as server:
        loop_calls = []
        server.server.defer(lambda: loop_calls.append(server.send))
        import asyncio

        async def both() -> None:
            socket = server.server.sockets.all[0]
            for name in ("first", "second"):
                data = make_request(call_id=name).encode()
                server.server.workers.run(
                    lambda data=data: server.server.receiver.receive(data, "127.0.0.1", 5070, socket, None))  # type: ignore[misc]
            while len(server.sent) < 2:
                await asyncio.sleep(0.001)

        server.loop.run_until_complete(asyncio.wait_for(both(), 5))
        assert [line for line in diary(server) if "post" not in line] == ["second is second", "rc 7", "first is first"]


REPLY = make_reply(make_request(via="SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKown\r\nVia: SIP/2.0/UDP 10.0.0.9:5099;branch=z9hG4bK-2"), 200)


def test_replies_go_to_the_second_via_when_forward_is_used() -> None:
    with running("route { forward(); }") as server:
        sent, = server.send(REPLY)
        assert (sent.ip, sent.port) == ("10.0.0.9", 5099)
        assert sent.header("Via") == "SIP/2.0/UDP 10.0.0.9:5099;branch=z9hG4bK-2"
        assert count(server, "fwd_replies") == 1
        sent, = server.send(REPLY.replace(":5099;", ":5099;received=10.0.0.8;rport=5098;"))
        assert (sent.ip, sent.port) == ("10.0.0.8", 5098)
        sent, = server.send(REPLY.replace("200 Reason", "503 Busy"))
        assert sent.first_line == "SIP/2.0 500 Busy"
        assert server.send(make_reply(make_request(), 200)) == []
        assert count(server, "err_replies") == 1


def test_replies_of_nobody_vanish_otherwise() -> None:
    with running("route { answer(200); }") as server:
        assert server.send(REPLY) == []
    with running("disable_stateless_fwd=no route { answer(200); }") as server:
        assert len(server.send(REPLY)) == 1
    with running("disable_stateless_fwd=yes route { forward(); }") as server:
        assert server.send(REPLY) == []


def test_the_owner_of_a_reply_keeps_it() -> None:
    with running("route { forward(); }") as server:
        assert server.send(REPLY.replace("call-1", "claimed")) == []
        assert diary(server) == ["response 200"]


def test_onreply_route_sees_all_and_drops_provisional_ones() -> None:
    with running('route { forward(); } onreply_route { note("$rs"); drop; }') as server:
        assert server.send(REPLY.replace("200 Reason", "183 Reason")) == []
        assert count(server, "drop_replies") == 1
        assert len(server.send(REPLY)) == 1
        assert diary(server) == ["183", "200", "response 200"]


def test_check_via() -> None:
    with running("check_via=yes route { forward(); }") as server:
        assert len(server.send(REPLY)) == 1
        assert server.send(REPLY.replace("127.0.0.1:5060;branch=z9hG4bKown", "127.0.0.1:5061;branch=z9hG4bKown")) == []


def test_reversed_hex() -> None:
    assert reversed_hex("1f") == 0xF1
    assert reversed_hex("xyz") == reversed_hex("") == reversed_hex(None) == 0
