"""RFC 3261 17.2 and RFC 6026 7.1 cell by cell: the server transactions, for relayed answers and for those made here.

Deviations that are OpenSIPS' own and stay: Timer H is fr_timeout, I, J and L are wt_timer on every transport; 401 and 407 are not
repeated; a request that comes again is given the last answer in every state, a 2xx included; a 2xx made here is repeated by the
server transaction, as there is no other who would.
"""

from __future__ import annotations

import pytest

from tests.modules.tm_states_parts import FR, T1, T2, WAIT, Proxy

BOTH = pytest.mark.parametrize("near", ["udp", "tcp"])
REPEATS = [T1, 3 * T1, 7 * T1, *[7 * T1 + T2 * n for n in range(1, 7)]]
"""When Timer G fires within Timer H."""


# ---------------------------------------------------------------- INVITE


@BOTH
@pytest.mark.parametrize(("before", "expected"), [
    ((), ["<100"]), ((180,), ["<180"]), ((180, 183), ["<183"]), ((200,), ["<200"]), ((486,), ["<486"]), ((486, "ack"), ["<486"]),
])
def test_the_invite_comes_again(near: str, before: tuple[int | str, ...], expected: list[str]) -> None:
    """Proceeding, Accepted, Completed, Confirmed: the last answer, and nothing towards the phone."""
    with Proxy(near=near) as proxy:
        assert proxy.play("request", *before, "request") == expected


@BOTH
@pytest.mark.parametrize(("before", "expected"), [
    ((), []), ((180,), []), ((486,), []), ((486, "ack"), []), ((200,), [">ACK"]), ((200, "ack"), [">ACK"]),
])
def test_the_ack_comes(near: str, before: tuple[int | str, ...], expected: list[str]) -> None:
    """Hop by hop it is absorbed; to a 2xx it is end to end and goes on every time (RFC 3261 13.2.2.4)."""
    with Proxy(near=near) as proxy:
        proxy.play("request", *before)
        assert proxy.ack() == expected


def test_timer_g_repeats_until_timer_h() -> None:
    with Proxy() as proxy:
        proxy.play("request", 486)
        assert proxy.moments(FR + WAIT + 2) == [(at, "<486") for at in REPEATS]
        assert len({one.text for one in proxy.answers[1:]}) == 1 and proxy.alive == 0


def test_timer_g_is_silent_over_a_stream() -> None:
    with Proxy(near="tcp") as proxy:
        proxy.play("request", 486)
        assert proxy.moments(FR - 1) == [] and proxy.alive == 1
        assert proxy.moments(WAIT + 4) == [] and proxy.alive == 0


@BOTH
def test_the_ack_ends_timer_g_and_starts_timer_i(near: str) -> None:
    with Proxy(near=near) as proxy:
        proxy.play("request", 486, 2.0, "ack")
        assert proxy.moments(WAIT - 1) == [] and proxy.alive == 1
        assert proxy.ack() == [] and proxy.moments(3) == [] and proxy.alive == 0


@pytest.mark.parametrize("code", [401, 407])
def test_a_challenge_is_not_repeated(code: int) -> None:
    """RFC 3261 26.3.2.4 for what is made here; a relayed one likewise."""
    with Proxy() as proxy:
        proxy.play("request", code)
        assert proxy.moments(FR) == []


@BOTH
def test_timer_l_keeps_the_accepted_state(near: str) -> None:
    """RFC 6026 7.1: a late repetition of the INVITE is still known."""
    with Proxy(near=near) as proxy:
        proxy.play("request", 200)
        assert proxy.moments(WAIT - 1) == [] and proxy.ask() == ["<200"]
        proxy.wait(2)
        assert proxy.alive == 0 and ">INVITE" in proxy.ask()


