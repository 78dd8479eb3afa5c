"""tm: several branches, the choice among replies, failure and reply routes, failover."""

from __future__ import annotations

import pytest

from engine.transport.address import Target
from modules.tm.replies import rank
from tests.helpers import make_request
from tests.modules.tm_parts import BOB, CAROL, DAVE, SOURCE, Calls, lines

FORK = f'append_msg_branch("sip:two@{CAROL}"); append_msg_branch("sip:three@{DAVE}");'


def test_order_of_ranks() -> None:
    order = [603, 302, 401, 407, 415, 420, 484, 404, 486, 487, 500, 502, 408, 503]
    assert sorted(order, key=lambda code: rank(code, False)) == order
    assert rank(487, True) < rank(603, True)


def test_the_first_2xx_wins_and_late_ones_pass() -> None:
    with Calls(FORK + "t_relay();") as server:
        _, one, two, three = server.invite()
        server.answer(one, 180)
        out = server.answer(two, 200)
        assert lines(out) == ["5070 200 Reason", f"5090 CANCEL sip:bob@{BOB}"]
        assert out[1].header("Reason") == 'SIP ;cause=200 ;text="Call completed elsewhere"'
        late = server.answer(three, 180)
        assert lines(late) == [f"5092 CANCEL sip:three@{DAVE}"]
        assert lines(server.answer(three, 200)) == ["5070 200 Reason"]
        assert lines(server.answer(one, 487)) == [f"5090 ACK sip:bob@{BOB}"]


@pytest.mark.parametrize(("codes", "best"), [
    ((404, 407, 401), 401), ((486, 503, 408), 486), ((500, 302, 404), 302), ((404, 404, 404), 404),
])
def test_the_best_negative_reply_goes_back(codes: tuple[int, ...], best: int) -> None:
    with Calls(FORK + "t_relay();") as server:
        branches = server.invite()[1:]
        for branch, code in zip(branches[:2], codes[:2], strict=True):
            assert len(server.answer(branch, code)) == 1
        assert server.answer(branches[2], codes[2], to_tag="t")[-1].first_line == f"SIP/2.0 {best} Reason"


def test_503_becomes_500() -> None:
    for setting, code in (("", 500), ("disable_503_translation=yes\n", 503)):
        with Calls("t_relay();", head=setting) as server:
            _, invite = server.invite()
            assert server.answer(invite, 503)[-1].first_line == f"SIP/2.0 {code} Reason"


def test_6xx_ends_it_all() -> None:
    more = f'failure_route[f] {{ $ru = "sip:again@{DAVE}"; t_relay(); xlog("XL|$T_reply_code rc=$retcode\\n"); }}'
    with Calls(f't_on_failure("f"); append_msg_branch("sip:two@{CAROL}"); t_relay();', more) as server:
        _, one, two = server.invite()
        server.answer(two, 180)
        out = server.answer(one, 603)
        assert lines(out) == [f"5090 ACK sip:bob@{BOB}", "5070 603 Reason", f"5091 CANCEL sip:two@{CAROL}"]
        assert server.xlog() == ["603 rc=-3"]


def test_failure_route_sends_it_elsewhere() -> None:
    more = f"""failure_route[f] {{
        xlog("XL|$T_reply_code $ru $(<reply>rr) $avp(x) $hdr(X-Main)\\n");
        $ru = "sip:mail@{CAROL}"; append_hf("X-Failure: 1\\r\\n"); t_relay();
    }}"""
    main = 'append_hf("X-Main: 1\\r\\n"); t_on_failure("f"); t_relay(); append_hf("X-Late: 1\\r\\n"); $avp(x) = "later";'
    with Calls(main, more) as server:
        _, invite = server.invite()
        ack, second = server.answer(invite, 486)
        assert (ack.port, second.port) == (5090, 5091)
        assert second.header("X-Main") == second.header("X-Failure") == "1" and second.header("X-Late") is None
        assert lines(server.answer(second, 404)) == [f"5091 ACK sip:mail@{CAROL}", "5070 404 Reason"]
        assert server.xlog() == [f"486 sip:bob@{BOB} Reason later <null>"]


