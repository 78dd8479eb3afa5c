"""dispatcher: pings and what their answers do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Sent, make_reply
from tests.modules.small_parts import show
from tests.modules.test_dispatcher import Served, row

BOB, CAROL = "sip:bob@127.0.0.1:5090", "sip:127.0.0.1:5091"
EVERY = {"dispatcher.ds_ping_interval": 10, "dispatcher.ds_probing_mode": 1, "dispatcher.ds_probing_threshold": 2}


class Pinged(Served):
    """A server that pings every ten seconds."""

    def __init__(self, folder: Path, table: list[dict[str, Any]], params: dict[str, Any] | None = None, more: str = "") -> None:
        super().__init__(folder, table, "exit;", {**EVERY, **(params or {})}, more)

    def __enter__(self) -> Pinged:
        return self

    def pings(self, seconds: float = 10) -> list[Sent]:
        """What goes out in that time, repetitions left out."""
        return list({one.text: one for one in self.advance(seconds)}.values())

    def answer(self, ping: Sent, code: int) -> dict[str, str]:
        """The states after an answer."""
        self.send(make_reply(ping.text, code), (ping.ip, ping.port))
        return self.states()


def test_a_ping(tmp_path: Path) -> None:
    params = {
        "dispatcher.ds_ping_from": "sip:prober@example.com", "dispatcher.ds_ping_method": "INFO", "dispatcher.ds_ping_maxfwd": 3,
        "dispatcher.attrs_avp": "$avp(at)",
    }
    route = "local_route { " + show("$rm $avp(at)") + " }"
    with Pinged(tmp_path, [row(BOB, attrs="gw=1")], params, route) as server:
        (ping,) = server.pings()
        assert ping.first_line == f"INFO {BOB} SIP/2.0" and ping.port == 5090
        assert (ping.header("To"), ping.header("CSeq"), ping.header("Max-Forwards")) == (f"<{BOB}>", "14 INFO", "3")
        assert (ping.header("From") or "").startswith("<sip:prober@example.com>;tag=")
        assert server.said() == ["INFO gw=1"]


def test_failures_take_a_destination_out_and_one_good_answer_brings_it_back(tmp_path: Path) -> None:
    with Pinged(tmp_path, [row(BOB)]) as server:
        for code, state in (
            (503, "Active"), (503, "Probing"), (404, "Probing"), (200, "Active"), (202, "Active"), (200, "Active"),
            (503, "Active"), (503, "Probing"),
        ):
            (ping,) = server.pings()
            assert server.answer(ping, code) == {BOB: state}, code


def test_silence_is_a_failure(tmp_path: Path) -> None:
    with Pinged(tmp_path, [row(BOB)], {"dispatcher.ds_ping_interval": 60}) as server:
        server.pings(60)
        server.pings(60)
        assert server.states() == {BOB: "Active"}
        server.pings(40)
        assert server.states() == {BOB: "Probing"}


def test_other_good_codes(tmp_path: Path) -> None:
    with Pinged(tmp_path, [row(BOB, state=2)], {"dispatcher.options_reply_codes": "501, 404"}) as server:
        (ping,) = server.pings()
        assert server.answer(ping, 404) == {BOB: "Active"}
        for code in (501, 501, 404):
            (ping,) = server.pings()
            assert server.answer(ping, code) == {BOB: "Active"}


@pytest.mark.parametrize(("params", "wanted"), [
    ({"dispatcher.ds_probing_mode": 0}, {"5091", "5092"}), ({}, {"5090", "5091", "5092"}),
    ({"dispatcher.ds_probing_list": "2, 7"}, {"5092"}),
])
def test_who_is_pinged(tmp_path: Path, params: dict[str, Any], wanted: set[str]) -> None:
    table = [
        row("sip:127.0.0.1:5090"), row("sip:127.0.0.1:5091", state=2), row("sip:127.0.0.1:5092", 2, probe_mode=1),
        row("sip:127.0.0.1:5093", 2, state=1, probe_mode=1),
    ]
    with Pinged(tmp_path, table, params) as server:
        assert {str(ping.port) for ping in server.pings()} == wanted


def test_an_answer_does_not_undo_what_somebody_decided(tmp_path: Path) -> None:
    with Pinged(tmp_path, [row(BOB)]) as server:
        (ping,) = server.pings()
        server.mi("ds_set_state", ["i", "1", BOB])
        assert server.answer(ping, 200) == {BOB: "Inactive"}
        assert server.pings() == []


def test_an_answer_after_a_reload_finds_its_destination(tmp_path: Path) -> None:
    with Pinged(tmp_path, [row(BOB, state=2)]) as server:
        (ping,) = server.pings()
        server.mi("ds_reload")
        assert server.answer(ping, 200) == {BOB: "Active"}


def test_a_partition_has_its_own_pings(tmp_path: Path) -> None:
    params = {"dispatcher.partition": (
        "p: table_name = dispatcher; ping_from = sip:p@p; ping_method = NOTIFY; ping_sock = udp:127.0.0.1:5060")}
    with Pinged(tmp_path, [row(CAROL)], params) as server:
        assert {(ping.first_line.split()[0], (ping.header("From") or "").partition(";")[0]) for ping in server.pings()} == {
            ("NOTIFY", "<sip:p@p>"), ("OPTIONS", "<sip:dispatcher@localhost>")}


def test_a_ping_that_cannot_be_sent_is_a_failure(tmp_path: Path) -> None:
    with Pinged(tmp_path, [row("sip:127.0.0.1:5090;transport=tcp")]) as server:
        assert server.pings(20) == []
        assert set(server.states().values()) == {"Probing"}
