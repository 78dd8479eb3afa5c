"""dialog: the life of a call, from create_dialog() to the last that is forgotten."""

from __future__ import annotations

import gc
import json
import random

import pytest

from engine.errors import ConfigError, ConfigErrors, MiError
from modules.dialog.api import ON_CONFIRMED, ON_CREATED, ON_DELETED, ON_EXPIRED, ON_FAILED, ON_REQUEST_WITHIN, ON_RESPONSE_WITHIN
from modules.dialog.api import DialogEvent, ON_EARLY, ON_RESPONSE, ON_TERMINATED
from modules.dialog.cell import Dialog, Leg, Run
from modules.dialog.table import DialogTable, Seconds, numbers_of
from modules.shared.corehash import core_hash
from tests.helpers import Sent, make_request
from tests.modules.dialog_parts import ALICE, ALICE_CONTACT, BOB, BOB_URI, Phones, starts

SHOW = "status=$DLG_status dir=$DLG_dir end=$DLG_end_reason"


def test_a_call_goes_through_its_states_and_leaves_nothing() -> None:
    inside = f"""
        if (is_method("CANCEL")) {{ t_relay(); exit; }}
        if (has_totag()) {{ loose_route(); xlog("XL|$rm {SHOW}\\n"); t_relay(); exit; }}
    """
    more = """
        event_route[E_DLG_STATE_CHANGED] {
            xlog("XL|event $param(old_state)>$param(new_state) $param(callid) $param(from_tag) $param(to_tag)\\n");
        }
    """
    with Phones(inside=inside, more=more) as server:
        invite = server.invite()
        assert f";did={server.dialogs[0].did}>" in (invite.header("Record-Route") or "")
        assert server.stats() == {"processed": 1}
        server.answer(invite, 180)
        assert server.stats() == {"processed": 1, "early": 1}
        server.answer(invite, 200)
        assert server.stats() == {"processed": 1, "active": 1}
        server.from_alice("ACK", invite)
        info, = server.from_bob("INFO", invite, cseq=7)
        server.answer(info, 200)
        server.hang_up(invite)
        assert server.stats() == {"processed": 1}
        assert server.xlog() == [
            "event 1>2 call-1 a1 b1", "event 2>3 call-1 a1 b1",
            "ACK status=4 dir=downstream end=<null>", "event 3>4 call-1 a1 b1",
            "INFO status=4 dir=upstream end=<null>",
            "BYE status=5 dir=downstream end=Downstream BYE", "event 4>5 call-1 a1 b1",
        ]
        # The BYE's transaction still knows it: late requests find it. Then it is gone.
        assert [dialog.state for dialog in server.dialogs] == [5]
        server.advance(40)
        assert server.dialogs == []


@pytest.mark.parametrize("end", ["bye", "refused", "cancelled", "timeout", "no relay", "silence"])
def test_memory_returns_to_zero(end: str) -> None:
    """However calls end: no dialog, leg or run stays, neither in the tables nor by reference."""
    main = 'create_dialog(); set_dlg_profile("p", "$ci"); $dlg_val(x) = "y"; record_route(); $DLG_timeout = 20;'
    main += " exit;" if end == "no relay" else " t_relay();"
    gc.collect()
    others = [one for one in gc.get_objects() if isinstance(one, Dialog | Leg | Run)]  # of servers of other tests
    known = {id(one) for one in others}
    with Phones(main, params='modparam("dialog", "profiles_with_value", "p")') as server:
        for number in range(5):
            call_id = f"call-{number}"
            if end == "no relay":
                server.send(make_request("INVITE", BOB_URI, call_id=call_id, headers=ALICE_CONTACT), ALICE)
                continue
            invite = server.invite(call_id=call_id)
            if end == "refused":
                server.answer(invite, 486)
            elif end == "cancelled":
                server.send(make_request("CANCEL", BOB_URI, call_id=call_id, branch=f"z9hG4bK-n{server.branch}"), ALICE)
                server.answer(invite, 487)
            elif end != "silence":
                server.answer(invite, 200)
                server.from_alice("ACK", invite)
                if end == "bye":
                    server.hang_up(invite)
        server.advance(300)
        module = server.module
        assert (len(module.table), len(module._lifetimes), len(module._options), len(module._delays)) == (0, 0, 0, 0)
        assert not module._own and not module.table._by_call and module.profile("p").counts == {}
        assert server.stats().keys() <= {"processed", "failed", "expired"}
        server.sent.clear()
        gc.collect()
        assert [one for one in gc.get_objects() if isinstance(one, Dialog | Leg | Run) and id(one) not in known] == []


