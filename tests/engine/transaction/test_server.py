"""Server machines, event by event."""

from __future__ import annotations

import pytest

from engine.transaction.actions import FINISH, NEVER, NOTHING, SEND
from engine.transaction.server import COMPLETED, FINISHED, WAITING, Server


def make(is_invite: bool = True, reliable: bool = False) -> Server:
    return Server(is_invite, reliable, 0.5, 4.0, 30.0, 5.0)


def run(server: Server, until: float) -> list[tuple[float, int]]:
    """What the machine does by its timers until then."""
    done = []
    while server.due <= until:
        now = server.due
        actions = server.on_timer(now)
        if actions:
            done.append((now, actions))
    return done


def test_repeated_requests_get_the_last_reply_when_there_is_one() -> None:
    server = make()
    assert server.on_request() == NOTHING
    server.on_reply(180, False, 0.0)
    assert server.on_request() == SEND
    assert server.due == NEVER


def test_negative_replies_to_an_invite_are_repeated_until_the_ack() -> None:
    server = make()
    assert server.on_reply(486, False, 0.0) == SEND
    assert server.state == COMPLETED
    assert [when for when, _ in run(server, 10.0)] == [0.5, 1.5, 3.5, 7.5]
    server.on_ack(10.0)
    assert run(server, 100.0) == [(15.0, FINISH)]
    assert server.state == FINISHED


def test_without_an_ack_the_repeats_end_with_fr_timeout() -> None:
    server = make()
    server.on_reply(486, True, 0.0)
    done = run(server, 100.0)
    assert done[-2:] == [(27.5, SEND), (35.0, FINISH)]


def test_streams_repeat_no_negative_reply_but_wait_for_the_ack() -> None:
    server = make(reliable=True)
    server.on_reply(486, False, 0.0)
    assert run(server, 100.0) == [(35.0, FINISH)]


@pytest.mark.parametrize("code", [401, 407])
def test_challenges_are_not_repeated(code: int) -> None:
    server = make()
    server.on_reply(code, True, 0.0)
    assert run(server, 100.0) == [(5.0, FINISH)]


@pytest.mark.parametrize("reliable", [False, True])
def test_a_2xx_of_our_own_is_repeated_over_any_transport(reliable: bool) -> None:
    server = make(reliable=reliable)
    server.on_reply(200, True, 0.0)
    assert [when for when, _ in run(server, 2.0)] == [0.5, 1.5]
    server.on_ack(2.0)
    assert run(server, 100.0) == [(7.0, FINISH)]


def test_a_relayed_2xx_waits_for_late_ones() -> None:
    server = make()
    server.on_reply(200, False, 0.0)
    assert server.state == WAITING
    assert server.on_reply(200, False, 1.0) == SEND
    assert server.on_reply(404, False, 1.0) == NOTHING
    assert server.on_reply(200, True, 1.0) == NOTHING
    assert run(server, 100.0) == [(5.0, FINISH)]


def test_other_requests_have_one_final_reply() -> None:
    server = make(is_invite=False)
    assert server.on_reply(200, False, 0.0) == SEND
    assert server.on_reply(200, False, 0.0) == NOTHING
    assert run(server, 100.0) == [(5.0, FINISH)]


def test_a_late_2xx_follows_a_local_408() -> None:
    server = make()
    server.on_reply(408, True, 0.0)
    assert server.on_reply(200, False, 1.0) == SEND


def test_hold_and_release() -> None:
    server = make()
    server.on_reply(200, False, 0.0)
    server.hold()
    assert run(server, 100.0) == []
    server.release(100.0)
    server.release(103.0)
    assert run(server, 200.0) == [(105.0, FINISH)]
