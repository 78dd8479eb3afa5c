"""tm: the placeholder branch, branches added later, async(), requests of the server itself, MI."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import MiError
from tests.helpers import make_request
from tests.modules.tm_parts import BOB, CAROL, SOURCE, Calls, lines


def test_injected_branches_run_their_branch_route() -> None:
    more = 'branch_route[b] { append_hf("X-Branch: $T_branch_idx\\r\\n"); }'
    with Calls('t_newtran(); append_hf("X-Early: 1\\r\\n"); t_on_branch("b"); t_wait_for_new_branches();', more) as server:
        assert lines(server.invite()) == ["5070 100 Giving it a try"]
        assert server.inject(f"sip:woken@{BOB}") == 1
        invite = server.sent[-1]
        assert (invite.header("X-Branch"), invite.header("X-Early")) == ("1", "1")
        assert lines(server.answer(invite, 200)) == ["5070 200 Reason"]
        assert server.inject(f"sip:late@{CAROL}") == -2


def test_negative_answers_wait_for_the_placeholder() -> None:
    with Calls("t_newtran(); t_wait_for_new_branches(); t_relay();", params='modparam("tm", "fr_inv_timeout", 20)') as server:
        _, invite = server.invite()
        assert lines(server.answer(invite, 486)) == [f"5090 ACK sip:bob@{BOB}"]
        sent = server.advance(21.0)
        assert sent[0].first_line == "SIP/2.0 486 Reason"


def test_the_wait_is_over_with_the_last_branch() -> None:
    with Calls("t_newtran(); t_wait_for_new_branches(1);") as server:
        server.invite()
        server.inject(f"sip:woken@{BOB}")
        assert lines(server.answer(server.sent[-1], 486)) == [f"5090 ACK sip:woken@{BOB}", "5070 486 Reason"]


@pytest.mark.parametrize(("method", "final"), [("INVITE", "408 Request Timeout"), ("MESSAGE", "480 Temporarily Unavailable")])
def test_nobody_comes(method: str, final: str) -> None:
    with Calls("t_newtran();") as server:
        server.tm.register("created", lambda transaction, ctx: server.tm._add_placeholder(
            transaction, None, 3.0, 408 if transaction.is_invite else 480))
        server.send(make_request(method, f"sip:bob@{BOB}"), SOURCE)
        assert server.advance(4.0)[0].first_line == f"SIP/2.0 {final}"


def test_cancel_of_a_call_that_only_waits() -> None:
    more = 'failure_route[f] { xlog("XL|$T_reply_code\\n"); }'
    main = 'if (is_method("CANCEL")) { t_relay(); exit; } t_on_failure("f"); t_newtran(); t_wait_for_new_branches();'
    with Calls(main, more) as server:
        server.invite()
        assert lines(server.cancel()) == ["5070 200 canceling", "5070 487 Request Terminated"]
        assert server.xlog() == ["487"]
        assert server.inject(f"sip:woken@{BOB}") == -2


def test_cancel_while_one_rings_and_others_sleep() -> None:
    main = 'if (is_method("CANCEL")) { t_relay(); exit; } t_newtran(); t_wait_for_new_branches(); t_relay();'
    with Calls(main) as server:
        _, invite = server.invite()
        server.answer(invite, 180)
        assert lines(server.cancel()) == ["5070 200 canceling", f"5090 CANCEL sip:bob@{BOB}"]
        assert lines(server.answer(invite, 487)) == [f"5090 ACK sip:bob@{BOB}", "5070 487 Reason"]


def test_no_more_branches_gives_the_best_answer() -> None:
    with Calls("t_newtran(); t_wait_for_new_branches(); t_relay();") as server:
        _, invite = server.invite()
        server.answer(invite, 404)
        transaction = server.transactions[0]
        assert server.call(lambda: server.tm.no_more_branches(transaction)) == 1
        assert server.sent[-1].first_line == "SIP/2.0 404 Reason"
        assert server.call(lambda: server.tm.no_more_branches(transaction)) == -1


def test_injection_may_replace_the_others() -> None:
    with Calls("t_relay();") as server:
        _, invite = server.invite()
        server.answer(invite, 180)
        before = len(server.sent)
        assert server.inject(f"sip:other@{CAROL}", cancel=True) == 1
        assert lines(server.sent[before:]) == [f"5091 INVITE sip:other@{CAROL}", f"5090 CANCEL sip:bob@{BOB}"]


def test_a_path_becomes_route_and_destination() -> None:
    from engine.script.context import Branch

    with Calls("t_newtran(); t_wait_for_new_branches();") as server:
        server.invite()
        transaction = server.transactions[0]
        branch = Branch("sip:bob@192.0.2.7", path=f"<sip:{CAROL};lr>", q=500, flags=0)
        assert server.call(lambda: server.tm.inject(transaction, [branch])) == 1
        assert (server.sent[-1].port, server.sent[-1].header("Route")) == (5091, f"<sip:{CAROL};lr>")


def suspended(server: Calls) -> tuple[Any, Any]:
    """Suspend the request of a new transaction: (its run, the transaction)."""
    seen: list[Any] = []
    server.tm.register("created", lambda transaction, ctx: (seen.append(ctx), setattr(transaction, "suspended", True)))
    server.invite()
    return seen[0], server.transactions[0]


def test_a_suspended_request_is_kept_and_goes_on() -> None:
    with Calls("t_newtran();") as server:
        ctx, transaction = suspended(server)
        server.advance(60.0)
        assert server.transactions == [transaction]
        assert server.tm.resumed(ctx)
        assert server.call(lambda: server.tm.t_relay(ctx)) == 1
        server.tm.after_resume(ctx)
        assert server.sent[-1].first_line == f"INVITE sip:bob@{BOB} SIP/2.0"


def test_cancel_answers_a_suspended_request_at_once() -> None:
    with Calls('if (is_method("CANCEL")) t_relay(); else t_newtran();') as server:
        ctx, transaction = suspended(server)
        transaction.suspended = True
        assert lines(server.cancel()) == ["5070 200 canceling", "5070 487 Request Terminated"]
        assert not server.tm.resumed(ctx)


def test_an_abandoned_suspended_request_vanishes() -> None:
    with Calls("t_newtran();") as server:
        ctx, _ = suspended(server)
        assert server.tm.resumed(ctx)
        server.tm.after_resume(ctx)
        server.advance(6.0)
        assert not server.transactions


def test_other_requests_answer_from_outside() -> None:
    with Calls("t_relay();") as server:
        _, invite = server.invite()
        server.answer(invite, 180)
        transaction = server.transactions[0]
        assert server.tm.find(transaction.ident) is transaction
        before = len(server.sent)
        assert server.call(lambda: server.tm.reply_to(transaction, 480, "Not Now", "X-Why: no\r\n")) == 1
        final, cancel = server.sent[before:]
        assert (final.first_line, final.header("X-Why"), cancel.port) == ("SIP/2.0 480 Not Now", "no", 5090)
        assert server.tm.reply_to(transaction, 486, "Again") == -1


def test_a_request_of_our_own() -> None:
    more = """local_route {
        xlog("XL|$rm $ru $fu $avp(uac_ctx) $cs\\n"); append_hf("X-Local: 1\\r\\n"); t_on_reply("r"); t_on_failure("f");
    }
    onreply_route[r] { xlog("XL|reply $rs\\n"); }
    failure_route[f] { xlog("XL|failed $T_reply_code\\n"); }"""
    main = f'''t_new_request("MESSAGE", "sip:bob@{BOB}", "\\"Me\\" sip:me@example.com", "sip:you@example.com",
        "text/plain hello there", "ctx"); xlog("XL|rc=$retcode\\n");'''
    with Calls(main, more) as server:
        message, = server.send(make_request("OPTIONS"), SOURCE)
        assert message.text.endswith("\r\n\r\nhello there") and message.header("Content-Length") == "11"
        assert message.header("From").startswith('"Me" <sip:me@example.com>;tag=')
        assert (message.header("X-Local"), message.header("Content-Type")) == ("1", "text/plain")
        assert server.answer(message, 404) == []
        assert server.xlog() == [f"MESSAGE sip:bob@{BOB} sip:me@example.com ctx 10", "rc=1", "reply 404", "failed 404"]
        server.advance(6.0)
        assert not server.transactions


def test_an_invite_of_our_own_is_acknowledged() -> None:
    answers: list[int] = []
    with Calls("exit;") as server:
        server.call(lambda: server.tm.local_request(
            "INVITE", f"sip:bob@{BOB}", "<sip:me@example.com>", "<sip:you@example.com>",
            done=lambda code, msg: answers.append(code)))
        invite = server.sent[-1]
        ack, = server.answer(invite, 200, headers=f"Contact: <sip:desk@{CAROL}>\r\n")
        assert (ack.port, ack.first_line, ack.header("CSeq")) == (5091, f"ACK sip:desk@{CAROL} SIP/2.0", "10 ACK")
        assert ack.header("Via") != invite.header("Via")
        server.answer(invite, 200, headers=f"Contact: <sip:desk@{CAROL}>\r\n")
        assert answers == [200]


def test_a_request_of_our_own_times_out() -> None:
    answers: list[tuple[int, Any]] = []
    with Calls("exit;", params='modparam("tm", "fr_timeout", 2)') as server:
        server.call(lambda: server.tm.local_request(
            "OPTIONS", f"sip:bob@{BOB}", "<sip:me@example.com>", "<sip:you@example.com>",
            done=lambda code, msg: answers.append((code, msg))))
        server.advance(3.0)
        assert answers == [(408, None)]
        assert server.call(lambda: server.tm.local_request("OPTIONS", "nonsense", "<sip:a@b>", "<sip:c@d>")) is None


def mi(server: Calls, name: str, *args: Any, **kwargs: Any) -> Any:
    """The result of a coroutine of tm's MI part."""
    return server._do(getattr(server.tm, name)(*args, **kwargs))