def test_a_refused_call_fails() -> None:
    with Phones('create_dialog(); t_on_failure("f"); t_relay();', more=f'failure_route[f] {{ xlog("XL|{SHOW}\\n"); }}') as server:
        invite = server.invite()
        server.answer(invite, 180)
        server.answer(invite, 486)
        assert server.stats() == {"processed": 1, "failed": 1}
        assert server.xlog() == ["status=2 dir=<null> end=<null>"]


def test_a_2xx_after_the_failure_revives_the_call() -> None:
    with Phones() as server:
        invite = server.invite(headers="")
        server.advance(31)
        assert server.stats() == {"processed": 1, "failed": 1}
        server.answer(invite, 200)
        assert server.dialogs[0].state == 3 and server.stats()["active"] == 1


def test_cancelled_call() -> None:
    inside = f"""
        if (is_method("CANCEL")) {{ t_relay(); xlog("XL|cancel {SHOW}\\n"); exit; }}
        if (has_totag()) {{ loose_route(); t_relay(); exit; }}
    """
    with Phones(inside=inside) as server:
        invite = server.invite()
        server.answer(invite, 180)
        server.send(make_request("CANCEL", BOB_URI, branch=f"z9hG4bK-n{server.branch}"), ALICE)
        assert server.xlog() == ["cancel status=2 dir=<null> end=Cancelled"]
        server.answer(invite, 487)
        assert server.stats() == {"processed": 1, "failed": 1}


def test_create_dialog_is_for_new_invites() -> None:
    main = """
        create_dialog(); xlog("XL|$rm $retcode $DLG_status\\n");
        create_dialog("Pp"); xlog("XL|again $retcode\\n");
        sl_send_reply(200, "OK"); exit;
    """
    with Phones(main, inside='if (has_totag()) { create_dialog(); xlog("XL|inside $retcode\\n"); exit; }') as server:
        server.send(make_request("OPTIONS", BOB_URI))
        server.send(make_request("INVITE", BOB_URI, to_tag="b9", call_id="x", headers=ALICE_CONTACT), ALICE)
        server.send(make_request("INVITE", BOB_URI, call_id="y", headers=ALICE_CONTACT), ALICE)
        assert server.xlog() == ["OPTIONS -1 <null>", "again -1", "inside -1", "INVITE 1 1", "again 1"]


# ---- matching

MATCH = f"""
    if (has_totag()) {{
        if ($hdr(X-Mode) != NULL) {{ match_dialog("$hdr(X-Mode)"); xlog("XL|match $retcode\\n"); }}
        else loose_route();
        xlog("XL|{SHOW}\\n"); t_relay(); exit;
    }}
"""


@pytest.mark.parametrize(("mode", "route", "found"), [
    (0, True, True), (0, False, False), (1, True, True), (1, False, True), (2, True, True), (2, False, True),
])
def test_match_modes(mode: int, route: bool, found: bool) -> None:
    inside = MATCH.replace("else loose_route();", "else { loose_route(); match_dialog(); }")
    with Phones(inside=inside, params=f'modparam("dialog", "dlg_match_mode", {mode})') as server:
        invite = server.call()
        assert (";did=" in (invite.header("Record-Route") or "")) == (mode != 2)
        server.from_alice("INFO", invite, cseq=3, route=route)
        assert server.xlog()[-1] == f"status={'4 dir=downstream' if found else '<null> dir=<null>'} end=<null>"


def test_tags_must_fit_even_when_the_id_does() -> None:
    with Phones(inside=MATCH) as server:
        invite = server.call()
        server.from_alice("INFO", invite, cseq=3, to_tag="other")
        assert server.xlog()[-1].startswith("status=<null>")
        assert any("does not fit dialog" in line for line in server.log)


def test_an_id_that_is_none_is_refused_and_an_old_one_is_not() -> None:
    with Phones(inside=MATCH) as server:
        invite = server.call()
        for did, found in (("zz.yy", False), ("1.2", True)):
            route = f"Route: <sip:127.0.0.1:5060;lr;did={did}>\r\n"
            server.from_alice("INFO", invite, cseq=3, route=False, headers=route)
            assert ("status=4" in server.xlog()[-1]) is found


