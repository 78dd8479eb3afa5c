"""RFC 3261 17.1 and RFC 6026 7.2 cell by cell: the client transactions of a proxy, state by state and event by event.

Deviations that are OpenSIPS' own and stay: Timers B and F are fr_timeout (30 s, not 32), D, K and M are wt_timer, Timer A stops
doubling at T2, a request that cannot be sent gives 477. An answer that the client transaction does not pass on is marked [].
"""

from __future__ import annotations

import pytest

from engine.errors import TransportError
from tests.modules.tm_states_parts import FR, FR_INV, T1, T2, WAIT, Proxy

BOTH = pytest.mark.parametrize("far", ["udp", "tcp"])
FINAL = (302, 404, 486, 503, 603)


def doubling(until: float) -> list[float]:
    """When a request is repeated: after T1, then twice as long each time, T2 at most."""
    moments, step, at = [], T1, T1
    while at < until:
        moments.append(at)
        step = min(2 * step, T2)
        at += step
    return moments


# ---------------------------------------------------------------- INVITE: Calling


def test_calling_repeats_until_timer_b() -> None:
    with Proxy() as proxy:
        assert proxy.play("request") == ["<100", ">INVITE"]
        sent = proxy.moments(FR)
        assert [at for at, word in sent if word == ">INVITE"] == doubling(FR)
        assert sent[-1] == (FR, "<408")
        assert {one.text for one in proxy.requests} == {proxy.requests[0].text}


def test_calling_over_a_stream_only_waits() -> None:
    with Proxy(near="tcp", far="tcp") as proxy:
        proxy.play("request")
        assert proxy.moments(FR) == [(FR, "<408")]


CALLING = [
    (100, []), (180, ["<180"]), (199, ["<199"]), (200, ["<200"]), (299, ["<299"]),
    *[(code, [">ACK", f"<{500 if code == 503 else code}"]) for code in FINAL],
]
PROCEEDING = CALLING
COMPLETED = [(100, []), (183, []), (200, ["<200"]), *[(code, [">ACK"]) for code in FINAL]]
ACCEPTED = [(100, []), (183, []), (200, ["<200"]), (202, ["<202"]), *[(code, [">ACK"]) for code in FINAL]]


@BOTH
@pytest.mark.parametrize(("before", "code", "expected"), [
    *[((), code, expected) for code, expected in CALLING],
    *[((180,), code, expected) for code, expected in PROCEEDING],
    *[((486,), code, expected) for code, expected in COMPLETED],
    *[((180, 486), code, expected) for code, expected in COMPLETED],
    *[((200,), code, expected) for code, expected in ACCEPTED],
    *[((180, 200), code, expected) for code, expected in ACCEPTED],
])
def test_invite_answers(far: str, before: tuple[int, ...], code: int, expected: list[str]) -> None:
    """Calling, Proceeding, Completed, Accepted: what an answer does there (a 503 goes on as 500)."""
    with Proxy(near="tcp", far=far) as proxy:
        assert proxy.play("request", *before, code) == expected


@BOTH
def test_proceeding_repeats_nothing_until_timer_c(far: str) -> None:
    with Proxy(near="tcp", far=far) as proxy:
        proxy.play("request", 180)
        sent = proxy.moments(FR_INV + 1)
        assert sent[:2] == [(FR_INV, ">CANCEL"), (FR_INV, "<408")]
        assert [at - FR_INV for at, _ in sent[2:]] == ([T1] if far == "udp" else [])


def test_a_provisional_answer_restarts_timer_c() -> None:
    """RFC 3261 16.7 step 2."""
    with Proxy(near="tcp") as proxy:
        assert proxy.play("request", 180, 99.0, 183, 99.0) == []
        assert proxy.moments(22)[0] == (21.0, ">CANCEL")


@BOTH
def test_the_ack_is_that_of_the_transaction(far: str) -> None:
    """RFC 3261 17.1.1.3: Request-URI, top Via, From, Call-ID and Route of the request, To of the answer, one Via."""
    with Proxy(far=far) as proxy:
        proxy.play("request", 486)
        invite, ack = proxy.requests
        assert ack.first_line == invite.first_line.replace("INVITE", "ACK")
        for name in ("From", "Call-ID"):
            assert ack.header(name) == invite.header(name)
        assert ack.header("Via") == invite.header("Via") and ack.text.count("Via:") == 1
        assert ack.header("To") == "<sip:bob@example.com>;tag=b1" and ack.header("CSeq") == "1 ACK"
        assert (ack.ip, ack.port, ack.proto) == (invite.ip, invite.port, far)