def test_mi_sends_requests() -> None:
    head = "From: \"Me\" <sip:me@example.com>\r\nTo: <sip:you@example.com>\r\nX-Own: !!\r\nCSeq: 77 INFO\r\n"
    with Calls("exit;") as server:
        async def both() -> Any:
            task = asyncio.ensure_future(server.tm.mi_uac("INFO", f"sip:bob@{BOB}", head))
            while not server.sent:
                await asyncio.sleep(0)
            request = server.sent[0]
            from tests.helpers import make_reply
            socket = server.server.sockets.all[0]
            data = make_reply(request.text, 200, "Fine").encode()
            server.server.workers.run(lambda: server.server.receiver.receive(data, "127.0.0.1", 5090, socket, None))
            return await task

        result = server._do(both())
        assert result["Status"] == "200 Fine" and "CSeq: 77 INFO" in result["Message"]
        assert server.sent[0].header("X-Own") == "127.0.0.1:5060"


@pytest.mark.parametrize(("change", "text"), [
    ({"ruri": "nonsense"}, "Invalid ruri"), ({"next_hop": "nonsense"}, "Invalid next_hop"),
    ({"headers": "From: <sip:a@b>\r\n"}, "To missing"), ({"headers": "To: <sip:a@b>\r\n"}, "From missing"),
    ({"body": "x"}, "Content-Type missing"), ({"socket": "udp:127.0.0.1:9"}, "Local socket not found"),
    ({"headers": "From: <sip:a@b>\r\nTo: <sip:a@b>\r\nContent-Length: 1\r\n"}, "Content-Length disallowed"),
    ({"headers": "From: <sip:a@b>\r\nTo: <sip:a@b>\r\nCSeq: x INFO\r\n"}, "Bad CSeq number"),
    ({"headers": "From: <sip:a@b>\r\nTo: <sip:a@b>\r\nCSeq: 1 BYE\r\n"}, "CSeq method mismatch"),
])
def test_mi_refuses(change: dict[str, str], text: str) -> None:
    asked = {"method": "INFO", "ruri": f"sip:bob@{BOB}", "headers": "From: <sip:a@b>\r\nTo: <sip:c@d>\r\n"} | change
    with Calls("exit;") as server, pytest.raises(MiError, match=text):
        mi(server, "mi_uac", **asked)