def test_match_by_request_uri_of_a_module_that_hides_topology() -> None:
    with Phones(inside=MATCH) as server:
        invite = server.call()
        did = server.dialogs[0].did
        for uri in (f"sip:127.0.0.1:5060;did={did}", f"sip:th.did.{did}@127.0.0.1:5060"):
            server.send(make_request(
                "INFO", uri, to_tag="b1", cseq=5, call_id=invite.header("Call-ID") or "", branch=f"z9hG4bK{len(uri)}",
                headers="X-Mode: DID_ONLY\r\n"), ALICE)
            assert server.xlog()[-2:] == ["match 1", "status=4 dir=downstream end=<null>"]


def test_forked_call_has_a_leg_per_callee_and_ends_on_the_one_that_answered() -> None:
    main = 'create_dialog(); record_route(); append_msg_branch("sip:carol@127.0.0.1:5091"); t_relay();'
    with Phones(main) as server:
        server.invite()
        bob, carol = (one for one in server.sent if one.text.startswith("INVITE"))
        server.answer(carol, 180, to_tag="c1")
        server.answer(bob, 200, to_tag="b1")
        server.from_alice("ACK", bob)
        dialog = server.dialogs[0]
        assert [leg.tag for leg in dialog.legs] == ["a1", "b1", "c1"]
        assert dialog.callee is not None and dialog.callee.tag == "b1"
        server.from_alice("BYE", bob, cseq=2, to_tag="c1")
        assert dialog.state == 4
        server.from_alice("BYE", bob, cseq=3)
        assert dialog.state == 5


# ---- lifetime

def test_lifetime_with_byes_and_without() -> None:
    main = """
        if ($rU == "bye") create_dialog("B"); else create_dialog();
        $DLG_timeout = 3; record_route(); t_relay();
    """
    more = f'local_route {{ xlog("XL|local $rm $ru {SHOW}\\n"); append_hf("X-Local: yes\\r\\n"); }}'
    with Phones(main, more=more, params='modparam("dialog", "dlg_extra_hdrs", "Hint: over\\r\\n")') as server:
        server.call("sip:bye@127.0.0.1:5090", call_id="with", cseq=7)
        server.call("sip:none@127.0.0.1:5090", call_id="without", cseq=7)
        byes = [one for one in server.advance(4.5) if one.text.startswith("BYE")]
        assert [(one.port, one.header("CSeq"), one.header("From"), one.header("To"), one.header("Hint")) for one in byes[:2]] == [
            (5070, "1 BYE", "<sip:bob@example.com>;tag=b1", "<sip:alice@example.com>;tag=a1", "over"),
            (5090, "8 BYE", "<sip:alice@example.com>;tag=a1", "<sip:bob@example.com>;tag=b1", "over"),
        ]
        assert all(one.header("Call-ID") == "with" and one.header("X-Local") == "yes" for one in byes)
        assert server.xlog() == [
            "local BYE sip:alice@127.0.0.1:5070 status=4 dir=upstream end=Lifetime Timeout",
            f"local BYE {BOB_URI} status=4 dir=downstream end=Lifetime Timeout",
        ]
        server.answer(byes[1], 200)
        assert server.stats() == {"processed": 2, "expired": 2}
        server.answer(byes[0], 200)
        server.advance(40)
        assert server.dialogs == []


def test_routes_of_a_dialog() -> None:
    main = """
        create_dialog("B"); dlg_on_answer("ans"); dlg_on_timeout("tmo"); dlg_on_hangup("hup"); $DLG_timeout = 3;
        $dlg_val(who) = $rU; record_route(); t_relay();
    """
    more = """
        route[ans] { xlog("XL|answered $rm $dlg_val(who) status=$DLG_status timeout=$DLG_timeout\\n"); }
        route[tmo] {
            xlog("XL|timeout status=$DLG_status\\n");
            if ($dlg_val(more) == NULL) { $dlg_val(more) = 1; $DLG_timeout = 5; }
        }
        route[hup] {
            xlog("XL|hangup status=$DLG_status end=$DLG_end_reason\\n");
            dlg_on_hangup("hup"); xlog("XL|too late: $retcode\\n");
        }
    """
    with Phones(main, more=more) as server:
        server.call()
        server.advance(4)
        assert server.xlog() == ["answered DUMMY bob status=3 timeout=3", "timeout status=4"]
        byes = server.advance(6)
        assert starts(byes)[:2] == ["5070 BYE", "5090 BYE"]
        server.answer(byes[0], 200)
        assert server.xlog()[2:] == ["timeout status=4", "hangup status=5 end=Lifetime Timeout", "too late: -1"]