@BOTH
def test_answers_made_here(near: str) -> None:
    """t_reply(): provisional ones, then one final answer; a second final answer is refused."""
    main = 't_newtran(); t_reply(180, "Ringing"); t_reply(183, "Progress"); t_reply(486, "Busy"); t_reply(200, "OK");'
    with Proxy(near=near, main=main) as proxy:
        assert proxy.play("request") == ["<100", "<180", "<183", "<486"]
        assert proxy.ask() == ["<486"] and proxy.ack() == []
        proxy.wait(WAIT + 1)
        assert proxy.alive == 0


@BOTH
def test_a_2xx_made_here_is_repeated_until_the_ack(near: str) -> None:
    """RFC 3261 13.3.1.4: over any transport."""
    with Proxy(near=near, main='t_reply(200, "OK");') as proxy:
        proxy.play("request")
        assert proxy.moments(4) == [(at, "<200") for at in REPEATS[:3]]
        proxy.ack()
        assert proxy.moments(10) == []


def test_an_answer_that_cannot_be_sent() -> None:
    """RFC 3261 17.2.4: the error is logged, the transaction ends in its time."""
    for near, far in (("udp", "tcp"), ("tcp", "udp")):
        with Proxy(near=near, far=far) as proxy:
            proxy.play("request")
            proxy.cut_the_wire(near)
            assert proxy.play(180) == [] and proxy.play(486) == [">ACK"]
            assert any("sending a reply" in line for line in proxy.log)
            proxy.wait(FR + WAIT + 2)
            assert proxy.alive == 0


def test_a_second_invite_in_the_dialog_is_another_transaction() -> None:
    """RFC 3261 17.2.3: branch, sent-by and method decide."""
    with Proxy() as proxy:
        proxy.play("request")
        other = proxy.requests[0].text
        assert ">OPTIONS" in proxy.ask("OPTIONS") and proxy.alive == 2
        assert proxy.requests[0].text == other


# ---------------------------------------------------------------- others


@BOTH
@pytest.mark.parametrize(("before", "expected"), [
    ((), []), ((100,), []), ((180,), ["<180"]), ((200,), ["<200"]), ((404,), ["<404"]), ((180, 404), ["<404"]),
])
def test_another_request_comes_again(near: str, before: tuple[int, ...], expected: list[str]) -> None:
    """Trying drops it, Proceeding and Completed answer it with what was said last."""
    with Proxy("OPTIONS", near=near) as proxy:
        assert proxy.play("request", *before, "request") == expected


@BOTH
@pytest.mark.parametrize("code", [200, 404])
def test_timer_j(near: str, code: int) -> None:
    """Completed repeats nothing by itself."""
    with Proxy("OPTIONS", near=near) as proxy:
        proxy.play("request", code)
        assert proxy.moments(WAIT - 1) == [] and proxy.ask() == [f"<{code}"] and proxy.alive == 1
        proxy.wait(2)
        assert proxy.alive == 0 and proxy.ask() == [">OPTIONS"]


@BOTH
def test_one_final_answer_only(near: str) -> None:
    with Proxy("OPTIONS", near=near, main='t_newtran(); t_reply(180, "Wait"); t_reply(404, "No"); t_reply(200, "OK");') as proxy:
        assert proxy.play("request") == ["<180", "<404"]


@BOTH
def test_no_100_for_other_requests(near: str) -> None:
    """RFC 4320: it would only cost."""
    with Proxy("MESSAGE", near=near) as proxy:
        assert proxy.play("request") == [">MESSAGE"]


@BOTH
def test_cancel_is_answered_by_a_transaction_of_its_own(near: str) -> None:
    """RFC 3261 9.2: 200 with the To tag of the INVITE's answers, again when it comes again."""
    with Proxy(near=near) as proxy:
        assert proxy.play("request", 180, "cancel") == ["<200", ">CANCEL"]
        first = proxy.answers[-1]
        assert first.header("CSeq") == "1 CANCEL"
        assert proxy.ask("CANCEL") == ["<200"] and proxy.answers[-1].text == first.text
        assert proxy.answer(487) == [">ACK", "<487"]
