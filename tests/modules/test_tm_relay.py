"""tm: making transactions, absorbing, relaying, ACK, CANCEL."""

from __future__ import annotations

import gc

import pytest

from tests.helpers import make_reply, make_request
from tests.modules.tm_parts import BOB, CAROL, SOURCE, Calls, lines


def test_a_call_and_its_retransmissions() -> None:
    with Calls('t_relay(); xlog("XL|$rm rc=$retcode\\n");') as server:
        trying, invite = server.invite()
        assert (trying.first_line, trying.port) == ("SIP/2.0 100 Giving it a try", 5070)
        assert invite.text.count("Via:") == 2 and invite.header("Via").startswith("SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK")
        assert lines(server.invite()) == ["5070 100 Giving it a try"]
        assert server.answer(invite, 100) == []
        ringing, = server.answer(invite, 180)
        assert ringing.text.count("Via:") == 1
        assert lines(server.invite()) == ["5070 180 Reason"]
        assert lines(server.answer(invite, 200)) == ["5070 200 Reason"]
        ack = make_request("ACK", f"sip:bob@{BOB}", branch="z9hG4bK-ack", to_tag="b1")
        first, = server.send(ack, SOURCE)
        second, = server.send(ack, SOURCE)
        assert first.text == second.text and first.header("Via") != invite.header("Via")
        assert server.xlog() == ["INVITE rc=1"] * 3 + ["ACK rc=1"] * 2


def test_transactions_end_and_leave_nothing() -> None:
    with Calls("t_on_failure(\"f\"); t_relay();", 'failure_route[f] { t_reply(480, "Gone"); }') as server:
        def one(number: int) -> None:
            _, invite = server.invite(call_id=f"call-{number}")
            *_, busy = server.answer(invite, 486)
            server.ack(busy, call_id=f"call-{number}")

        for number in range(20):
            one(number)
        server.advance(10.0)
        assert not server.transactions and not server.tm.table.branches
        gc.collect()
        before = len(gc.get_objects())
        for number in range(100):
            one(number)
        assert len(server.transactions) == 100
        server.sent.clear()
        server.advance(10.0)
        server.log.clear()
        assert not server.transactions
        # No cycle is left for the garbage collector.
        assert gc.collect() < 100
        assert len(gc.get_objects()) < before + 100


def test_retransmissions_and_timeout_in_virtual_time() -> None:
    params = 'modparam("tm", "fr_timeout", 3) modparam("tm", "T1_timer", 200) modparam("tm", "T2_timer", 500)'
    with Calls("t_relay();", params=params) as server:
        server.invite()
        sent = server.advance(4.0)
        assert [one.port for one in sent].count(5090) == 6
        final = next(one for one in sent if one.port == 5070)
        assert final.first_line == "SIP/2.0 408 Request Timeout" and "tag=" in final.header("To")
        server.ack(final)
        assert server.advance(3.0) == []
        assert server.server.stats.get("timeout_finalresponse").count == 1


def test_requests_without_a_future_vanish() -> None:
    with Calls("t_newtran();") as server:
        assert lines(server.invite()) == ["5070 100 Giving it a try"]
        assert len(server.transactions) == 1
        assert server.advance(6.0) == []
        assert server.transactions == []


@pytest.mark.parametrize(("uri", "reply", "code"), [
    ("sip:x@no-such.invalid", "476 Unresolvable destination (476/TM)", -4),
    ("tel:+123", "476 Unresolvable destination (476/TM)", -4),
    ("sip:[2001:db8::1]", "500 Server error occurred (7/TM)", -6),
    ("sip:x@127.0.0.1;transport=tls", "500 Server error occurred (7/TM)", -6),
])
def test_what_cannot_be_sent(uri: str, reply: str, code: int) -> None:
    script = 'if (is_method("INFO")) t_relay(); else t_relay("no-auto-477"); xlog("XL|rc=$retcode\\n");'
    with Calls(script) as server:
        assert lines(server.send(make_request("INFO", uri, call_id="one"), SOURCE)) == [f"5070 {reply}"]
        assert server.send(make_request("MESSAGE", uri, call_id="two"), SOURCE) == []
        assert server.xlog() == ["rc=1", f"rc={code}"]