def test_hangup_route_runs_before_the_reason_is_known() -> None:
    main = 'create_dialog(); dlg_on_hangup("hup"); record_route(); t_relay();'
    with Phones(main, more=f'route[hup] {{ xlog("XL|{SHOW}\\n"); }}') as server:
        server.hang_up(server.call())
        assert server.xlog() == ["status=5 dir=<null> end=<null>"]


def test_a_route_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigErrors, match=r"route\[nowhere\] is not defined"):
        Phones('create_dialog(); dlg_on_answer("nowhere");')


def test_timeout_set_before_the_dialog_and_later() -> None:
    inside = """if (has_totag()) { if (is_method("INFO")) $DLG_timeout = "9"; loose_route();
        xlog("XL|$rm $DLG_timeout $DLG_lifetime\\n"); t_relay(); exit; }"""
    main = '$DLG_timeout = 55; create_dialog(); xlog("XL|$DLG_timeout\\n"); record_route(); t_relay();'
    with Phones(main, inside=inside) as server:
        invite = server.call()
        server.advance(10)
        server.from_alice("UPDATE", invite, cseq=3)
        server.from_alice("INFO", invite, cseq=4)
        assert server.xlog() == ["55", "ACK 55 0", "UPDATE 45 10", "INFO 9 10"]
        server.advance(11)
        assert server.stats() == {"processed": 1, "expired": 1}


def test_delete_delay_keeps_an_ended_dialog_findable() -> None:
    inside = 'if (has_totag()) { loose_route(); xlog("XL|$rm $DLG_status $DLG_del_delay\\n"); sl_send_reply(200, "OK"); exit; }'
    main = "create_dialog(); $DLG_del_delay = 20; record_route(); t_relay();"
    with Phones(main, inside=inside, params='modparam("dialog", "delete_delay", 3)') as server:
        invite = server.call()
        server.advance(20)
        server.from_alice("BYE", invite, cseq=2)
        server.advance(10)
        server.from_alice("OPTIONS", invite, cseq=3)
        server.advance(12)
        server.from_alice("OPTIONS", invite, cseq=4)
        assert server.xlog() == ["ACK 4 20", "BYE 5 20", "OPTIONS 5 20", "OPTIONS <null> <null>"]
        assert server.dialogs == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_race_of_cancel_and_200_ends_the_call(when: str) -> None:
    params = 'modparam("dialog", "race_condition_timeout", 2)'
    with Phones('create_dialog("E"); record_route(); t_relay();', params=params) as server:
        invite = server.invite()
        cancel = make_request("CANCEL", BOB_URI, branch=f"z9hG4bK-n{server.branch}")
        if when == "before":
            server.send(cancel, ALICE)
        server.answer(invite, 200)
        if when == "after":
            server.send(cancel, ALICE)
        server.from_alice("ACK", invite)
        byes = [one for one in server.advance(4) if one.text.startswith("BYE")]
        assert {one.port for one in byes} == {5070, 5090}
        assert server.dialogs[0].end_reason == ("Cancelled" if when == "before" else "SIP Race Condition")


# ---- pings and numbers

def test_options_pings_and_the_numbers_of_requests_behind_them() -> None:
    main = 'create_dialog("Pp"); record_route(); t_relay();'
    with Phones(main, params='modparam("dialog", "options_ping_interval", 5)') as server:
        invite = server.call(cseq=20)
        pings = server.advance(6)[:2]
        assert [(one.port, one.header("CSeq")) for one in pings] == [(5070, "1 OPTIONS"), (5090, "21 OPTIONS")]
        for ping in pings:
            server.answer(ping, 404 if ping.port == 5090 else 200)
        info, = server.from_alice("INFO", invite, cseq=21)
        assert info.header("CSeq") == "22 INFO"
        reply, = server.answer(info, 200)
        assert reply.header("CSeq") == "21 INFO"
        again = server.from_alice("INVITE", invite, cseq=22, headers=ALICE_CONTACT)[-1]
        assert again.header("CSeq") == "23 INVITE"
        server.answer(again, 200)
        ack, = server.from_alice("ACK", invite, cseq=22)
        assert ack.header("CSeq") == "23 ACK"
        info, = server.from_bob("INFO", invite, cseq=1)
        assert info.header("CSeq") == "2 INFO"
        bye, = server.from_alice("BYE", invite, cseq=23)
        assert bye.header("CSeq") == "24 BYE"
        server.advance(60)
        assert len(server.module._options) == 0 and server.dialogs == []