@BOTH
def test_every_answer_that_comes_again_is_acknowledged_in_completed(far: str) -> None:
    with Proxy(near="tcp", far=far) as proxy:
        proxy.play("request", 486)
        assert [proxy.answer(486) for _ in range(3)] == [[">ACK"]] * 3
        assert len({one.text for one in proxy.requests[1:]}) == 1


@BOTH
def test_timer_d(far: str) -> None:
    """wt_timer after the caller's ACK everything is forgotten."""
    with Proxy(far=far) as proxy:
        assert proxy.play("request", 486, "ack", WAIT - 1, 486) == [">ACK"]
        assert proxy.play(2.0, 486) == [] and proxy.alive == 0


@BOTH
def test_accepted_passes_every_2xx_until_timer_m(far: str) -> None:
    """RFC 6026 7.2: repetitions of the 2xx and those of other forks."""
    with Proxy(far=far) as proxy:
        proxy.play("request", 200)
        assert proxy.answer(200) == ["<200"] and proxy.answer(200, to_tag="fork") == ["<200"]
        assert (proxy.answers[-1].header("To") or "").endswith("fork")
        assert proxy.wait(WAIT - 1) == [] and proxy.answer(200) == ["<200"]
        proxy.wait(2)
        assert proxy.alive == 0


def test_accepted_lasts_as_long_as_wt_timer_says() -> None:
    """64*T1 of RFC 6026 is a matter of configuration."""
    with Proxy(params='modparam("tm", "wt_timer", 32)') as proxy:
        assert proxy.play("request", 200, 31.0, 200) == ["<200"]
        assert proxy.play(2.0, 200) == []


@BOTH
def test_a_2xx_that_comes_after_timer_b_is_passed_on(far: str) -> None:
    with Proxy(near="tcp", far=far) as proxy:
        assert proxy.play("request", FR, 200) == ["<200"]


@pytest.mark.parametrize(("method", "far", "expected"), [
    ("INVITE", "udp", ["<100", "<477"]), ("INVITE", "tcp", ["<100", "<477"]), ("OPTIONS", "udp", ["<477"]),
    ("OPTIONS", "tcp", ["<477"]),
])
def test_transport_error(method: str, far: str, expected: list[str]) -> None:
    """RFC 3261 17.1.4: the transaction user hears at once, and answers with OpenSIPS' 477."""
    with Proxy(method, near="tcp" if far == "udp" else "udp", far=far) as proxy:
        proxy.cut_the_wire(far)
        assert proxy.play("request") == expected
        if method == "INVITE":
            proxy.ack()
        proxy.wait(WAIT + 1)
        assert proxy.alive == 0


def test_transport_error_at_once_is_the_code_of_t_relay() -> None:
    """With no-auto-477 the script answers; no branch was made, so there is no failure_route."""
    with Proxy(near="tcp", main='if (!t_relay("no-auto-477")) { xlog("XL|$rc\\n"); t_reply(503, "No way"); }') as proxy:
        proxy.cut_the_wire("udp")
        assert proxy.play("request") == ["<100", "<503"] and proxy.xlog() == ["-6"]


def test_a_connection_that_fails_later_reaches_failure_route() -> None:
    main, more = 't_on_failure("f"); t_relay();', 'failure_route[f] { xlog("XL|$T_reply_code\\n"); t_reply(503, "No way"); }'
    with Proxy(near="udp", far="tcp", main=main, more=more) as proxy:
        failed = proxy.hold_the_wire("tcp")
        assert proxy.play("request") == ["<100"] and len(failed) == 1
        before = len(proxy.sent)
        proxy.call(lambda: failed[0](TransportError("nobody there", -477)))
        assert proxy.words(proxy.sent[before:]) == ["<503"] and proxy.xlog() == ["477"]


@BOTH
def test_a_repetition_that_cannot_be_sent_leaves_timer_b_running(far: str) -> None:
    with Proxy(near="tcp" if far == "udp" else "udp", far=far) as proxy:
        proxy.play("request")
        proxy.cut_the_wire(far)
        assert proxy.moments(FR) == [(FR, "<408")]


# ---------------------------------------------------------------- others


