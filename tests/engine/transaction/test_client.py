"""Client machines, event by event, in time that passes when told to."""

from __future__ import annotations

import pytest

from engine.transaction.actions import ACK, CANCEL, DELIVER, NEVER, NOTHING, SEND, TIMEOUT
from engine.transaction.client import ACCEPTED, COMPLETED, PROCEEDING, Client


def invite(reliable: bool = False, restart: bool = True) -> Client:
    client = Client(True, reliable, 0.5, 4.0, 30.0, 120.0, restart)
    assert client.start(0.0) == SEND
    return client


def other(reliable: bool = False) -> Client:
    client = Client(False, reliable, 0.5, 4.0, 30.0, 120.0)
    assert client.start(0.0) == SEND
    return client


def run(client: Client, until: float) -> list[tuple[float, int]]:
    """What the machine does by its timers until then: (time, actions)."""
    done = []
    while client.due <= until:
        now = client.due
        actions = client.on_timer(now)
        if actions:
            done.append((now, actions))
    return done


def test_repeats_double_up_to_t2_until_the_timeout() -> None:
    done = run(invite(), 100.0)
    assert [when for when, _ in done] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 30.0]
    assert {actions for _, actions in done[:-1]} == {SEND}
    assert done[-1] == (30.0, TIMEOUT)


def test_streams_repeat_nothing() -> None:
    assert run(invite(reliable=True), 100.0) == [(30.0, TIMEOUT)]


def test_a_provisional_reply_stops_the_repeats_of_an_invite_and_its_timeout_cancels() -> None:
    client = invite()
    assert client.on_response(180, 0.2) == DELIVER
    client.proceed(180, 0.2)
    assert client.state == PROCEEDING
    assert run(client, 500.0) == [(120.2, TIMEOUT | CANCEL)]


def test_a_provisional_reply_the_script_dropped_does_not_extend_the_wait() -> None:
    client = invite()
    client.on_response(180, 0.2)
    assert run(client, 500.0) == [(30.0, TIMEOUT | CANCEL)]


@pytest.mark.parametrize(("restart", "expected"), [(True, 160.0), (False, 130.0)])
def test_restart_on_each_reply(restart: bool, expected: float) -> None:
    client = invite(restart=restart)
    client.on_response(183, 10.0)
    client.proceed(183, 10.0)
    client.on_response(180, 40.0)
    client.proceed(180, 40.0)
    assert run(client, 500.0) == [(expected, TIMEOUT | CANCEL)]


def test_a_provisional_reply_slows_other_requests_down() -> None:
    client = other()
    assert client.on_response(100, 0.1) == DELIVER
    done = run(client, 100.0)
    assert [round(when, 3) for when, _ in done] == [4.1, 8.1, 12.1, 16.1, 20.1, 24.1, 28.1, 30.0]
    assert done[-1][1] == TIMEOUT


def test_negative_replies_to_an_invite_are_acknowledged_every_time_and_delivered_once() -> None:
    client = invite()
    assert client.on_response(486, 1.0) == DELIVER | ACK
    assert client.state == COMPLETED
    assert client.on_response(486, 1.5) == ACK
    assert client.on_response(180, 1.6) == NOTHING
    assert client.due == NEVER


def test_every_2xx_to_an_invite_is_delivered() -> None:
    client = invite()
    assert [client.on_response(200, when) for when in (1.0, 1.5)] == [DELIVER, DELIVER]
    assert client.state == ACCEPTED
    assert client.on_response(486, 2.0) == ACK | NOTHING


def test_a_2xx_after_the_timeout_is_delivered() -> None:
    client = invite()
    run(client, 100.0)
    assert client.on_response(200, 31.0) == DELIVER
    assert client.on_response(486, 31.0) == ACK


def test_other_requests_have_one_final_reply() -> None:
    client = other()
    assert client.on_response(200, 0.1) == DELIVER
    assert [client.on_response(code, 0.2) for code in (200, 404)] == [NOTHING, NOTHING]


def test_a_stopped_machine_stays_silent() -> None:
    for client in (invite(), other()):
        client.stop()
        assert client.on_response(100, 1.0) == DELIVER
        assert run(client, 500.0) == []
