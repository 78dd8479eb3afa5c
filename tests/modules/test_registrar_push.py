"""Push notification, RFC 8599: what a REGISTER is promised, who is woken, how waiting requests go on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import ConfigErrors
from engine.module import ConfigError
from tests.modules.parts import run
from tests.modules.registrar_parts import RegistrarServer, targets
from tests.modules.test_registrar import contact_line

PN = "pn-provider=apns;pn-prid=P1;pn-param=Q"
BOB = f"<sip:bob@192.0.2.1;{PN}>"
DESK = "<sip:desk@192.0.2.2>"
PROMISE = 'Feature-Caps: +sip.pns="apns";+sip.pnsreg="130"\r\n'
QUERY = 'Feature-Caps: +sip.pns="apns"\r\n'
QUERY_FCM = 'Feature-Caps: +sip.pns="fcm"\r\n'


def push(test: Any, **params: Any) -> None:
    """Run a test body on a server with push notification."""

    async def body() -> None:
        options: dict[str, Any] = {"pn_enable": 1, "pn_providers": "apns, fcm ,webpush", **params}
        async with RegistrarServer(**options) as server:
            server.listen("E_UL_CONTACT_REFRESH")
            result = test(server)
            if result is not None:
                await result

    run(body)


def caps(headers: str) -> str:
    """The Feature-Caps lines of a reply."""
    return "".join(line + "\r\n" for line in headers.split("\r\n") if line.startswith("Feature-Caps"))


@pytest.mark.parametrize(("contact", "line", "status", "expected", "flag"), [
    (BOB, "", 200, PROMISE, 4),
    ("<sip:b@192.0.2.1;PN-Provider=apns;PN-PRID=P1;Pn-Param=Q>", "", 200, PROMISE, 4),
    ("<sip:b@192.0.2.1;pn-prid=P;pn-param=Q>", "", 200, "", 0),
    ("<sip:b@192.0.2.1;pn-provider>", "", 200, QUERY + QUERY_FCM + 'Feature-Caps: +sip.pns="webpush"\r\n', 0),
    ("<sip:b@192.0.2.1;pn-provider>", 'Feature-Caps: *;+sip.pns="fcm", *;+sip.pns="webpush"', 200, QUERY, 0),
    ("<sip:b@192.0.2.1;pn-provider=fcm>", "", 200, QUERY_FCM, 0),
    ("<sip:b@192.0.2.1;pn-provider=acme>", "", 555, "", 0),
    ("<sip:b@192.0.2.1;pn-provider=APNS;pn-prid=P;pn-param=Q>", "", 555, "", 0),
    ("<sip:b@192.0.2.1;pn-provider=apns;pn-prid=P>", "", 555, "", 0),
    ("<sip:b@192.0.2.1;pn-provider=apns;pn-param=Q>", "", 555, "", 0),
    ("<sip:b@192.0.2.1;pn-provider=apns;pn-prid;pn-param=Q>", "", 400, "", 0),
    (BOB, 'Feature-Caps: *;+sip.pns="apns"', 200, "", 0),
    ("<sip:b@192.0.2.1;pn-provider=acme;pn-prid=P;pn-param=Q>", 'Feature-Caps: +sip.pns="acme"', 200, "", 0),
    (f"{DESK}, {BOB}", "", 200, PROMISE, 0),
])
def test_judgement(contact: str, line: str, status: int, expected: str, flag: int) -> None:
    def test(server: RegistrarServer) -> None:
        got, headers = server.register(contact, *([line] if line else []))
        assert (got, caps(headers)) == (status, expected)
        assert [stored.flags for stored in server.location.get("bob").contacts][:1] == [flag] if status == 200 else True
        if status == 555:
            assert headers == "P-Registrar-Error: Push Notification Service Not Supported\r\nRetry-After: 9\r\n"

    push(test, retry_after=9)


def test_contacts_are_judged_one_by_one() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(f"{BOB}, {DESK}")
        assert [contact.flags for contact in server.location.get("bob").contacts] == [4, 0]
        assert server.register(f"{DESK}, <sip:b@192.0.2.1;pn-provider=acme>")[0] == 555

    push(test)


def test_matched_by_push_parameters() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(BOB, call_id="one", cseq=7)
        moved = "sip:robert@198.51.100.9;transport=tcp;" + PN
        server.register(f"<{moved}>", call_id="two", cseq=1)
        assert server.stored() == [moved]
        server.register("<sip:robert@198.51.100.9;transport=tcp;pn-provider=apns;pn-prid=P2;pn-param=Q>", call_id="two", cseq=2)
        server.register("<sip:robert@198.51.100.9;transport=tcp>", call_id="desk")
        assert len(server.stored()) == 3
        assert server.register(f"<{moved}>;expires=0", call_id="two", cseq=3)[0] == 200
        assert moved not in server.stored()
        status, headers = server.register("<sip:x@192.0.2.1;pn-provider=apns;pn-prid=P2;pn-param=Q>", call_id="two", cseq=1)
        assert (status, caps(headers)) == (400, PROMISE)
        # A matching mode of the call switches push notification off.
        assert caps(server.register(BOB, flags="matching-mode=0")[1]) == ""

    push(test)


def test_removal_without_token() -> None:
    bare, with_param = "<sip:bob@192.0.2.1;pn-provider=apns>", "<sip:bob@192.0.2.1;pn-provider=apns;pn-param=Q>"

    def as_reference(server: RegistrarServer) -> None:
        server.register(BOB)
        assert caps(server.register(bare, expires=0)[1]) == QUERY
        assert len(server.stored()) == 1
        assert server.register(with_param, expires=0, call_id="other")[0] == 200
        assert server.stored() == []

    def as_rfc(server: RegistrarServer) -> None:
        server.register(BOB)
        server.register(bare, expires=0)
        assert server.stored() == []

    push(as_reference)
    push(as_rfc, pn_remove_without_prid=1)


def test_own_match_parameters() -> None:
    def test(server: RegistrarServer) -> None:
        web = "<sip:bob@192.0.2.1;ob;pn-provider=webpush;pn-prid=P1;pn-param=Z>"
        assert '="webpush";+sip.pnsreg' in server.register("<sip:bob@192.0.2.1;pn-provider=webpush;pn-prid=P1>")[1]
        server.register(web)
        assert server.stored() == [web[1:-1]]
        assert server.register("<sip:bob@192.0.2.1;pn-provider=apns;pn-prid=P1>")[0] == 555
        server.lookup()
        server.register(web)
        assert server.tm.injected[0][1][0].uri == "sip:bob@192.0.2.1;ob"

    push(test, pn_provider_match_params=["webpush: pn-provider, pn-prid"])


def test_purr_is_of_the_contact_just_stored() -> None:
    def test(server: RegistrarServer) -> None:
        def purr(headers: str) -> str:
            return caps(headers).partition('pnspurr="')[2].partition('"')[0]

        first = purr(server.register(BOB)[1])
        assert [len(part) for part in first.split(".")] == [3, 5, 8]
        other = purr(server.register(f"<sip:carol@192.0.2.1;{PN}>", user="carol")[1])
        assert other != first
        assert purr(server.register(BOB)[1]) == first
        assert purr(server.register(BOB, expires=0)[1]) == first
        assert caps(server.register(BOB, expires=0)[1]) == PROMISE

    push(test, pn_enable_purr=1)
    push(test, pn_enable_purr=1, pn_purr_secret="k")


def test_a_secret_hides_the_contact_id() -> None:
    def test(server: RegistrarServer) -> None:
        rules = server.registrar.push
        purr = rules.purr(0x123456789ABCDEF0)
        assert purr != "123.45678.9abcdef0"
        assert rules.contact_ids(purr.upper()) == [0x123456789ABCDEF0]
        assert rules.contact_ids("somebody-elses") == []

    push(test, pn_purr_secret="k")


def test_a_purr_changes_and_old_ones_end() -> None:
    def test(server: RegistrarServer) -> None:
        rules = server.registrar.push
        contact_id = (1 << 62) - 7
        seen = []
        for _ in range(8):
            seen.append(rules.purr(contact_id))
            server.pass_time(100)
        assert len(set(seen)) == 8
        assert [contact_id in rules.contact_ids(purr) for purr in seen] == [False] * 6 + [True] * 2

    push(test, pn_purr_secret="k", pn_purr_lifetime=100)


def test_optional_behaviour() -> None:
    def brief(server: RegistrarServer) -> None:
        status, headers = server.register(BOB, expires=100)
        assert (status, headers.split("\r\n")[-2]) == (423, "Min-Expires: 121")
        assert server.stored() == []

    def no_promise(server: RegistrarServer) -> None:
        assert caps(server.register(BOB, expires=100)[1]) == ""
        assert caps(server.register(BOB, expires=600)[1]) == PROMISE.replace("+", "*;+", 1)
        assert contact_line(server.register(DESK)[1]) == f"<sip:bob@192.0.2.1>;expires=600, {DESK};expires=600"
        assert contact_line(server.register(BOB)[1]).startswith(BOB)

    push(brief, pn_short_lifetime=2)
    push(no_promise, pn_short_lifetime=1, pn_feature_caps_star=1, pn_hide_params=1)


@pytest.mark.parametrize("params", [
    {"pn_providers": " ,"}, {"pn_providers": "a,b,c,d,e"}, {"pn_providers": "x" * 41}, {"pn_ct_match_params": " , "},
    {"pn_ct_match_params": "pn-provider, " + "x" * 41}, {"event_routing": False}, {"pn_provider_match_params": ["acme: x"]},
])
def test_refused_at_start(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigErrors):
        push(lambda server: None, **params)


def test_script_is_checked_for_purr() -> None:
    def test(server: RegistrarServer) -> None:
        validate = server.registrar.cfg_validate
        with pytest.raises(ConfigError, match="record_route"):
            validate(server.script)
        server.script.used.add("record_route")
        with pytest.raises(ConfigError, match="pn_process_purr"):
            validate(server.script)
        server.script.used_async.add("pn_process_purr")
        validate(server.script)
        server.registrar.pn_enable_purr = 0
        with pytest.raises(ConfigError, match="off"):
            validate(server.script)

    push(test, pn_enable_purr=1)


# ---- waiting calls ----

def test_call_waits_and_is_forked_once() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(BOB)
        code, ctx = server.lookup()
        assert (code, targets(ctx)) == (2, ["sip:bob@example.com"])
        assert server.tm.waits == [(ctx.transaction.ident, 1, 6.0)]
        params = server.heard[0][1]
        assert (params["reason"], params["req_callid"], params["uri"]) == ("ini-INVITE", "call-1", BOB[1:-1])
        assert "pn_waiting" in ctx.transaction.slots
        assert server.registrar.stat_waiting() == 1
        moved = f"<sip:bob@198.51.100.1:4000;ob;{PN};x-net=lte>;q=0.5"
        server.register(moved, "Path: <sip:edge;lr>", flags="p0", call_id="other")
        server.register(moved, "Path: <sip:edge;lr>", flags="p0", call_id="other")
        [(ident, [branch])] = server.tm.injected
        assert (ident, branch.uri) == (ctx.transaction.ident, "sip:bob@198.51.100.1:4000;ob;x-net=lte")
        assert (branch.path, branch.dst_uri, branch.q, branch.send_socket) == ("<sip:edge;lr>", "sip:edge;lr", 500, server.socket)
        assert server.registrar.stat_waiting() == 0
        assert (server.registrar.pn_sent.count, server.registrar.pn_woken.count) == (1, 1)

    push(test)


def test_only_the_right_device_counts() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(BOB)
        server.register(f"<sip:carol@192.0.2.1;{PN}>", user="carol")
        server.lookup()
        server.register(f"<sip:carol@192.0.2.1;{PN}>", user="carol")
        server.register(BOB.replace("P1", "P2"))
        server.register(BOB.replace("P1", "P2"))
        server.register(BOB, "Feature-Caps: x", cseq=1)     # refused: out of order
        assert server.tm.injected == []

    push(test)


def test_mixed_devices_and_retransmission() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(f"{DESK};q=0.5")
        server.register(f"{BOB};q=0.9")
        server.register(f"{BOB.replace('P1', 'P2')};q=0.1")
        code, ctx = server.lookup()
        assert (code, targets(ctx), ctx.transaction.slots) == (1, ["sip:desk@192.0.2.2"], {})
        assert server.tm.waits[0][1] == 3
        assert [params["uri"] for _, params in server.heard] == [BOB[1:-1], BOB[1:-1].replace("P1", "P2")]
        again = server.request("INVITE", "sip:bob@example.com", branch=ctx.transaction.ident[7:])
        assert server.lookup(ctx=again)[0] == 0
        assert len(server.heard) == 2
        # no-branches: a sleeper before the first one called is not woken; only sleepers: the best of them.
        assert server.lookup(flags="b", ctx=server.request("INVITE", "sip:bob@example.com"))[0] == 1
        assert len(server.heard) == 2
        server.register(f"{DESK};expires=0")
        assert server.lookup(flags="b")[0] == 2
        assert len(server.heard) == 3
        assert server.lookup(flags="B")[0] == 1

    push(test)


def test_awake_devices_are_called_at_once() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(f"<sip:bob@192.0.2.1;ob;{PN}>")
        server.pass_time(2)
        assert targets(server.lookup()[1]) == ["sip:bob@192.0.2.1;ob"]
        server.pass_time(2)
        assert server.lookup()[0] == 2

    push(test, pn_skip_pn_interval=3)


def test_late_or_cancelled_calls_get_nothing() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(BOB)
        server.lookup()[1].transaction.cancelled = True
        server.register(BOB)
        server.lookup()
        server.pass_time(9)
        server.run_deferred()
        server.register(BOB)
        assert server.tm.injected == []
        assert server.registrar.pn_timeout.count == 1
        assert server.event_routing.boards["E_UL_CONTACT_UPDATE"].exact == {}

    push(test)


def test_push_failed() -> None:
    def test(server: RegistrarServer) -> None:
        server.register(BOB)
        ctx = server.lookup()[1]
        assert server.registrar.pn_failed(ctx, "other") is False
        assert server.registrar.pn_failed(ctx, "P1") is True
        assert server.tm.ended == [(ctx.transaction.ident, 480)]
        server.register(DESK)
        ctx = server.lookup()[1]
        server.registrar.pn_failed(ctx, "P1")
        assert server.tm.ended[1] == (ctx.transaction.ident, 0)

    push(test)


# ---- requests inside a dialog ----

def purr_of(server: RegistrarServer, aor: str = "bob") -> str:
    """PURR of the first contact."""
    return str(server.registrar.push.purr(server.location.get(aor).contacts[0].contact_id))


def test_purr_in_request_uri_or_own_route() -> None:
    async def test(server: RegistrarServer) -> None:
        server.register(BOB)
        purr = purr_of(server)
        own, foreign = f"<sip:192.0.2.100;lr;pn-purr={purr}>", f"<sip:192.0.2.77;lr;pn-purr={purr}>"
        process = server.registrar.pn_process_purr
        for uri, routes, waits in (
            (f"sip:bob@192.0.2.1;pn-purr={purr}", (), True), ("sip:bob@192.0.2.1", (f"Route: {foreign}",), True),
            ("sip:bob@192.0.2.1", (f"Route: <sip:a;lr>, {own}",), True),
            ("sip:bob@192.0.2.1", (f"Route: <sip:a;lr>, {foreign}",), False), ("sip:bob@192.0.2.1", (), False),
            ("sip:bob@192.0.2.1;pn-purr=somebody-elses", (), False), ("sip:bob@192.0.2.1;pn-purr=000.00000.00000001", (), False),
        ):
            ctx = server.request("INFO", uri, *routes)
            result = process(ctx, server.location)
            if not waits:
                assert result == 2
                continue
            await asyncio.sleep(0)
            server.register(BOB.replace("bob@", "bob@").replace(";pn-provider", ";ob;pn-provider"))
            assert await result == 1
            assert ctx.avps["uri"] == ["sip:bob@192.0.2.1;ob"]
            assert ctx.avps["aor"] == ["bob"]
        assert process(server.request("ACK", f"sip:bob@192.0.2.1;pn-purr={purr}"), server.location) == 2
        assert [params["reason"] for _, params in server.heard] == ["mid-INFO"] * 3

    push(test, pn_enable_purr=1)


def test_purr_timeout_and_repeat() -> None:
    async def test(server: RegistrarServer) -> None:
        server.register(BOB)
        uri = f"sip:bob@192.0.2.1;pn-purr={purr_of(server)}"
        ctx = server.request("BYE", uri)
        result = server.registrar.pn_process_purr(ctx, server.location)
        repeat = server.registrar.pn_process_purr(
            server.request("BYE", uri, branch=ctx.transaction.ident[7:]), server.location,
        )
        assert repeat.done() and len(server.heard) == 1
        server.pass_time(7)
        server.run_deferred()
        assert await result == 3
        assert "uri" not in ctx.avps
        given_up = server.registrar.pn_process_purr(server.request("INVITE", uri), server.location)
        given_up.cancel()
        await asyncio.sleep(0)
        assert server.registrar.stat_waiting() == 0

    push(test, pn_enable_purr=1, pn_timeout_code=3)


@pytest.mark.parametrize(("params", "status"), [
    (";pn-provider=apns;pn-param;pn-prid=b", 400), (";pn-provider=apns;pn-prid=b;pn-param=", 400), (";pn-param", 400),
    (";pn-purr", 400), (";pn-provider=apns;pn-param=;pn-prid=b", 555),
])
def test_push_parameters_need_a_value(params: str, status: int) -> None:
    def test(server: RegistrarServer) -> None:
        assert server.register(f"<sip:bob@192.0.2.1{params}>")[0] == status

    push(test)