def test_missing_headers_give_nothing() -> None:
    with Calls('t_relay(); xlog("XL|rc=$retcode\\n");') as server:
        text = "\r\n".join(line for line in make_request("INFO").split("\r\n") if not line.startswith("From"))
        assert server.send(text, SOURCE) == []
        assert server.xlog() == ["rc=-1"]


def test_cancel_of_a_ringing_call() -> None:
    with Calls("t_relay();") as server:
        _, invite = server.invite()
        server.answer(invite, 180)
        done, cancel = server.cancel()
        assert done.first_line == "SIP/2.0 200 canceling"
        assert cancel.header("Via") == invite.header("Via") and cancel.header("CSeq") == "1 CANCEL"
        assert cancel.header("Reason") == 'SIP;cause=487;text="ORIGINATOR_CANCEL"'
        assert server.answer(cancel, 200) == []
        assert lines(server.answer(invite, 487)) == [f"5090 ACK sip:bob@{BOB}", "5070 487 Reason"]


def test_cancel_waits_for_the_first_reply() -> None:
    with Calls("t_relay();") as server:
        _, invite = server.invite()
        assert lines(server.cancel()) == ["5070 200 canceling"]
        cancel, = server.answer(invite, 100)
        assert cancel.first_line.startswith("CANCEL") and cancel.header("Reason") is None
        assert lines(server.advance(1.0)) == [f"5090 CANCEL sip:bob@{BOB}"]


def test_cancel_of_nothing_is_relayed() -> None:
    with Calls('t_check_trans(); xlog("XL|$retcode\\n"); t_relay();') as server:
        relayed, = server.cancel()
        assert relayed.text.count("Via:") == 2
        assert lines(server.answer(relayed, 481)) == ["5070 481 Reason"]
        assert server.xlog() == ["-1"]


def test_streams() -> None:
    head = 'loadmodule "proto_tcp.so"\nsocket=tcp:127.0.0.1:5060\n'
    with Calls("t_relay();", head=head) as server:
        text = make_request("INFO", f"sip:bob@{BOB};transport=tcp", via="SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bK-s")
        relayed, = server.send(text.replace("Content-Length: 0\r\n", ""), ("127.0.0.1", 40000), proto="tcp")
        assert (relayed.proto, relayed.header("Content-Length")) == ("tcp", "0")
        assert ";i=" in relayed.header("Via")
        assert server.advance(3.0) == []
        sock = server.server.sockets.first("tcp")
        assert sock is not None
        back, = server.send(make_reply(relayed.text, 200), ("127.0.0.1", 5090), proto="tcp")
        assert (back.proto, back.port) == ("tcp", 40000)


def test_replication_keeps_replies_here() -> None:
    with Calls(f't_replicate("sip:{CAROL}");') as server:
        copy, = server.send(make_request("REGISTER", "sip:example.com"), SOURCE)
        assert (copy.port, copy.first_line) == (5091, "REGISTER sip:example.com SIP/2.0")
        assert server.answer(copy, 200) == []
        assert server.advance(10.0) == [] and not server.transactions


def test_the_placeholder_of_lookup_is_not_relayed_over() -> None:
    with Calls("t_relay();") as server:
        server.tm.register("created", lambda transaction, ctx: transaction.slots.update(pn_waiting=True))
        assert len(server.invite()) == 2
    with Calls('t_newtran(); t_relay(); xlog("XL|$retcode\\n");') as server:
        server.tm.register("created", lambda transaction, ctx: transaction.slots.update(pn_waiting=True))
        assert lines(server.invite()) == ["5070 100 Giving it a try"]
        assert server.xlog() == ["1"]


def test_syn_branch_survives_a_restart() -> None:
    branches = []
    for _ in range(2):
        with Calls("t_relay();", params='modparam("tm", "syn_branch", 0)') as server:
            _, invite = server.invite()
            branches.append(invite.header("Via").rpartition("=")[2].split(".")[1])
            assert lines(server.answer(invite, 200)) == ["5070 200 Reason"]
    assert branches[0] == branches[1]
