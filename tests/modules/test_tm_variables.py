"""tm: what scripts ask and read."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from engine.errors import ConfigErrors
from tests.helpers import make_request
from tests.modules.tm_parts import BOB, CAROL, SOURCE, Calls, lines


def test_timeouts_before_and_after_the_transaction_exists() -> None:
    main = """xlog("XL|$T_fr_timeout $T_fr_inv_timeout\\n");
    $T_fr_timeout = 3; $T_fr_inv_timeout = 7; t_newtran(); xlog("XL|$T_fr_timeout $T_fr_inv_timeout\\n");
    $T_fr_timeout = 2; t_relay(); $T_fr_timeout = NULL; xlog("XL|$T_fr_timeout\\n");"""
    with Calls(main) as server:
        server.invite()
        assert server.xlog() == ["30 120", "3 7", "30"]
        assert any("408" in one.first_line for one in server.advance(2.5))


def test_codes_and_names_in_all_routes() -> None:
    more = """branch_route[b] { xlog("XL|b $T_branch_idx $T_reply_code $T_ruri\\n"); }
    onreply_route[r] { xlog("XL|r $T_branch_idx $T_reply_code $T_ruri $(tm.branch.last_received[0])\\n"); }
    failure_route[f] {
        xlog("XL|f $T_branch_idx $T_reply_code $T_ruri $T_branch_last_reply_code $(T_branch_last_reply_code[0])\\n");
        xlog("XL|t $(tm.branch.type[0]) $(tm.branch.socket[1]) $(tm.branch.uri[-1]) $(tm.branch.uri[7]) $(tm.branch.q[1])\\n");
    }"""
    main = f"""xlog("XL|q $T_branch_idx $T_reply_code $T_ruri $T_id\\n");
    append_msg_branch("sip:two@{CAROL}", "0.5"); t_on_branch("b"); t_on_reply("r"); t_on_failure("f"); t_relay();
    xlog("XL|q $T_reply_code\\n");"""
    with Calls(main, more) as server:
        _, one, two = server.invite()
        server.answer(two, 404)
        server.answer(one, 486)
        bob, carol = f"sip:bob@{BOB}", f"sip:two@{CAROL}"
        assert server.xlog() == [
            f"q <null> 0 {bob} <null>", "b 0 0 <null>", "b 1 0 <null>", "q 100",
            f"r 1 404 {carol} <null>", f"r 0 486 {bob} <null>",
            f"f 0 404 {bob} 486 486", f"t sip udp:127.0.0.1:5060 {carol} <null> 0.5",
        ]


def test_flags_and_attributes_of_branches() -> None:
    more = """branch_route[b] { $tm.branch.flag(A) = 1; $tm.branch.attr(who) = "first"; $bavp(x) = 1; $bavp(x) = 2; }
    onreply_route[r] {
        t_get_branch_idx_by_attr("who", "first", , $var(i));
        xlog("XL|$tm.branch.flag(A) $tm.branch.flags $tm.branch.attr(who) $(bavp(x)[*]) $var(i)\\n");
        $tm.branch.flag(A) = 0; $tm.branch.attr(who) = NULL;
        if (!t_get_branch_idx_by_attr("who")) xlog("XL|$tm.branch.flag(A) $tm.branch.attr(who)\\n");
    }"""
    with Calls('t_on_branch("b"); t_on_reply("r"); t_relay();', more) as server:
        server.answer(server.invite()[1], 180)
        assert server.xlog() == ["true A first 2, 1,  0", "false <null>"]


def test_a_branch_being_built_has_no_fields_yet() -> None:
    more = """branch_route[b] {
        xlog("XL|[$tm.branch.uri] [$tm.branch.q] [$tm.branch.flags] $tm.branch.flag(A) $tm.branch.duri $tm.branch.socket\\n");
        xlog("XL|$(tm.branch.uri[0]) $(tm.branch.uri[-1]) $(tm.branch.uri[1]) $(tm.branch.uri[*])\\n");
    }"""
    main = f"""append_msg_branch("sip:two@{CAROL}", "0.5"); setbflag("A"); t_on_branch("b"); t_relay();
    xlog("XL|$(tm.branch.uri[0]) $(tm.branch.q[1]) $(tm.branch.flag(A)[0])\\n");"""
    with Calls(main, more) as server:
        server.invite()
        bob, empty = f"sip:bob@{BOB}", "[] [0] [] false <null> <null>"
        assert server.xlog() == [empty, "<null> <null> <null> <null>", empty, f"{bob} {bob} <null> <null>", f"{bob} 0.5 true"]


def test_questions_in_failure_route() -> None:
    more = """failure_route[f] {
        if (t_check_status("40.")) xlog("XL|40x\\n");
        if (t_local_replied("all")) xlog("XL|all\\n");
        if (t_local_replied("branch")) xlog("XL|branch\\n");
        if (t_local_replied("last")) xlog("XL|last\\n");
        if (t_was_cancelled()) xlog("XL|cancelled\\n");
    }"""
    params = 'modparam("tm", "fr_timeout", 2) modparam("tm", "fr_inv_timeout", 2)'
    with Calls('t_on_failure("f"); t_relay();', more, params) as server:
        server.invite(call_id="silent")
        server.advance(3.0)
        _, invite = server.invite(call_id="ringing")
        server.answer(invite, 180)
        assert 'Reason: SIP;cause=480;text="NO_ANSWER"' in "".join(one.text for one in server.advance(3.0))
        _, invite = server.invite(call_id="refused")
        server.answer(invite, 404)
        assert server.xlog() == ["40x", "all", "branch", "last", "40x", "last", "40x"]


def test_cancelling_from_reply_routes() -> None:
    more = """onreply_route[r] {
        if ($rs == 182) t_cancel_branch(); if ($rs == 183) t_cancel_branch("o"); if ($rs == 199) t_cancel_branch("a");
    }"""
    for code, ports in ((182, [5090]), (183, [5091]), (199, [5090, 5091])):
        with Calls(f'append_msg_branch("sip:two@{CAROL}"); t_on_reply("r"); t_relay();', more) as server:
            _, one, two = server.invite()
            server.answer(one, 180)
            server.answer(two, 180)
            assert [sent.port for sent in server.answer(one, code) if sent.first_line.startswith("CANCEL")] == ports


def test_headers_for_requests_made_here() -> None:
    main = """if (is_method("CANCEL")) { t_add_cancel_reason("Reason: Q.850;cause=31\\r\\n"); t_relay(); exit; }
    t_newtran(); t_add_hdrs("X-Own: 1\\r\\n"); t_relay();"""
    with Calls(main) as server:
        _, invite = server.invite()
        server.answer(invite, 180)
        cancel = server.cancel()[-1]
        assert (cancel.header("Reason"), cancel.header("X-Own")) == ("Q.850;cause=31", "1")
        assert server.answer(invite, 487)[0].header("X-Own") == "1"


def test_answers_by_call_id_and_with_a_body() -> None:
    main = """if (is_method("INVITE")) { t_newtran(); exit; }
    if (is_method("INFO")) { append_to_reply("Content-Type: text/plain\\r\\n"); t_reply_with_body(200, "OK", "text"); exit; }
    t_reply_by_callid(603, "No", "call-1", "1"); $var(first) = $retcode; t_reply_by_callid(603, "No", "other");
    xlog("XL|$var(first) $retcode\\n");"""
    with Calls(main) as server:
        server.tm.register("created", lambda transaction, ctx: setattr(transaction, "suspended", transaction.is_invite))
        server.invite()
        assert lines(server.send(make_request("MESSAGE", call_id="two"), SOURCE)) == ["5070 603 No"]
        assert server.xlog() == ["1 -4"]
        info, = server.send(make_request("INFO", call_id="three"), SOURCE)
        assert info.text.endswith("Content-Type: text/plain\r\n" + info.text.partition("Content-Type: text/plain\r\n")[2])
        assert info.text.endswith("\r\n\r\ntext") and info.header("Content-Length") == "4"


def test_local_reply_and_request_routes_look_on() -> None:
    params = 'modparam("tm", "local_reply_route", "look") modparam("tm", "local_request_route", "out")'
    more = 'onreply_route[look] { xlog("XL|reply $rs\\n"); } route[out] { xlog("XL|request $rm\\n"); }'
    main = f't_reply(404, "No"); t_new_request("INFO", "sip:x@{BOB}", "sip:a@b", "sip:c@d");'
    with Calls(main, more, params) as server:
        server.send(make_request("OPTIONS"), SOURCE)
        assert server.xlog() == ["reply 404", "request INFO"]


def test_hand_over_to_a_program(tmp_path: Path) -> None:
    path = tmp_path / "taker"
    params = 'modparam("tm", "tw_append", "more:who=$avp(who);hdr[Subject];msg[body]")'
    main = f'$avp(who) = "me"; t_newtran(); t_write_unix("handle/more", "{path}"); xlog("XL|$retcode\\n");'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taker, Calls(main, params=params) as server:
        taker.bind(str(path))
        taker.settimeout(5)
        server.send(make_request("MESSAGE", headers="Subject: hi\r\n", body="text"), SOURCE)
        fields = taker.recv(65536).decode().split("\n")
        assert server.xlog() == ["1"]
        assert fields[:5] == ["0.3", "sip_request.handle", "MESSAGE", "bob", "example.com"]
        assert fields[18:] == ["P-MsgFlags: 0", "who: me", "Subject: hi", ".", "text", ""]
        index, _, label = fields[15].partition(":")
        assert server.tm.find(fields[15]) is server.tm.table.find_ident(int(index), int(label))


@pytest.mark.parametrize("script", [
    't_reply(700, "x");', 't_relay("nonsense");', 't_on_failure("missing");', 't_local_replied("some");',
    't_inject_branches("x");', "t_anycast_replicate();",
])
def test_mistakes_are_found_at_load(script: str) -> None:
    with pytest.raises(ConfigErrors):
        Calls(script)


def test_clusters_are_refused() -> None:
    with pytest.raises(ConfigErrors, match="clusterer"):
        Calls("exit;", params='modparam("tm", "tm_replication_cluster", 1)')