def test_mi_answers_and_cancels() -> None:
    with Calls("t_newtran(); t_wait_for_new_branches(); t_relay();") as server:
        _, invite = server.invite()
        server.answer(invite, 180)
        ident = server.transactions[0].ident
        assert mi(server, "mi_cancel", "call-1", "1") == "OK"
        assert server.sent[-1].first_line.startswith("CANCEL")
        with pytest.raises(MiError, match="No such transaction"):
            mi(server, "mi_cancel", "none", "1")
        for bad, text in (((700, "x", ident), "Invalid reply code"), ((99, "x", ident), "Reply failed"),
                          ((200, "x", "?"), "Invalid trans_id"), ((200, "x", "1.1"), "not found")):
            with pytest.raises(MiError, match=text):
                mi(server, "mi_reply", *bad, to_tag="t")
        assert mi(server, "mi_reply", 486, "Busy", ident, "mine", "X-A: 1", "") == "OK"
        final = [one for one in server.sent if "486" in one.first_line][0]
        assert final.header("To").endswith(";tag=mine") and final.header("X-A") == "1"
        with pytest.raises(MiError, match="Reply failed"):
            mi(server, "mi_reply", 486, "Busy", ident, "mine")
        table = server.tm.mi_hash()
        assert len(table) == 65536 and sum(row["Total"] for row in table) == 1
