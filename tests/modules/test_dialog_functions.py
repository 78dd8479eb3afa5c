"""dialog: values, flags, profiles and the questions about other dialogs, in scripts and over MI."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import ConfigErrors, MiError, ScriptError
from tests.helpers import make_reply, make_request
from tests.modules.dialog_parts import Phones, starts

PROFILES = 'modparam("dialog", "profiles_with_value", "caller ; callee")\nmodparam("dialog", "profiles_no_value", "inbound")\n'


def once(body: str) -> str:
    """A request route that makes the dialog and then runs this."""
    return f"create_dialog();\n{body}\nrecord_route(); t_relay();"


def rc(*calls: str) -> str:
    """Calls, each with its code in the log."""
    return "\n".join(f'{call}; xlog("XL|$retcode\\n");' for call in calls)


def test_values_keep_their_kind_and_go_with_null() -> None:
    main = once("""
        $dlg_val(text) = "a"; $dlg_val(number) = 5; $var(name) = "dyn"; $dlg_val($var(name)) = "d"; $var(v) = 3;
        store_dlg_value("stored", $var(v)); xlog("XL|$retcode\\n");
        store_dlg_value("null", $avp(none)); xlog("XL|$retcode\\n");
        $dlg_val(text) = NULL; $dlg_val(number) = $dlg_val(number) - 9;
        fetch_dlg_value("number", $avp(n)); xlog("XL|$retcode $avp(n) $dlg_val(dyn) <$dlg_val(text)>\\n");
        fetch_dlg_value("none", $avp(n)); xlog("XL|$retcode\\n");
    """)
    with Phones(main) as server:
        server.invite()
        assert server.xlog() == ["1", "-1", "1 -4 d <<null>>", "-1"]
        shown = server.mi("dlg_list_ctx")["Dialogs"][0]["context"]["values"]
        assert shown == [{"stored": 3}, {"dyn": "d"}, {"number": -4}]


def test_without_a_dialog_functions_say_so() -> None:
    calls = ('store_dlg_value("a", $ci)', 'fetch_dlg_value("a", $avp(x))', 'set_dlg_flag("A")', 'reset_dlg_flag("A")',
             'is_dlg_flag_set("A")', 'test_and_set_dlg_flag("A", 0)', 'set_dlg_profile("inbound")', 'is_in_profile("inbound")',
             'unset_dlg_profile("inbound")', "validate_dialog()", "fix_route_dialog()", "dlg_on_answer()", "dlg_on_hangup()",
             "dlg_on_timeout()", 'dlg_send_sequential("INFO", "caller")', "dlg_inc_cseq()", "unload_dialog_ctx()",
             'load_dialog_ctx("nobody")', "match_dialog()")
    shown = 'xlog("XL|$DLG_status $DLG_did $DLG_json $dlg_val(x) $DLG_flags $DLG_del_delay $DLG_timeout\\n"); exit;'
    with Phones(rc(*calls) + shown, params=PROFILES) as server:
        server.send(make_request("INVITE"))
        assert server.xlog() == [
            *"-1 -1 -1 -1 -1 -2 -1 -1 -1 -4 -1 -1 -1 -1 -1 -2 -1 -1 -1".split(), " ".join(["<null>"] * 7)]


def test_flags() -> None:
    main = once(
        'set_dlg_flag("A"); set_dlg_flag("B");'
        + rc('is_dlg_flag_set("A")', 'is_dlg_flag_set("C")', 'test_and_set_dlg_flag("C", 1)', 'test_and_set_dlg_flag("C", 0)',
             'test_and_set_dlg_flag("C", 7)')
        + 'reset_dlg_flag("A"); xlog("XL|$DLG_flags\\n"); $DLG_flags = "A nonsense"; xlog("XL|$DLG_flags\\n");'
        + '$DLG_flags = NULL; xlog("XL|<$DLG_flags>\\n"); set_dlg_flag("B");')
    with Phones(main) as server:
        server.invite()
        assert server.xlog() == ["1", "-1", "-1", "1", "-1", "C B", "A", "<>"]
        assert server.mi("dlg_list")["Dialogs"][0]["user_flags"] == "B"


def test_flags_of_release_31_are_numbers() -> None:
    inside = 'if (has_totag()) { loose_route(); xlog("XL|$DLG_flags\\n"); t_relay(); exit; }'
    main = 'create_dialog(); set_dlg_flag("4"); set_dlg_flag("0"); xlog("XL|$DLG_flags\\n"); record_route(); t_relay();'
    with Phones(main, inside=inside, compat="3.1") as server:
        server.invite()
        assert server.xlog() == ["17"]
        assert server.mi("dlg_list")["Dialogs"][0]["user_flags"] == 17


def test_profiles_count_and_let_go() -> None:
    main = once(
        rc('set_dlg_profile("inbound")', 'set_dlg_profile("caller", "$fU")', 'set_dlg_profile("caller", "x")',
           'set_dlg_profile("caller")', 'set_dlg_profile("nope")', 'is_in_profile("caller")', 'is_in_profile("caller", "x")',
           'is_in_profile("caller", "y")', 'is_in_profile("inbound", "whatever")', 'is_in_profile("callee")')
        + 'get_profile_size("caller", , $var(n)); xlog("XL|all $var(n)\\n"); get_profile_size("caller", "x", $var(n));'
        + 'xlog("XL|x $var(n)\\n"); set_dlg_profile("caller", "z", 1); get_profile_size("caller", , $var(n));'
        + 'xlog("XL|$var(n)\\n");'
        + rc('unset_dlg_profile("caller", "x")', 'unset_dlg_profile("callee")'))
    with Phones(main, params=PROFILES) as server:
        first = server.call(call_id="one")
        assert server.xlog() == [*"1 1 1 -1 -1 1 1 -1 1 -1".split(), "all 2", "x 1", "1", "-1", "-1"]
        server.call(call_id="two")
        assert server.mi("profile_get_size", {"profile": "inbound"})["Profile"]["count"] == 2
        assert server.mi("profile_get_values", {"profile": "caller"}) == [{"value": "z", "count": 2}]
        assert server.mi("profile_get_values", {"profile": "inbound"}) == [{"value": None, "count": 2}]
        listed = server.mi("profile_list_dlgs", {"profile": "caller", "value": "z"})["Dialogs"]
        assert sorted(one["callid"] for one in listed) == ["one", "two"]
        server.mi("dlg_set_profile", ["one", "callee", "v"])
        server.mi("set_dlg_profile", {"DID": "one", "profile": "callee", "value": "w", "clear_values": 1})
        assert server.mi("profile_get_values", {"profile": "callee"}) == [{"value": "w", "count": 1}]
        server.mi("unset_dlg_profile", {"DID": "one", "profile": "callee"})
        server.mi("dlg_unset_profile", {"dlg_id": "two", "profile": "inbound", "value": "counts for nothing"})
        for command, params in (("dlg_unset_profile", {"dlg_id": "two", "profile": "inbound"}),
                                ("dlg_set_profile", {"dlg_id": "two", "profile": "nope"}),
                                ("dlg_set_profile", {"dlg_id": "nope", "profile": "inbound"})):
            with pytest.raises(MiError):
                server.mi(command, params)
        server.hang_up(first)
        assert server.mi("profile_get_size", {"profile": "caller"})["Profile"] == {
            "name": "caller", "value": None, "count": 1, "shared": "no", "replicated": "no"}
        server.mi("profile_end_dlgs", {"profile": "caller", "value": "z"})
        assert starts(server.sent[-2:]) == ["5070 BYE", "5090 BYE"]


SHARED = """
loadmodule "cachedb_local.so"
"""


def test_shared_profiles_count_in_the_store() -> None:
    params = """
        modparam("dialog", "profiles_with_value", "caller/s")
        modparam("dialog", "profiles_no_value", "inbound / s; here")
        modparam("dialog", "cachedb_url", "local://")
    """
    main = once(
        'set_dlg_profile("caller/s", "a"); set_dlg_profile("inbound/s");'
        + rc('set_dlg_profile("caller", "a")', 'is_in_profile("caller/s", "a")')
        + 'get_profile_size("caller/s", "a", $var(n)); xlog("XL|$var(n)\\n"); get_profile_size("inbound/s", , $var(n));'
        + 'xlog("XL|$var(n)\\n"); cache_fetch("local", "dlg_val_caller_YQ==", $avp(c)); xlog("XL|$avp(c)\\n");'
        + 'cache_fetch("local", "dlg_size_caller", $avp(c)); xlog("XL|$avp(c)\\n");')
    with Phones(main, params=params, before=SHARED) as server:
        invite = server.call()
        assert server.xlog() == ["-1", "1", "1", "1", "1", "1"]
        assert server.mi("profile_get_size", {"profile": "caller/s"})["Profile"]["shared"] == "yes"
        with pytest.raises(MiError):
            server.mi("profile_get_values", {"profile": "caller/s"})
        server.hang_up(invite)
        assert server.mi("profile_get_size", {"profile": "caller/s", "value": "a"})["Profile"]["count"] == 0


class SlowStore:
    """A store across the network: every answer takes a turn of the loop; and it may be down."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.down = False

    async def _wait(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise ScriptError("the store is down")

    async def add(self, key: str, step: int, expire: int) -> int:
        await self._wait()
        self.counts[key] = self.counts.get(key, 0) + step
        return self.counts[key]

    async def counter(self, key: str) -> int | None:
        await self._wait()
        return self.counts.get(key)


def test_a_store_that_takes_its_time_or_is_down() -> None:
    params = 'modparam("dialog", "profiles_no_value", "p/s")\nmodparam("dialog", "cachedb_url", "local://")\n'
    main = once(rc('set_dlg_profile("p/s")') + 'get_profile_size("p/s", , $var(n)); xlog("XL|$var(n)\\n");')
    with Phones(main, params=params, before=SHARED) as server:
        store: Any = SlowStore()
        server.module._store = store
        invite = server.call()
        assert server.xlog() == ["1", "1"] and store.counts == {"dlg_noval_p": 1}
        server.hang_up(invite)
        assert store.counts == {"dlg_noval_p": 0}
        store.down = True
        server.call(call_id="second")
        assert server.xlog()[2:] == ["-1", "0"]
        assert any("the store is down" in line for line in server.log)
        store.down = False


def test_questions_about_other_dialogs() -> None:
    main = """
        if ($rU == "ask") {
            $var(g) = "g1"; $var(no) = "g9";
            get_dialog_info("who", $avp(who), "group", $var(g), $var(n)); xlog("XL|$retcode $var(n) $(avp(who)[*])\\n");
            get_dialog_info("who", $avp(no), "group", $var(no), $var(n)); xlog("XL|$retcode\\n");
            get_dialog_info("absent", $avp(no), "group", $var(g), $var(n)); xlog("XL|$retcode\\n");
            get_dialog_vals($avp(names), $avp(vals), "a"); xlog("XL|$retcode $(avp(names)[*]) $(avp(vals)[*])\\n");
            get_dialog_vals($avp(names), $avp(vals), "z"); xlog("XL|$retcode\\n");
            get_dialogs_by_val("group", $var(g), $avp(json), $var(n)); xlog("XL|$retcode $var(n) $(json{s.len})\\n");
            get_dialogs_by_profile("inbound", , $avp(json), $var(n)); xlog("XL|$retcode $var(n)\\n");
            get_dialogs_by_profile("caller", "nobody", $avp(json), $var(n)); xlog("XL|$retcode\\n");
            load_dialog_ctx("b"); xlog("XL|$retcode $dlg_val(who) $DLG_status $DLG_dir\\n");
            $var(did) = $DLG_did; load_dialog_ctx("a"); xlog("XL|$retcode\\n");
            unload_dialog_ctx(); xlog("XL|$retcode $dlg_val(who) $DLG_status\\n");
            load_dialog_ctx("$var(did)", "did"); xlog("XL|$retcode $dlg_val(who)\\n");
            exit;
        }
        create_dialog(); set_dlg_profile("inbound"); $dlg_val(who) = $rU; $dlg_val(group) = "g1"; record_route(); t_relay();
    """.replace("$(json{s.len})", "")
    with Phones(main, params=PROFILES) as server:
        server.call("sip:one@127.0.0.1:5090", call_id="a")
        server.call("sip:two@127.0.0.1:5090", call_id="b")
        server.send(make_request("MESSAGE", "sip:ask@127.0.0.1", call_id="m"))
        got = server.xlog()
        assert got[0] in ("2 2 one, two", "2 2 two, one") and got[1:3] == ["-1", "-1"]
        assert got[3] == "1 who, group one, g1" and got[4] == "-1"
        assert got[5:] == ["2 2 ", "2 2", "-1", "1 two 4 <null>", "-1", "1 <null> <null>", "1 two"]


@pytest.mark.parametrize("call", [
    'get_dialog_info("a", $var(x), "b", $var(y), $var(n))', 'get_dialog_vals($var(a), $avp(b), "x")', 'get_profile_size("x")',
    'load_dialog_ctx("a", "other")', 'get_dialogs_by_profile("x", "y", $avp(z))',
    'dlg_send_sequential("INFO", "somebody")',
])
def test_bad_arguments_are_refused_at_load(call: str) -> None:
    with pytest.raises(ConfigErrors):
        Phones(f"{call}; exit;")


def test_sequential_requests_from_a_script() -> None:
    inside = """if (has_totag()) { loose_route();
        if (is_method("MESSAGE")) {
            dlg_send_sequential("INFO", "caller", "Signal=1", "application/dtmf-relay", "X-A: b\\r\\n"); xlog("XL|$retcode\\n");
            dlg_send_sequential("INFO", "callee"); xlog("XL|$retcode\\n"); sl_send_reply(200, "OK"); exit; }
        t_relay(); exit; }"""
    with Phones(inside=inside) as server:
        invite = server.call(cseq=20)
        to_alice, to_bob, _ = server.from_alice("MESSAGE", invite, cseq=21)
        assert server.xlog() == ["1", "1"]
        assert (to_alice.port, to_alice.header("Content-Type"), to_alice.header("X-A"), to_alice.header("Contact")) == (
            5070, "application/dtmf-relay", "b", "<sip:bob@127.0.0.1:5090>")
        assert (to_bob.port, to_bob.header("CSeq"), to_bob.header("Contact")) == (5090, "22 INFO", "<sip:alice@127.0.0.1:5070>")


def test_dlg_inc_cseq_counts_up_what_follows() -> None:
    inside = """if (has_totag()) { loose_route();
        if (is_method("INFO")) { dlg_inc_cseq(); xlog("XL|$retcode\\n"); dlg_inc_cseq("b1", 10); dlg_inc_cseq("x");
            xlog("XL|$retcode\\n"); }
        t_relay(); exit; }"""
    with Phones(inside=inside) as server:
        invite = server.call()
        server.from_alice("INFO", invite, cseq=2)
        assert server.xlog() == ["1", "-1"]
        message, = server.from_alice("MESSAGE", invite, cseq=3)
        assert message.header("CSeq") == "14 MESSAGE"


def ask(server: Phones, params: dict[str, Any], *answers: tuple[int, str]) -> Any:
    """dlg_send_sequential, whose requests are answered one after the other (code, body)."""

    async def whole() -> Any:
        task = asyncio.ensure_future(server.server.mi.call("dlg_send_sequential", params))
        for code, body in answers:
            for _ in range(50):
                await asyncio.sleep(0)
            request = next(one for one in reversed(server.sent) if not one.text.startswith(("ACK", "SIP")))
            await asyncio.sleep(0)
            server.server.workers.run(lambda: server.server.receiver.receive(  # noqa: B023
                reply_to(request.text, code, body), request.ip, request.port, server.server.sockets.all[0], None))  # noqa: B023
        return await asyncio.wait_for(task, 5)

    return server._do(whole())


def reply_to(request: str, code: int, body: str) -> bytes:
    """The phone's answer."""
    return make_reply(request, code, headers="Contact: <sip:x@127.0.0.1:5070>\r\n" if code < 300 else "", body=body).encode()


def test_sequential_requests_over_mi() -> None:
    with Phones() as server:
        server.call(body="offer", answer_body="answer")
        assert ask(server, {"callid": "call-1", "body": "inbound"}, (200, "x")) == {"Code": 200, "Reason": "Reason"}
        sent = [one for one in server.sent if one.text.startswith("INVITE")][-1]
        assert (sent.port, sent.text.rpartition("\r\n\r\n")[2]) == (5070, "answer")
        assert ask(server, {"callid": "call-1", "mode": "challenge-callee", "method": "UPDATE"}, (200, "new"), (488, "")) == {
            "Code": 488, "Reason": "Reason"}
        first, second = [one for one in server.sent if one.text.startswith("UPDATE")]
        assert (first.port, second.port, second.text.rpartition("\r\n\r\n")[2]) == (5090, 5070, "new")
        assert ask(server, {"callid": "call-1", "mode": "challenge"}, (200, ""))["Code"] == 400
        assert ask(server, {
            "callid": "call-1", "mode": "callee", "method": "INFO", "body": "custom:text/plain:a:b", "headers": "X-Y: z",
        }, (202, "")) == {"Code": 202, "Reason": "Reason"}
        info = [one for one in server.sent if one.text.startswith("INFO")][-1]
        assert (info.header("Content-Type"), info.header("X-Y")) == ("text/plain", "z") and info.text.endswith("\r\n\r\na:b")
        for bad, code in (({"mode": "x"}, 400), ({"body": "x"}, 400), ({"mode": "challenge", "method": "INFO"}, 406)):
            with pytest.raises(MiError) as error:
                server.mi("dlg_send_sequential", {"callid": "call-1", **bad})
            assert error.value.code == code


def test_lists_over_mi() -> None:
    with Phones() as server:
        for number in range(4):
            server.call(call_id=f"c{number}")
        assert len(server.mi("dlg_list")["Dialogs"]) == 4
        part = server.mi("dlg_list", {"index": 1, "counter": 2})
        assert part["count"] == 4 and len(part["Dialogs"]) == 2
        one = server.mi("dlg_list", {"callid": "c2"})["Dialog"]
        assert (one["callid"], one["caller_bind_addr"], one["CALLEES"][0]["callee_tag"]) == ("c2", "udp:127.0.0.1:5060", "b1")
        assert server.mi("dlg_list", {"callid": "c2", "from_tag": "a1"})["Dialog"] == one
        with pytest.raises(MiError):
            server.mi("dlg_list", {"callid": "c2", "from_tag": "x"})
        server.mi("dlg_push_var", {"dlg_val_name": "n", "dlg_val_value": "v", "DID": ["c1", one["ID"], "nobody"]})
        listed = server.mi("dlg_list_ctx")["Dialogs"]
        with_value = [each["callid"] for each in listed if each["context"].get("values") == [{"n": "v"}]]
        assert sorted(with_value) == ["c1", "c2"]


def test_end_over_mi() -> None:
    with Phones() as server:
        invite = server.invite()
        server.answer(invite, 180)
        server.mi("dlg_end_dlg", {"dialog_id": "call-1"})
        assert server.sent[-1].first_line.startswith("CANCEL")
        server.answer(invite, 487)
        with pytest.raises(MiError):
            server.mi("dlg_end_dlg", {"dialog_id": "call-1"})
        server.call(call_id="two")
        dialog = server.module.find("two")
        server.mi("dlg_end_dlg", {"dialog_id": dialog.did, "extra_hdrs": "X-End: mi\r\n"})
        bye = server.sent[-1]
        assert bye.header("X-End") == "mi" and dialog.end_reason == "MI Termination" and dialog.state == 4
        server.answer(bye, 481)
        assert dialog.state == 5


def test_reinvite_moves_the_legs() -> None:
    with Phones() as server:
        invite = server.call(body="offer", answer_body="answer")
        again = server.from_alice("INVITE", invite, cseq=2, headers="Contact: <sip:new@127.0.0.1:5071>\r\n", body="offer2")[-1]
        dialog = server.dialogs[0]
        assert dialog.caller.contact == "sip:new@127.0.0.1:5071" and dialog.caller.in_sdp == "offer"
        server.answer(again, 200, headers="Contact: <sip:moved@127.0.0.1:5092>\r\n", body="answer2")
        assert dialog.callee is not None
        assert (dialog.callee.contact, dialog.caller.in_sdp, dialog.callee.in_sdp) == (
            "sip:moved@127.0.0.1:5092", "offer2", "answer2")
        shown = server.mi("dlg_list")["Dialogs"][0]
        assert shown["caller_sdp"] == "offer2" and shown["CALLEES"][0]["callee_sdp"] == "answer2"