@pytest.mark.parametrize("code", [481, 408, 0])
def test_a_ping_that_fails_ends_the_call(code: int) -> None:
    main = 'create_dialog("p"); record_route(); t_relay();'
    with Phones(main, params='modparam("dialog", "options_ping_interval", 5)') as server:
        server.call()
        ping = next(one for one in server.advance(6) if one.text.startswith("OPTIONS"))
        if code:
            server.answer(ping, code)
        byes = [one for one in server.advance(3 if code else 33) if one.text.startswith("BYE")]
        assert {one.port for one in byes} == {5070, 5090}
        assert server.dialogs[0].end_reason == "Callee Ping Timeout"


def test_reinvite_pings_carry_the_bodies_the_legs_know() -> None:
    main = 'create_dialog("PRr"); record_route(); t_relay();'
    more = 'local_route { xlog("XL|$rm $DLG_dir\\n"); append_hf("X-Local: $rm\\r\\n"); }'
    with Phones(main, more=more, params='modparam("dialog", "reinvite_ping_interval", 5)') as server:
        server.call(body="offer", answer_body="answer")
        to_alice, to_bob = [one for one in server.advance(6) if one.text.startswith("INVITE")][:2]
        assert (to_alice.port, to_alice.text.rpartition("\r\n\r\n")[2]) == (5070, "answer")
        assert (to_bob.port, to_bob.text.rpartition("\r\n\r\n")[2]) == (5090, "offer")
        assert to_alice.header("Contact") == f"<{BOB_URI}>" and to_alice.header("Content-Type") == "application/sdp"
        ack, = server.answer(to_alice, 200, headers=ALICE_CONTACT)
        assert ack.first_line.startswith("ACK sip:alice@") and ack.header("CSeq") == "1 ACK"
        assert ack.header("X-Local") == "ACK" and ack.text.count("Via:") == 1
        assert server.xlog() == ["INVITE upstream", "INVITE downstream", "ACK upstream"]
        server.answer(to_bob, 481)
        byes = [one for one in server.advance(2) if one.text.startswith("BYE")]
        assert starts(byes)[:2] == ["5070 BYE", "5090 BYE"]
        assert server.dialogs[0].end_reason == "Callee ReINVITE Ping Timeout"


def test_a_request_of_ours_takes_the_recorded_routes() -> None:
    main = 'create_dialog("B"); $DLG_timeout = 2; record_route(); t_relay();'
    with Phones(main) as server:
        invite = server.invite(headers="Record-Route: <sip:127.0.0.1:5071;lr>, <sip:192.0.2.7;lr>\r\n")
        reply = "".join([
            "SIP/2.0 200 OK\r\n", *(line + "\r\n" for line in invite.text.split("\r\n") if line.startswith("Via")),
            "Record-Route: <sip:192.0.2.9;lr>, <sip:127.0.0.1:5092;lr;x=1>\r\n",
            *(line + "\r\n" for line in invite.text.split("\r\n") if line.startswith("Record-Route")),
            f"From: {invite.header('From')}\r\nTo: {invite.header('To')};tag=b1\r\nCall-ID: call-1\r\nCSeq: 1 INVITE\r\n",
            "Contact: <sip:bob@192.0.2.9>\r\nContent-Length: 0\r\n\r\n",
        ])
        server.send(reply, BOB)
        server.from_alice("ACK", invite)
        byes = server.advance(4)[:2]
        assert [(one.port, one.first_line, one.header("Route")) for one in byes] == [
            (5071, "BYE sip:alice@127.0.0.1:5070 SIP/2.0", "<sip:127.0.0.1:5071;lr>,<sip:192.0.2.7;lr>"),
            (5092, "BYE sip:bob@192.0.2.9 SIP/2.0", "<sip:127.0.0.1:5092;lr;x=1>,<sip:192.0.2.9;lr>"),
        ]