def test_branch_route_edits_one_branch_and_drops_another() -> None:
    more = """branch_route[b] {
        append_hf("X-Branch: $T_branch_idx\\r\\n");
        if ($rU == "three") drop;
        if ($rU == "two") { $rU = "zwei"; t_on_reply("r"); $bavp(name) = "of two"; setbflag("SPECIAL"); }
    }
    onreply_route[r] { if (isbflagset("SPECIAL")) xlog("XL|$T_branch_idx $bavp(name) $(tm.branch.uri[0])\\n"); }"""
    with Calls(FORK + 't_on_branch("b"); t_relay();', more) as server:
        _, one, two = server.invite()
        assert (one.header("X-Branch"), two.header("X-Branch")) == ("0", "1")
        assert two.first_line == f"INVITE sip:zwei@{CAROL} SIP/2.0"
        server.answer(one, 180)
        server.answer(two, 180)
        assert server.xlog() == [f"1 of two sip:bob@{BOB}"]


def test_all_branches_dropped() -> None:
    with Calls('t_on_branch("b"); t_relay();', "branch_route[b] { drop; }") as server:
        assert lines(server.invite())[1] == "5070 500 Server error occurred (1/TM)"


def test_reply_routes_may_drop_only_provisional_replies() -> None:
    more = 'onreply_route[r] { append_hf("X-Seen: $rs\\r\\n"); if ($rs != 183) drop; }'
    with Calls('t_on_reply("r"); t_relay();', more) as server:
        _, invite = server.invite()
        assert server.answer(invite, 180) == []
        assert server.answer(invite, 183)[0].header("X-Seen") == "183"
        assert server.answer(invite, 200)[0].header("X-Seen") == "200"


def test_avps_in_reply_routes() -> None:
    more = 'onreply_route[r] { xlog("XL|$avp(a)\\n"); }'
    for mode, seen in ((0, "<null>"), (1, "request")):
        params = f'modparam("tm", "onreply_avp_mode", {mode})'
        with Calls('$avp(a) = "request"; t_on_reply("r"); t_relay();', more, params) as server:
            server.answer(server.invite()[1], 180)
            assert server.xlog() == [seen]


def test_no_more_than_twelve_branches() -> None:
    adds = "".join(f'append_msg_branch("sip:{number}@{CAROL}");' for number in range(11))
    with Calls(adds + "t_relay();") as server:
        assert len(server.invite()) == 13


def test_minor_branches_hold_nothing_up() -> None:
    params = 'modparam("tm", "minor_branch_flag", "MINOR")'
    with Calls(f'append_msg_branch("sip:two@{CAROL}"); setbflag("MINOR", 1); t_relay();', params=params) as server:
        _, one, two = server.invite()
        server.answer(two, 180)
        assert lines(server.answer(one, 486)) == [f"5090 ACK sip:bob@{BOB}", f"5091 CANCEL sip:two@{CAROL}", "5070 486 Reason"]


def test_no_cancel_lets_others_go_on() -> None:
    with Calls(f'append_msg_branch("sip:two@{CAROL}"); t_relay("allow-no-cancel");') as server:
        _, one, two = server.invite(headers="Request-Disposition: no-cancel\r\n")
        server.answer(two, 180)
        assert lines(server.answer(one, 200)) == ["5070 200 Reason"]
        assert server.advance(20.0) == []
        assert lines(server.answer(two, 200)) == ["5070 200 Reason"]
        server.advance(6.0)
        assert not server.transactions


@pytest.mark.parametrize("cause", ["503", "silence"])
def test_next_address_of_a_name(cause: str) -> None:
    with Calls("t_relay();", params='modparam("tm", "fr_timeout", 2)') as server:
        addresses = [Target("udp", "127.0.0.1", 5090), Target("udp", "127.0.0.1", 5091)]
        server.server.resolver.resolve = lambda uri, proto=None: list(addresses)  # type: ignore[method-assign]
        _, first = server.invite("sip:bob@proxy.example.com")
        if cause == "503":
            _, second = server.answer(first, 503)
        else:
            second = [one for one in server.advance(2.5) if one.port == 5091][0]
        assert second.port == 5091 and second.header("Via") != first.header("Via")
        assert lines(server.answer(second, 200)) == ["5070 200 Reason"]


def test_blacklists() -> None:
    head = 'dst_blacklist = bad : { ( udp , 127.0.0.1 , 5090 , "" ) }'
    script = 'use_blacklist("bad"); if (is_method("INFO")) t_relay(); else t_relay("no-auto-477"); xlog("XL|$retcode\\n");'
    with Calls(script, head=head) as server:
        info = server.send(make_request("INFO", f"sip:bob@{BOB}", call_id="i"), SOURCE)
        assert lines(info) == ["5070 473 Filtered destination (473/TM)"]
        server.send(make_request("MESSAGE", f"sip:bob@{BOB}", call_id="m"), SOURCE)
        assert server.xlog() == ["1", "-5"]
