"""acc: who is reported where and when; extra and leg values; calls over their dialogs and over a restart."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ConfigErrors
from engine.sip.message import parse_message
from modules.acc import account as acc
from modules.acc.account import facts_of_comment
from tests.helpers import EPOCH, Sent, make_request
from tests.modules.tm_parts import SOURCE, Calls

START = int(EPOCH)
ALICE_CONTACT = "Contact: <sip:alice@127.0.0.1:5070>\r\n"
BOB_CONTACT = "Contact: <sip:bob@127.0.0.1:5090>\r\n"
SCHEMA = """
CREATE TABLE version (table_name TEXT, table_version INTEGER);
INSERT INTO version VALUES ('acc', 7), ('missed_calls', 5), ('dialog', 12);
CREATE TABLE acc (id INTEGER PRIMARY KEY, method, from_tag, to_tag, callid, sip_code, sip_reason, time, duration DEFAULT 0,
    ms_duration DEFAULT 0, setuptime DEFAULT 0, created, who, oth, leg);
CREATE TABLE missed_calls (id INTEGER PRIMARY KEY, method, from_tag, to_tag, callid, sip_code, sip_reason, time,
    setuptime DEFAULT 0, created, who, oth, leg);
CREATE TABLE other AS SELECT * FROM acc;
"""
INSIDE = "if (has_totag()) { loose_route(); t_relay(); exit; }\n"
EVENTS = "".join(
    f'event_route[{name}] {{ xlog("EV|{name[6:]}|' + "|".join([f"$param({one})" for one in params.split()]) + '\\n"); }\n'
    for name, params in (
        ("E_ACC_EVENT", "method from_tag to_tag callid sip_code sip_reason time who leg"),
        ("E_ACC_MISSED_EVENT", "method sip_code sip_reason setuptime created"),
        ("E_ACC_CDR", "method sip_code time who leg duration ms_duration setuptime created"),
    ))


class Office(Calls):
    """A script with acc and, when asked for, dialog. main: what is done with a request outside of dialogs."""

    def __init__(self, main: str, *, more: str = "", params: str = "", dialog: bool = True, inside: str = INSIDE) -> None:
        modules = 'loadmodule "rr.so"\n' + ('loadmodule "dialog.so"\n' if dialog else "") + 'loadmodule "acc.so"\n'
        super().__init__(f'{inside}if (is_method("ACK|CANCEL")) {{ t_relay(); exit; }}\n{main}', more + EVENTS, params,
                         modules=modules)

    def events(self) -> list[str]:
        return self.xlog("EV|")

    def reports(self) -> list[str]:
        """What stands behind ACC: in the log."""
        return self.xlog("ACC: ")

    def call_bob(self, call_id: str, code: int = 200, *, ring: float = 0, user: str = "bob", **more: Any) -> Sent:
        """alice calls, bob answers after a while; the INVITE as bob got it."""
        sent = self.invite(f"sip:{user}@127.0.0.1:5090", call_id=call_id, branch=f"z9hG4bK{call_id}", headers=ALICE_CONTACT, **more)
        invite = next(one for one in sent if one.text.startswith("INVITE"))
        if ring:
            self.advance(ring)
        self.answer(invite, code, reason=f"Answer {code}", headers=BOB_CONTACT)
        if code < 300:
            self.within("ACK", invite)
        return invite

    def within(self, method: str, invite: Sent, cseq: int = 1) -> list[Sent]:
        """alice sends a request inside the call."""
        return self.send(make_request(
            method, "sip:bob@127.0.0.1:5090", call_id=invite.header("Call-ID") or "", cseq=cseq, to_tag="b1",
            branch=f"z9hG4bK{method}{cseq}{invite.header('Call-ID')}", headers=f"Route: {invite.header('Record-Route')}\r\n",
        ), SOURCE)

    def hang_up(self, invite: Sent) -> None:
        """BYE and its answer."""
        bye, = self.within("BYE", invite, 2)
        self.answer(bye, 200)


# ---------------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize("comment, code, reason", [
    ("480 Nobody Home", "480", "Nobody Home"), ("404", "404", "Not Found"), ("404   ", "404", "Not Found"), ("Just text", "", "Just text"),
    ("4x4 what", "", "4x4 what"), ("20", "", "20"),
])
def test_comments(comment: str, code: str, reason: str) -> None:
    request: Any = parse_message(make_request("INVITE", call_id="c").encode())
    facts = facts_of_comment(request, comment, False, 5.0)
    assert facts.values == ("INVITE", "a1", "", "c", code, reason)
    assert facts_of_comment(request, comment, True, 5.0).values[1:3] == ("", "a1")


def test_what_is_kept_with_a_dialog_is_read_back() -> None:
    texts = ["", "x" * 300, "\x00|#;\xff", "y"]
    assert acc.unpack(acc.pack([*texts, None]), 5) == [*texts, ""]
    assert acc.unpack_long(acc.pack_long(0, 1 << 60)) == (0, 1 << 60)
    for broken in ("", "\x05", acc.pack(["abc"]), acc.pack(["abc", "def"])[:-1]):
        with pytest.raises(ValueError, match="cut off"):
            acc.unpack(broken, 2)
    with pytest.raises(ValueError, match="cut off"):
        acc.unpack_long("1234")


# ------------------------------------------------------------------------------------------------------------ transactions


ONE = ";method=INVITE;from_tag=a1;to_tag={};call_id={};code={};reason={}"


def line(title: str, call_id: str, code: int, reason: str, *, at: int = 0, to_tag: str = "b1", more: str = "") -> str:
    stamp = START + at
    return f"{title}: timestamp={stamp};created=0;setuptime={stamp}" + ONE.format(to_tag, call_id, code, reason) + more


def test_which_replies_are_reported() -> None:
    main = """
        if ($rU == "plain") do_accounting("log");
        if ($rU == "failed") do_accounting("log", "failed");
        if ($rU == "missed") do_accounting("LOG ", "missed");
        if ($rU == "both") do_accounting("log", "missed | failed");
        if ($rU == "drop") { do_accounting("log", "missed|failed"); drop_accounting("log", "failed"); }
        if ($rU == "none") { do_accounting("log", "missed|failed"); drop_accounting(); }
        t_relay();
    """
    with Office(main) as server:
        for user in ("plain", "failed", "missed", "both", "drop", "none"):
            server.call_bob(f"{user}2", user=user)
            server.call_bob(f"{user}4", 486, user=user)
        answered, missed = "transaction answered", "call missed"
        assert server.reports() == [
            line(answered, "plain2", 200, "Answer 200"),
            line(answered, "failed2", 200, "Answer 200"), line(answered, "failed4", 486, "Answer 486"),
            line(answered, "missed2", 200, "Answer 200"), line(missed, "missed4", 486, "Answer 486"),
            line(answered, "both2", 200, "Answer 200"), line(missed, "both4", 486, "Answer 486"), line(answered, "both4", 486, "Answer 486"),
            line(answered, "drop2", 200, "Answer 200"), line(missed, "drop4", 486, "Answer 486"),
        ]


def test_a_missed_call_is_reported_once_unless_asked_again() -> None:
    main = """do_accounting("log", "missed"); $acc_extra(who) = $fU; t_on_failure("next"); t_relay();"""
    more = """failure_route[next] {
        xlog("XL|$acc_extra(who) $T_reply_code\\n");
        $ru = "sip:carol@127.0.0.1:5091"; if ($avp(again)) do_accounting("log", "missed"); t_relay(); }"""
    with Office(main, more=more, params='modparam("acc", "extra_fields", "log: who")\n') as server:
        def play(call_id: str) -> None:
            invite = server.invite(call_id=call_id, branch=f"z9hG4bK{call_id}")[1]
            second = [one for one in server.answer(invite, 486) if one.text.startswith("INVITE")][0]
            server.answer(second, 480)

        play("once")
        assert len(server.reports()) == 1
        assert server.xlog() == ["alice 486"]
    with Office(main.replace("t_on_failure", '$avp(again) = 1; t_on_failure'), more=more,
                params='modparam("acc", "extra_fields", "log: who")\n') as server:
        invite = server.invite(call_id="twice")[1]
        second = [one for one in server.answer(invite, 486) if one.text.startswith("INVITE")][0]
        server.answer(second, 480)
        assert [one.partition("code=")[2][:3] for one in server.reports()] == ["486", "480"]


def test_answers_made_here_and_requests_that_are_no_invite() -> None:
    main = """do_accounting("log", "missed|failed");
        if ($rU == "local") { t_newtran(); t_reply(486, "Busy Local"); exit; }
        t_relay();"""
    with Office(main, params='modparam("tm", "fr_timeout", 2)\n') as server:
        server.invite("sip:local@127.0.0.1:5090", call_id="local")
        server.invite("sip:silent@127.0.0.1:5090", call_id="silent", branch="z9hG4bKs")
        server.advance(3)
        message, = server.send(make_request("MESSAGE", "sip:bob@127.0.0.1:5090", call_id="msg", branch="z9hG4bKm"), SOURCE)
        server.answer(message, 404, reason="No")
        found = server.reports()
        assert found[:2] == [line(title, "local", 486, "Busy Here", to_tag="") for title in ("call missed", "transaction answered")]
        assert [one.partition(";method")[2] for one in found[2:4]] == [
            line("", "silent", 408, "Request Timeout", to_tag="").partition(";method")[2]] * 2
        assert [one.partition(":")[0] for one in found[4:]] == ["call missed", "transaction answered"]
        assert all("method=MESSAGE" in one and "code=404;reason=No" in one for one in found[4:])


def test_early_media_and_cancels() -> None:
    for on in (0, 1):
        params = f'modparam("acc", "early_media", {on})\nmodparam("acc", "report_cancels", {on})\n'
        main = 'do_accounting("log"); t_relay();'
        inside = INSIDE + 'if (is_method("CANCEL")) { do_accounting("log"); t_relay(); exit; }\n'
        with Office(main, params=params, inside=inside) as server:
            invite = server.invite(call_id="early")[1]
            server.answer(invite, 180)
            server.answer(invite, 183, body="v=0\r\n")
            assert len(server.reports()) == on
            server.cancel(call_id="early", branch="z9hG4bK-early")
            assert len([one for one in server.reports() if "method=CANCEL" in one and "code=200" in one]) == on
            assert len([one for one in server.log if "needs report_cancels" in one]) == 1 - on


def test_requests_of_our_own() -> None:
    main = 't_new_request("MESSAGE", "sip:bob@127.0.0.1:5090", "sip:me@x", "sip:you@y"); exit;'
    with Office(main, more='local_route { do_accounting("log|evi", "failed"); }\n') as server:
        for number, code in enumerate((200, 404)):
            sent = server.send(make_request("OPTIONS", call_id=f"o{number}"))
            server.answer(next(one for one in sent if one.text.startswith("MESSAGE")), code)
        assert ["method=MESSAGE" in one and f"code={code}" in one for one, code in zip(server.reports(), (200, 404))] == [True, True]
        assert [one.split("|")[:2] for one in server.events()] == [["EVENT", "MESSAGE"]] * 2


def test_requests_against_the_direction_of_their_dialog() -> None:
    inside = 'if (has_totag()) { loose_route(); do_accounting("log"); acc_log_request("100 now"); t_relay(); exit; }\n'
    with Office("record_route(); t_relay();", params='modparam("acc", "detect_direction", 1)\n', inside=inside) as server:
        invite = server.call_bob("turn")
        bye, = server.send(make_request(
            "BYE", "sip:alice@127.0.0.1:5070", call_id="turn", cseq=1, from_tag="b1", to_tag="a1", port=5090,
            headers=f"Route: {invite.header('Record-Route')}\r\n"), ("127.0.0.1", 5090))
        server.answer(bye, 200)
        assert len([one for one in server.reports() if "method=BYE;from_tag=a1;to_tag=b1" in one]) == 2


# ------------------------------------------------------------------------------------------------------------------- values


VALUES = """modparam("acc", "extra_fields", "log: who->caller; oth")
modparam("acc", "extra_fields", "evi: who")
modparam("acc", "leg_fields", "log:leg; side -> sd")
modparam("acc", "leg_fields", "evi:leg")
"""


def test_variables() -> None:
    main = """
        xlog("XL|$acc_current_leg $acc_extra(who) $acc_leg(leg)\\n");
        do_accounting("log|evi");
        $acc_extra(who) = 5; $acc_extra(oth) = "x"; $acc_extra(oth) = "";
        $acc_leg(leg) = "one"; acc_new_leg(); $acc_leg(leg) = 2; $(acc_leg(side)[0]) = "left"; $(acc_leg(leg)[5]) = "no"; xlog("XL|$rc\\n");
        $var(i) = -2;
        xlog("XL|$acc_current_leg $(acc_leg(leg)[0]) $(acc_leg(leg)[1]) $(acc_leg(leg)[$var(i)]) $(acc_leg(leg)[7]) $acc_extra(oth)\\n");
        t_relay();
    """
    with Office(main, params=VALUES) as server:
        server.call_bob("values")
        assert server.xlog() == ["0 <null> <null>", "-1", "1 one 2 one <null> <null>"]
        pairs = ";caller=5;oth=;leg=one;sd=left;leg=2;sd="
        assert server.reports() == [line("transaction answered", "values", 200, "Answer 200", more=pairs)]
        assert server.events() == [
            f"EVENT|INVITE|a1|b1|values|200|Answer 200|{START}|5|{leg}" for leg in ("one", "2")]


def test_values_of_a_global_reply_route_reach_the_transaction() -> None:
    main = 'do_accounting("log"); $acc_extra(who) = "first"; t_relay();'
    with Office(main, params=VALUES, more='onreply_route { $acc_extra(oth) = "reply"; }\n') as server:
        server.call_bob("merge")
        report, = server.reports()
        assert report.endswith(";caller=first;oth=reply;leg=;sd=")


def test_reports_at_once() -> None:
    main = """
        acc_log_request("480 Nobody Home");
        drop_accounting(); xlog("XL|$rc\\n");
        $acc_extra(who) = "me"; acc_log_request("Just text"); acc_evi_request("200"); acc_evi_request("404 Nope"); acc_evi_request("x");
        drop_accounting(); xlog("XL|$rc\\n");
        sl_send_reply(200, "OK");
    """
    with Office(main, params=VALUES, dialog=False) as server:
        server.send(make_request("MESSAGE", call_id="now"))
        fixed = "method=MESSAGE;from_tag=a1;to_tag=;call_id=now"
        assert server.reports() == [
            f"request accounted: timestamp={START};{fixed};code=480;reason=Nobody Home",
            f"request accounted: timestamp={START};created=0;setuptime={START};{fixed};code=;reason=Just text;caller=me;oth=;leg=;sd=",
        ]
        assert server.xlog() == ["-1", "1"]
        assert server.events() == [
            f"EVENT|MESSAGE|a1||now|200|OK|{START}|me|", f"MISSED_EVENT|MESSAGE|404|Nope|{START}|0", f"EVENT|MESSAGE|a1||now||x|{START}|me|"]


def test_the_level_and_the_word_of_31() -> None:
    with Office('acc_log_request("1"); exit;', params='modparam("acc", "log_level", 4)\n') as server:
        server.send(make_request())
        assert server.reports() == []
        server.server.log.set_level(4)
        server.send(make_request(call_id="b"))
        assert ["DBG:ACC: request" in one for one in server.log if "ACC:" in one] == [True]


# -------------------------------------------------------------------------------------------------------------------- calls


CDR = 'do_accounting("log|evi", "cdr|missed"); $acc_extra(who) = $fU; $acc_leg(leg) = "l"; record_route(); t_relay();'
BYE_SETS = INSIDE.replace("t_relay", 'if (is_method("BYE")) { xlog("XL|$acc_extra(who) $acc_current_leg\\n"); $acc_extra(oth) = "bye"; } t_relay')


def test_a_call_is_reported_when_its_bye_is_answered() -> None:
    with Office(CDR, params=VALUES, inside=BYE_SETS) as server:
        invite = server.call_bob("cdr", ring=2.5)
        assert server.reports() == []
        server.advance(60.3)
        bye, = server.within("BYE", invite, 2)
        assert server.reports() == []
        server.answer(bye, 200)
        assert server.reports() == [
            f"call ended: created={START};call_start_time={START + 2};duration=61;ms_duration=60300;setuptime=2"
            + ONE.format("b1", "cdr", 200, "Answer 200") + ";caller=alice;oth=bye;leg=l;sd="]
        assert server.events() == [f"CDR|INVITE|200|{START + 2}|alice|l|61|60300|2|{START}"]
        assert server.xlog() == ["alice 0"]
        missed = server.call_bob("missed", 486)
        assert missed and server.reports()[-1].startswith(f"call missed: timestamp={START + 62};created={START + 62};setuptime=0;")
        assert len(server.reports()) == 2


def test_calls_that_end_without_a_bye_to_relay() -> None:
    inside = 'if (has_totag()) { loose_route(); if (is_method("BYE")) { sl_send_reply(200, "OK"); exit; } t_relay(); exit; }\n'
    with Office(CDR, params=VALUES + 'modparam("dialog", "default_timeout", 100)\n', inside=inside) as server:
        first, second = server.call_bob("stateless"), server.call_bob("mi")
        server.call_bob("expired")
        server.within("BYE", first, 2)
        assert len(server.reports()) == 1
        server.mi("dlg_end_dlg", {"dialog_id": second.header("Call-ID")})
        server.advance(101)
        assert [one.partition("call_id=")[2].partition(";")[0] for one in server.reports()] == ["stateless", "mi", "expired"]
        assert server.reports()[2].startswith(f"call ended: created={START};call_start_time={START};duration=10")


def test_a_bye_that_is_never_answered_ends_the_call() -> None:
    with Office(CDR, params=VALUES + 'modparam("tm", "fr_timeout", 2)\n') as server:
        invite = server.call_bob("lost")
        server.within("BYE", invite, 2)
        server.advance(3)
        assert [one.startswith("call ended") for one in server.reports()] == [True]
        server.within("BYE", invite, 3)
        server.advance(5)
        assert len(server.reports()) == 1


def test_asking_twice_adds_up_and_a_bye_of_its_own_is_reported_too() -> None:
    main = 'do_accounting("log"); do_accounting("evi", "cdr"); record_route(); t_relay();'
    inside = INSIDE.replace("loose_route();", 'if (is_method("BYE")) do_accounting("log"); loose_route();')
    with Office(main, params=VALUES, inside=inside) as server:
        server.hang_up(server.call_bob("twice"))
        assert [one.split(":")[0] for one in server.reports()] == ["transaction answered", "call ended"]
        assert [one.partition("|")[0] for one in server.events()] == ["CDR"]


def test_a_bye_asked_for_before_its_dialog_is_known() -> None:
    inside = INSIDE.replace("loose_route();", """if (is_method("BYE")) { $acc_extra(oth) = "early"; do_accounting("log"); }
        loose_route(); xlog("XL|$rm $acc_extra(who)\\n"); if (is_method("BYE")) $acc_extra(who) = "late";""")
    more = 'onreply_route { if (is_method("BYE")) $acc_extra(oth) = "reply"; }\n'
    with Office(CDR, params=VALUES, inside=inside, more=more) as server:
        server.hang_up(server.call_bob("own"))
        assert server.xlog() == ["ACK alice", "BYE alice"]
        own, call = server.reports()
        assert own.startswith("transaction answered") and "method=BYE" in own and own.endswith(";caller=;oth=reply;leg=;sd=")
        assert call.startswith("call ended") and call.endswith(";caller=late;oth=early;leg=l;sd=")


def test_values_of_a_global_reply_route_to_a_bye_are_its_own() -> None:
    more = 'onreply_route { $acc_extra(oth) = "reply"; }\n'
    with Office(CDR, params=VALUES, inside=BYE_SETS, more=more) as server:
        server.hang_up(server.call_bob("bye"))
        assert server.reports()[0].endswith(";caller=alice;oth=bye;leg=l;sd=")


def test_the_account_of_another_dialog() -> None:
    main = """if ($rU == "look") {
            acc_unload_ctx_from_dlg(); xlog("XL|$rc\\n"); acc_load_ctx_from_dlg(); xlog("XL|$rc\\n");
            $acc_extra(who) = "mine";
            load_dialog_ctx("watched"); acc_load_ctx_from_dlg(); xlog("XL|$rc $acc_extra(who)\\n"); acc_load_ctx_from_dlg(); xlog("XL|$rc\\n");
            $acc_extra(oth) = "seen"; acc_unload_ctx_from_dlg(); unload_dialog_ctx(); xlog("XL|$rc $acc_extra(who)\\n");
            sl_send_reply(200, "OK"); exit; }""" + CDR
    with Office(main, params=VALUES) as server:
        invite = server.call_bob("watched")
        server.send(make_request("OPTIONS", "sip:look@x", call_id="o"))
        assert server.xlog() == ["-1", "-1", "1 alice", "-1", "1 mine"]
        server.hang_up(invite)
        assert server.reports()[-1].endswith(";caller=alice;oth=seen;leg=l;sd=")


# ----------------------------------------------------------------------------------------------------------------- database


def database(path: Path) -> str:
    with sqlite3.connect(path) as made:
        made.executescript(SCHEMA)
    made.close()
    return (f'loadmodule "db_sqlite.so"\nmodparam("acc", "db_url", "sqlite://{path}")\n'
            'modparam("acc", "extra_fields", "db: who; oth")\nmodparam("acc", "leg_fields", "db: leg")\n')


def rows(path: Path, table: str, columns: str = "method, from_tag, to_tag, callid, sip_code, sip_reason") -> list[Any]:
    with sqlite3.connect(path) as made:
        found = made.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
    made.close()
    return found


def test_rows(tmp_path: Path) -> None:
    path = tmp_path / "acc.sqlite"
    main = """
        if ($rU == "now") { acc_db_request("499 Manual", "acc"); xlog("XL|$rc\\n"); acc_db_request("480 x", "missed_calls");
            acc_db_request("1", "nosuch"); xlog("XL|$rc\\n"); sl_send_reply(200, "OK"); exit; }
        if ($rU == "cdr") do_accounting("db", "cdr"); else if ($rU == "other") do_accounting("db", "failed", "other");
        else do_accounting("db", "missed|failed");
        $acc_extra(who) = $fU; acc_new_leg(); $acc_leg(leg) = "2nd"; record_route(); t_relay();
    """
    with Office(main, params=database(path)) as server:
        server.send(make_request("MESSAGE", "sip:now@x", call_id="now"))
        assert server.xlog() == ["1", "-1"]
        server.call_bob("failed", 486)
        server.call_bob("else", 486, user="other")
        invite = server.call_bob("cdr", ring=3, user="cdr")
        server.advance(4.5)
        server.hang_up(invite)
    failed = ("INVITE", "a1", "b1", "failed", "486", "Answer 486")
    assert rows(path, "acc") == [
        ("MESSAGE", "a1", "", "now", "499", "Manual"), failed, failed, *[("INVITE", "a1", "b1", "cdr", "200", "Answer 200")] * 2]
    assert rows(path, "acc", "who, oth, leg, duration, ms_duration, setuptime") == [
        (None, None, None, 0, 0, 0), ("alice", "", "", 0, 0, START), ("alice", "", "2nd", 0, 0, START),
        ("alice", "", "", 5, 4500, 3), ("alice", "", "2nd", 5, 4500, 3)]
    assert rows(path, "missed_calls")[1:] == [failed, failed]
    assert rows(path, "other", "callid, leg") == [("else", ""), ("else", "2nd")]


def test_a_database_that_fails_costs_rows_but_no_calls(tmp_path: Path) -> None:
    path = tmp_path / "acc.sqlite"
    with Office('do_accounting("db"); t_relay();', params=database(path)) as server:
        with sqlite3.connect(path) as broken:
            broken.execute("DROP TABLE acc")
        broken.close()
        server.call_bob("broken")
        assert server.sent[-1].first_line.startswith("ACK")
        server._do(server.server.registry.get("acc").destroy())
        assert any("failed to insert into acc table" in one for one in server.log)


def test_calls_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "acc.sqlite"
    params = database(path) + VALUES + f'modparam("dialog", "db_mode", 1)\nmodparam("dialog", "db_url", "sqlite://{tmp_path}/d.sqlite")\n'
    from engine.server import dbtool

    assert dbtool.main(["create", "--with-dialog", f"sqlite://{tmp_path}/d.sqlite"]) == 0
    main = 'do_accounting("log|db", "cdr", "other"); $acc_extra(who) = "\xe9"; acc_new_leg(); $acc_leg(leg) = "x"; record_route(); t_relay();'
    with Office(main, params=params) as server:
        invite = server.call_bob("long", ring=1)
        server.advance(2)
    with Office(main, params=params) as server:
        server.advance(10)
        server.hang_up(invite)
        report, = server.reports()
        assert report.startswith(f"call ended: created={START};call_start_time={START + 1};duration=9;ms_duration=9000;setuptime=1;")
        assert report.endswith(";caller=\xe9;oth=;leg=;sd=;leg=x;sd=")
    assert rows(path, "other", "callid, duration, leg") == [("long", 9, ""), ("long", 9, "x")]


def test_whatever_stands_in_the_database_is_restored_or_refused() -> None:
    with Office("exit;", params=VALUES) as server:
        module = server.server.registry.get("acc")
        good = {
            "accX_flags": acc.pack_long(3), "accX_created": acc.pack_long(5), "accX_core": acc.pack([*"abcdef", acc.pack_long(7, 500000)]),
            "accX_extra": acc.pack_numbers(2) + acc.pack(["x", None]), "accX_leg": acc.pack_numbers(2, 1) + acc.pack(["y", "z"]),
        }
        account = module._restored(good)
        assert (account.flags, account.created, account.answered.time) == (3, 5, 7.5)
        assert (account.extra, account.legs) == ({"who": "x"}, [{"leg": "y", "side": "z"}])
        texts = st.one_of(st.text(st.characters(max_codepoint=255), max_size=40), st.sampled_from(sorted(good.values())))

        @settings(max_examples=300, deadline=None)
        @given(st.fixed_dictionaries({name: texts for name in good}))
        def anything(values: dict[str, str]) -> None:
            try:
                module._restored(values)
            except (ValueError, IndexError):
                pass

        anything()


# -------------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize("main, params, complaint", [
    ('do_accounting("aaa");', "", "aaa"), ('do_accounting("lug");', "", "invalid accounting backend: <lug>"),
    ('do_accounting("db");', "", "without a database"), ('do_accounting("log", "cdrs");', "", "invalid flag: <cdrs>"),
    ('acc_aaa_request("1");', "", "RADIUS"), ("$acc_extra(x) = 1;", "", "no extra_fields has this tag"),
    ('xlog("$acc_leg(x)");', "", "no leg_fields has this tag"),
    ("", 'modparam("acc", "aaa_url", "radius:/etc/x")', "RADIUS"), ("", 'modparam("acc", "extra_fields", "aaa: x")', "RADIUS"),
    ("", 'modparam("acc", "extra_fields", "x -> y")', "begin with a backend"), ("", 'modparam("acc", "leg_fields", "db: y")', "no database"),
    ("", 'modparam("acc", "log_facility", "LOG_NOWHERE")', "no log facility"),
    ("", 'modparam("acc", "db_url", "sqlite:///x")', "db_sqlite"),
])
def test_what_is_refused_at_start(main: str, params: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors) as found:
        Office(main or "exit;", params=params + "\n").close()
    assert complaint in str(found.value)


def test_without_dialog_there_are_no_cdrs_and_the_log_says_so() -> None:
    with Office('do_accounting("log", "cdr"); t_relay();', dialog=False) as server:
        server.call_bob("plain")
        assert [one.split(":")[0] for one in server.reports()] == ["transaction answered"]
        assert any("there are no CDRs" in one for one in server.log)