def test_validate_and_fix_route() -> None:
    inside = """if (has_totag()) { loose_route(); validate_dialog(); $var(rc) = $retcode;
        if ($var(rc) < -1) { fix_route_dialog(); }
        xlog("XL|$rm $var(rc) ru=$ru du=$du\\n"); t_relay(); exit; }"""
    with Phones(inside=inside) as server:
        invite = server.call()
        server.from_alice("INFO", invite, cseq=5)
        server.from_alice("INFO", invite, cseq=5)
        bad, = server.send(make_request(
            "INFO", "sip:evil@127.0.0.1:5099", to_tag="b1", cseq=6, branch="z9hG4bKe",
            headers=f"Route: {invite.header('Record-Route')}\r\n"), ALICE)
        assert bad.port == 5090
        server.from_alice("INFO", invite, cseq=7, headers="Route: <sip:192.0.2.1;lr>\r\n")
        sent = server.sent[-1]
        assert sent.port == 5090 and sent.header("Route") is None
        server.from_alice("ACK", invite, cseq=9)
        assert [line.partition(" du")[0] for line in server.xlog()] == [
            f"ACK 1 ru={BOB_URI}", f"INFO 1 ru={BOB_URI}", f"INFO -1 ru={BOB_URI}", f"INFO -2 ru={BOB_URI}",
            f"INFO -3 ru={BOB_URI}", f"ACK -1 ru={BOB_URI}",
        ]


def test_validation_needs_loose_route() -> None:
    """As in OpenSIPS: rr knows the remote target only after it has followed a Route set."""
    inside = 'if (has_totag()) { match_dialog(); validate_dialog(); xlog("XL|$rm $retcode\\n"); t_relay(); exit; }'
    with Phones(inside=inside) as server:
        server.from_alice("INFO", server.call(), cseq=5)
        assert server.xlog()[-1] == "INFO -4"


# ---- for other modules

def test_moments_are_told_in_order() -> None:
    told: list[str] = []

    def note(event: DialogEvent) -> None:
        told.append(f"{event.moment}{'' if not event.code else f' {event.code}'}{' down' if event.downstream else ' up'}")

    with Phones() as server:
        module = server.module
        for moment in (ON_CREATED, ON_EARLY, ON_RESPONSE, ON_CONFIRMED, ON_FAILED, ON_REQUEST_WITHIN, ON_RESPONSE_WITHIN,
                       ON_TERMINATED, ON_EXPIRED, ON_DELETED):
            module.register(moment, note)
        invite = server.invite()
        module.watch(server.dialogs[0], ON_TERMINATED, lambda event: told.append(f"watched, ctx {event.ctx is not None}"))
        server.answer(invite, 180)
        server.answer(invite, 200)
        server.from_alice("ACK", invite)
        info, = server.from_bob("INFO", invite, cseq=2)
        server.answer(info, 200)
        server.hang_up(invite)
        server.advance(40)
        assert told == [
            "created down", "response 180 up", "early 180 up", "response 200 up", "confirmed 200 up", "request_within down",
            "request_within up", "response_within 200 up", "terminated down", "watched, ctx True", "response_within 200 down",
            "deleted down",
        ]


def test_what_other_modules_may_ask_and_do() -> None:
    with Phones() as server:
        server.call()
        module, dialog = server.module, server.dialogs[0]
        assert module.find(dialog.did) is dialog and module.find("call-1") is dialog and module.find("x") is None
        module.store(dialog, "name", 7)
        assert module.fetch(dialog, "name") == 7 and module.fetch(dialog, "other") is None
        assert module.next_cseq(dialog, "callee") == 2
        assert server.call_in_worker(lambda: module.send_within(dialog, "callee", "INFO")) is True
        assert server.sent[-1].header("CSeq") == "3 INFO"
        assert server.call_in_worker(lambda: module.end(dialog, "Because")) is True
        assert starts(server.sent[-2:]) == ["5070 BYE", "5090 BYE"]
        assert dialog.end_reason == "Because"


# ---- tables

def test_ids_are_those_of_opensips() -> None:
    table = DialogTable(4096)
    dialog = table.make("abc@host", "sip:a@b", "sip:c@d")
    assert numbers_of(dialog.did) == (dialog.entry, dialog.ident) and dialog.entry == core_hash(b"abc@host", 4096)
    assert table.get(dialog.did) is dialog and table.by_db_id(dialog.db_id) is dialog
    again = table.make("abc@host", "sip:a@b", "sip:c@d")
    assert again.ident == dialog.ident + 1 and list(table.of_call("abc@host")) == [dialog, again]
    table.remove(dialog)
    table.remove(dialog)
    table.remove(again)
    assert len(table) == 0 and not table.of_call("abc@host")
    assert numbers_of("no id") is None