def test_trying_repeats_until_timer_f() -> None:
    with Proxy("OPTIONS") as proxy:
        assert proxy.play("request") == [">OPTIONS"]
        sent = proxy.moments(FR)
        assert [at for at, word in sent if word == ">OPTIONS"] == doubling(FR) and sent[-1] == (FR, "<408")


def test_proceeding_repeats_every_t2() -> None:
    """RFC 3261 17.1.2.2: Timer E is T2 there, Timer F goes on."""
    with Proxy("OPTIONS") as proxy:
        assert proxy.play("request", 2.0, 180) == ["<180"]
        assert proxy.moments(28) == [*[(T2 * n, ">OPTIONS") for n in range(1, 7)], (28.0, "<408")]


def test_trying_and_proceeding_over_a_stream_only_wait() -> None:
    for before in ((), (180,)):
        with Proxy("OPTIONS", near="tcp", far="tcp") as proxy:
            proxy.play("request", *before)
            assert proxy.moments(FR) == [(FR, "<408")]


@BOTH
@pytest.mark.parametrize(("before", "code", "expected"), [
    *[(before, code, expected) for before in ((), (180,)) for code, expected in (
        (100, []), (180, ["<180"]), (200, ["<200"]), (302, ["<302"]), (404, ["<404"]), (503, ["<500"]), (603, ["<603"]))],
    *[((first,), code, []) for first in (200, 404) for code in (100, 180, 200, 302, 404, 503, 603)],
])
def test_other_answers(far: str, before: tuple[int, ...], code: int, expected: list[str]) -> None:
    """Trying and Proceeding pass the first final answer, Completed absorbs all others; nothing is acknowledged."""
    with Proxy("OPTIONS", far=far) as proxy:
        assert proxy.play("request", *before, code) == expected


@BOTH
def test_timer_k(far: str) -> None:
    with Proxy("OPTIONS", far=far) as proxy:
        proxy.play("request", 200, WAIT - 1)
        assert proxy.alive == 1 and proxy.play(2.0, 200) == [] and proxy.alive == 0


# ---------------------------------------------------------------- the timers are what the parameters say


def test_t1_and_t2_are_parameters() -> None:
    params = 'modparam("tm", "T1_timer", 200)\nmodparam("tm", "T2_timer", 1000)\nmodparam("tm", "fr_timeout", 5)'
    with Proxy("OPTIONS", params=params) as proxy:
        proxy.play("request")
        assert proxy.moments(5) == [*[(at, ">OPTIONS") for at in (0.2, 0.6, 1.4, 2.4, 3.4, 4.4)], (5.0, "<408")]


@pytest.mark.parametrize("flags", ["0x01", "0x02", '"no-auto-477"', "3"])
def test_flags_as_numbers_and_names(flags: str) -> None:
    """0x02 is no-auto-477 in OpenSIPS 3.1."""
    with Proxy("OPTIONS", near="tcp", main=f't_relay({flags}); xlog("XL|$rc\\n");') as proxy:
        proxy.cut_the_wire("udp")
        answered = flags == "0x01"
        assert (proxy.play("request"), proxy.xlog()) == ((["<477"], ["1"]) if answered else ([], ["-6"]))


# ---------------------------------------------------------------- CANCEL, a transaction of its own


@BOTH
def test_cancel_is_a_client_transaction_of_its_own(far: str) -> None:
    """RFC 3261 9.1: the branch of its INVITE, repeated like any request until it is answered."""
    with Proxy(near="tcp", far=far) as proxy:
        assert proxy.play("request", 180, "cancel") == ["<200", ">CANCEL"]
        invite, cancel = proxy.requests
        assert cancel.header("Via") == invite.header("Via") and cancel.header("CSeq") == "1 CANCEL"
        assert [word for _, word in proxy.moments(2)] == ([">CANCEL", ">CANCEL"] if far == "udp" else [])
        assert proxy.answer(200, request=1) == [] and proxy.moments(10) == []
        assert proxy.answer(487) == [">ACK", "<487"]


@BOTH
def test_a_cancel_waits_for_the_first_answer(far: str) -> None:
    """RFC 3261 9.1: not before a provisional answer came; not at all after a final one."""
    with Proxy(near="tcp", far=far) as proxy:
        assert ">CANCEL" not in proxy.play("request", "cancel")
        assert ">CANCEL" in proxy.play(180)
    with Proxy(near="tcp", far=far) as proxy:
        assert ">CANCEL" not in proxy.play("request", "cancel") + proxy.play(486)