def test_seconds_hold_only_what_is_to_come() -> None:
    table, wheel = DialogTable(16), Seconds(100)
    dialogs = [table.make(f"c{number}", "a", "b") for number in range(4)]
    assert [wheel.put(dialog, second) for dialog, second in zip(dialogs, (105, 103, 90, 5000))] == [105, 103, 101, 5000]
    wheel.take(dialogs[0], 105)
    assert wheel.due(102) == [dialogs[2]]
    assert wheel.due(4000) == [dialogs[1]] and wheel.due(4000) == []
    assert wheel.due(9000) == [dialogs[3]] and len(wheel) == 0


@pytest.mark.parametrize("line", [
    'modparam("dialog", "hash_size", 1000)', 'modparam("dialog", "default_timeout", 0)', 'modparam("dialog", "rr_param", "")',
    'modparam("dialog", "dialog_replication_cluster", 1)', 'modparam("dialog", "profile_replication_cluster", 1)',
    'modparam("dialog", "profiles_no_value", "a b")', 'modparam("dialog", "profiles_no_value", "a;a")',
    'modparam("dialog", "profiles_with_value", "shared/x")', 'modparam("dialog", "db_mode", 1)',
    'modparam("dialog", "cachedb_url", "nonsense")',
])
def test_bad_parameters_are_refused(line: str) -> None:
    with pytest.raises(ConfigErrors):
        Phones(params=line)


def test_a_profile_that_cannot_be_shared_counts_here() -> None:
    params = 'modparam("dialog", "profiles_no_value", "a/s; b/b")'
    with Phones('create_dialog(); set_dlg_profile("a"); xlog("XL|$retcode\\n"); set_dlg_profile("b"); xlog("XL|$retcode\\n");',
                params=params) as server:
        server.send(make_request("INVITE", BOB_URI, headers=ALICE_CONTACT), ALICE)
        assert server.xlog() == ["1", "1"]
        assert sum("it counts here only" in line for line in server.log) == 2


def test_a_store_that_is_not_loaded_is_refused() -> None:
    with pytest.raises(ConfigError, match="redis"):
        Phones(params='modparam("dialog", "cachedb_url", "redis:group://localhost")')


def test_cluster_function_is_refused() -> None:
    with pytest.raises(ConfigErrors, match="clusterer"):
        Phones('create_dialog(); set_dlg_sharing_tag("vip");')


def test_json_of_a_dialog() -> None:
    main = 'create_dialog(); $dlg_val(a) = "x\\"y"; $dlg_val(n) = 5; set_dlg_profile("p"); record_route(); t_relay();'
    inside = 'if (has_totag()) { loose_route(); xlog("XL|$DLG_json\\n"); xlog("XL|$DLG_ctx_json\\n"); t_relay(); exit; }'
    with Phones(main, inside=inside, params='modparam("dialog", "profiles_no_value", "p")') as server:
        server.call(body="v=0")
        short, whole = map(json.loads, server.xlog())
        assert short["state"] == "4" and short["caller"]["tag"] == "a1" and short["callees"][0]["contact"] == BOB_URI
        assert "values" not in short and whole["values"] == {"n": 5, "a": 'x"y'} and whole["profiles"] == {"p": [""]}


def test_mi_refuses_what_it_cannot_find() -> None:
    with Phones() as server:
        for command, params in (
            ("dlg_end_dlg", {"dialog_id": "x"}), ("dlg_list", {"callid": "x"}), ("profile_get_size", {"profile": "x"}),
            ("dlg_send_sequential", {"callid": "x"}), ("dlg_cluster_sync", {}), ("dlg_db_sync", {}),
        ):
            with pytest.raises(MiError):
                server.mi(command, params)


def test_dialogs_of_runs_that_waited_are_let_go() -> None:
    """async() ends the request route early: what the resume route makes or matches must not be held for ever."""
    main = 'async(usleep(1000), resume);'
    inside = 'if (has_totag()) { async(usleep(1000), inside); exit; }'
    more = """
        route[resume] { create_dialog(); record_route(); t_relay(); }
        route[inside] { loose_route(); xlog("XL|$rm $DLG_status\\n"); t_relay(); }
    """
    with Phones(main, inside=inside, more=more, before='loadmodule "cfgutils.so"\n') as server:
        server.send(make_request("INVITE", BOB_URI, headers=ALICE_CONTACT), ALICE)
        invite = server.wait_for("INVITE")
        server.answer(invite, 200)
        server.from_alice("BYE", invite, cseq=2)
        server.answer(server.wait_for("BYE"), 200)
        assert server.xlog() == ["BYE 5"] and server.stats() == {"processed": 1}
        server.advance(40)
        assert server.dialogs == []


def test_one_broken_dialog_does_not_hold_up_the_others() -> None:
    with Phones('create_dialog(); $DLG_timeout = 2; record_route(); t_relay();') as server:
        server.call(call_id="first")
        server.call(call_id="second")

        def explode(event: DialogEvent) -> None:
            raise RuntimeError("a watcher broke")

        first = server.module.find("first")
        server.module.watch(first, ON_EXPIRED, explode)
        first.legs.clear()
        server.advance(40)
        assert server.dialogs == [] and server.stats() == {"processed": 2, "expired": 2}


def test_uris_that_were_rewritten_on_the_way_are_those_the_callee_hears_again() -> None:
    with Phones('create_dialog("B"); $DLG_timeout = 2; record_route(); t_relay();') as server:
        invite = server.invite()
        text = invite.text.replace("From: <sip:alice@example.com>", "From: <sip:anonymous@hidden.invalid>")
        server.answer(invite._replace(text=text), 200)
        server.from_alice("ACK", invite)
        to_alice, to_bob = server.advance(4)[:2]
        assert to_bob.header("From") == "<sip:anonymous@hidden.invalid>;tag=a1"
        assert to_alice.header("To") == "<sip:alice@example.com>;tag=a1"


@pytest.mark.parametrize("seed", range(6))
def test_whatever_phones_do_nothing_breaks_and_nothing_stays(seed: int) -> None:
    """Calls that are answered, refused, forked, cancelled, hung up and forgotten in any order."""
    chance = random.Random(seed)
    main = """
        create_dialog("BPrE"); set_dlg_profile("p", "$ci"); $dlg_val(x) = "y"; $DLG_timeout = 30; record_route();
        if ($rU == "fork") append_msg_branch("sip:carol@127.0.0.1:5091");
        t_relay();
    """
    inside = """
        if (is_method("CANCEL")) { t_relay(); exit; }
        if (has_totag()) { if (!loose_route()) match_dialog(); validate_dialog(); xlog("XL|$DLG_json\\n"); t_relay(); exit; }
    """
    params = """
        modparam("dialog", "profiles_with_value", "p")
        modparam("dialog", "options_ping_interval", 4)
        modparam("dialog", "reinvite_ping_interval", 6)
        modparam("dialog", "race_condition_timeout", 2)
    """
    with Phones(main, inside=inside, params=params) as server:
        calls: list[Sent] = []
        for number in range(8):
            calls.append(server.invite(
                f"sip:{chance.choice(('bob', 'fork'))}@127.0.0.1:5090", call_id=f"call-{number}", body=chance.choice(("", "offer"))))
            branch = f"z9hG4bK-n{server.branch}"
            for _ in range(chance.randint(1, 10)):
                invite = chance.choice(calls)
                step = chance.random()
                if step < 0.35:
                    requests = [one for one in server.sent if not one.text.startswith(("SIP", "ACK"))]
                    server.answer(
                        chance.choice(requests), chance.choice((180, 183, 200, 200, 302, 401, 481, 486, 487, 503, 603)),
                        to_tag=chance.choice(("b1", "b2", "c1", "")))
                elif step < 0.5:
                    server.from_alice("ACK", invite)
                elif step < 0.7:
                    server.from_alice(
                        chance.choice(("INFO", "INVITE", "UPDATE", "PRACK", "BYE")), invite, cseq=chance.randint(1, 9),
                        headers=ALICE_CONTACT, to_tag=chance.choice(("b1", "c1", "x")), route=chance.random() < 0.8)
                elif step < 0.8:
                    server.from_bob(chance.choice(("INFO", "BYE", "INVITE")), invite, cseq=chance.randint(1, 9))
                elif step < 0.9:
                    server.send(make_request("CANCEL", BOB_URI, call_id=f"call-{number}", branch=branch), ALICE)
                else:
                    server.advance(chance.choice((0.5, 3.0, 12.0)))
            server.mi("dlg_list_ctx")
        server.advance(400)
        assert not [line for line in server.log if "unexpected" in line or "Traceback" in line]
        assert server.dialogs == [] and server.module.profile("p").counts == {}
        assert server.stats().keys() <= {"processed", "failed", "expired"} and server.module.active_dialogs.count == 0


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("0", 0), ("9" * 5000, 2**32 - 1), ("x", 0), ("", 0), ("\xb2", 0)])
def test_a_leg_counts_on_from_any_number(text: str, number: int) -> None:
    leg = Leg()
    leg.cseq = text
    assert leg.last_number == number
