"""nathelper pings registered contacts: which, where to, how often, and what becomes of those that do not answer."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigErrors, MiError
from tests.helpers import Harness, Sent, make_reply, make_request
from tests.modules.test_usrloc_sql import LOCATION

MODULES = "".join(f'loadmodule "{name}.so"\n' for name in ("signaling", "sl", "tm", "usrloc", "registrar", "nathelper"))
SIP = 'modparam("nathelper", "sipping_bflag", "SIP")\nmodparam("nathelper", "sipping_from", "sip:pinger@example.com")\n'
REMOVE = SIP + 'modparam("nathelper", "remove_on_timeout_bflag", "GONE")\n'
ROUTE = 'if ($rm == "REGISTER") { fix_nated_register(); setbflag("SIP"); setbflag("GONE"); setbflag("LAT"); save("location"); exit; }'
ZEROS = "\0\0\0\0"


class Nat(Harness):
    """A registrar that pings every 10 seconds."""

    def __init__(self, params: str = "", route: str = ROUTE, interval: int = 10, head: str = "", more: str = "") -> None:
        super().__init__(
            f'{head}{MODULES}modparam("nathelper", "natping_interval", {interval})\n{params}\n'
            f'modparam("nathelper|registrar", "received_avp", "$avp(rcv)")\nroute {{ {route} }}\n{more}', preamble=not head,
        )

    def register(self, user: str = "bob", contact: str = "sip:bob@10.0.0.1:5060", port: int = 5070, headers: str = "", **more: Any) -> Sent:
        text = make_request(
            "REGISTER", "sip:example.com", call_id=f"reg-{user}-{port}", headers=f"Contact: <{contact}>\r\n{headers}", port=port, **more,
        ).replace("To: <sip:bob@", f"To: <sip:{user}@")
        return self.send(text, ("127.0.0.1", port))[-1]

    @property
    def contacts(self) -> list[Any]:
        """Those registered."""
        return [contact for record in self.server.registry.modules["usrloc"].domain("location").records() for contact in record.contacts]

    def next_ping(self) -> Sent:
        """Let time pass up to the next ping."""
        for _ in range(150):
            for one in self.advance(0.1):
                return one
        raise AssertionError("nobody was pinged")

    @property
    def pinger(self) -> Any:
        return self.server.registry.modules["nathelper"]._pinger


def test_four_bytes_to_where_the_contact_came_from() -> None:
    with Nat() as server:
        server.register()
        sent = server.advance(30)
        assert [(one.text, one.ip, one.port, one.socket) for one in sent] == [(ZEROS, "127.0.0.1", 5070, "udp:127.0.0.1:5060")] * 3


def test_a_sip_ping() -> None:
    with Nat(SIP) as server:
        server.register(headers="Path: <sip:127.0.0.1:5099;lr>\r\nSupported: path\r\n")
        server.register("eve", "sip:eve@127.0.0.1:5071;x=1", 5071)
        first, second = sorted(server.advance(10), key=lambda one: one.first_line)
        assert second.first_line == "OPTIONS sip:eve@127.0.0.1:5071;x=1 SIP/2.0" and second.port == 5071
        assert second.header("From") is not None and second.header("From").startswith("<sip:pinger@example.com>;tag=")  # type: ignore[union-attr]
        assert second.header("To") == "<sip:eve@127.0.0.1:5071;x=1>" and second.header("CSeq") == "1 OPTIONS"
        assert second.header("Max-Forwards") == "70" and second.header("Content-Length") == "0" and second.header("Route") is None
        assert second.header("Via").startswith("SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK")  # type: ignore[union-attr]
        assert first.header("Call-ID") != second.header("Call-ID") and first.header("Via") != second.header("Via")


def test_path_is_followed() -> None:
    route = ROUTE.replace('save("location")', 'save("location", "path-lazy")')
    with Nat(SIP, route) as server:
        server.register(headers="Path: <sip:127.0.0.1:5099;lr>\r\n")
        ping, = server.advance(10)
        assert ping.port == 5099 and ping.header("Route") == "<sip:127.0.0.1:5099;lr>"
        assert ping.first_line == "OPTIONS sip:bob@10.0.0.1:5060 SIP/2.0"


def test_other_methods_and_latency() -> None:
    params = SIP + 'modparam("nathelper", "sipping_latency_flag", "LAT")\nmodparam("nathelper", "sipping_method", "NOTIFY")'
    more = 'event_route[E_UL_LATENCY_UPDATE] { xlog("XL|$param(uri) $param(latency)\\n"); }'
    with Nat(params, more=more) as server:
        server.register()
        ping = server.next_ping()
        sent = server.server.now()
        assert ping.first_line.startswith("NOTIFY ")
        server.advance(0.5)
        waited = round((server.server.now() - sent) * 1_000_000)
        assert server.send(make_reply(ping.text, 404)) == []
        assert server.contacts[0].latency == waited and server.pinger.awaited == 0
        server.next_ping()
        assert server.pinger.awaited == 1
        server.advance(4)
        assert server.contacts[0].latency == 1_800_000_000 and server.pinger.awaited == 0
        assert server.xlog() == [f"sip:bob@10.0.0.1:5060 {waited}", "sip:bob@10.0.0.1:5060 1800000000"]


def test_a_contact_that_does_not_answer_is_removed() -> None:
    with Nat(REMOVE + 'modparam("nathelper", "max_pings_lost", 2)') as server:
        server.register()
        server.next_ping()
        server.advance(5)
        assert len(server.contacts) == 1 and server.pinger.awaited == 1
        server.next_ping()
        server.advance(2.8)
        assert len(server.contacts) == 1
        server.advance(0.5)
        assert server.contacts == [] and server.pinger.awaited == 0 and not server.pinger._numbers
        assert server.advance(30) == []


def test_any_answer_clears_the_account() -> None:
    with Nat(REMOVE + 'modparam("nathelper", "max_pings_lost", 2)') as server:
        server.register()
        for _ in range(4):
            server.next_ping()
            server.advance(4)
            assert server.pinger.awaited == 1
            late = server.next_ping()
            server.send(make_reply(late.text, 481))
            assert server.pinger.awaited == 0
        assert len(server.contacts) == 1


def test_ignored_codes_and_strangers_are_no_answers() -> None:
    with Nat(REMOVE + 'modparam("nathelper", "sipping_ignore_rpl_codes", "408, 480")') as server:
        server.register()
        ping = server.next_ping()
        server.send(make_reply(ping.text, 408))
        server.send(make_reply(ping.text.replace("CSeq: 1 OPTIONS", "CSeq: 1 INFO"), 200))
        server.send(make_reply(ping.text.replace("Call-ID: ", "Call-ID: x"), 200))
        server.send(make_reply(ping.text.replace("branch=z9hG4bK", "branch=z9hG4bKzz"), 200))
        assert server.pinger.awaited == 1
        server.send(make_reply(ping.text, 200))
        assert server.pinger.awaited == 0


def test_an_account_is_closed_when_pings_stop() -> None:
    with Nat(REMOVE) as server:
        server.register()
        server.next_ping()
        server.advance(4)
        assert server.pinger.awaited == 1
        server.mi("nh_enable_ping", {"status": 0})
        assert server.advance(40) == [] and server.pinger.awaited == 0 and len(server.contacts) == 1


def test_only_natted_contacts() -> None:
    params = 'modparam("usrloc", "nat_bflag", "NAT")\nmodparam("nathelper", "ping_nated_only", 1)'
    with Nat(params, 'if ($fU == "alice") setbflag("NAT"); fix_nated_register(); save("location");') as server:
        server.register()
        server.send(make_request("REGISTER", call_id="r2", headers="Contact: <sip:c@10.0.0.2>\r\n", port=5072).replace(
            "From: <sip:alice@", "From: <sip:carol@").replace("To: <sip:bob@", "To: <sip:carol@"), ("127.0.0.1", 5072))
        assert {one.port for one in server.advance(10)} == {5070}


def test_streams_are_pinged_over_the_connection_they_have() -> None:
    head = 'socket=udp:127.0.0.1:5060\nsocket=tcp:127.0.0.1:5060\nloadmodule "proto_udp.so"\nloadmodule "proto_tcp.so"\n'
    register = make_request(
        "REGISTER", via="SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bK9", headers="Contact: <sip:bob@10.0.0.1;transport=tcp>\r\n")
    for params, expected in (
        ("", []), ('modparam("nathelper", "natping_tcp", 1)', ["\r\n\r\n"]),
        (SIP + 'modparam("nathelper", "natping_tcp", 1)', ["OPTIONS sip:bob@10.0.0.1;transport=tcp SIP/2.0"]),
    ):
        with Nat(params, head=head) as server:
            server.send(register, proto="tcp")
            assert [one.first_line or one.text for one in server.advance(10)] == expected


def test_many_contacts_are_spread_over_the_interval() -> None:
    with Nat(interval=20) as server:
        table = server.server.registry.modules["usrloc"].domain("location")
        for number in range(10_000):
            table.insert(f"user{number}", {"contact": f"sip:u{number}@127.0.0.1:{6000 + number}", "expires": int(server.server.wall()) + 3600})
        per_tick = Counter()
        for tick in range(200):
            per_tick[tick] = len(server.advance(0.1))
        assert sum(per_tick.values()) == 10_000 and max(per_tick.values()) < 100
        assert Counter(one.port for one in server.sent).most_common(1)[0][1] == 1
        moments = {one.port: place for place, one in enumerate(server.sent)}
        again = server.advance(20)
        assert [moments[one.port] for one in again] == sorted(moments.values())


def test_contacts_that_come_and_go() -> None:
    with Nat() as server:
        server.register()
        server.advance(10)
        server.register("carol", "sip:carol@10.0.0.2", 5072)
        assert {one.port for one in server.advance(10)} == {5070, 5072}
        server.server.registry.modules["usrloc"].domain("location").delete_aor("bob")
        assert {one.port for one in server.advance(10)} == {5072}


def test_an_expired_contact_is_not_pinged() -> None:
    with Nat('modparam("registrar", "min_expires", 0)\nmodparam("usrloc", "timer_interval", 1000)') as server:
        server.register(headers="Expires: 15\r\n")
        server.next_ping()
        assert len(server.advance(5)) == 0 and len(server.advance(25)) <= 1 and len(server.contacts) == 1


def test_the_switch() -> None:
    with Nat() as server:
        server.register()
        assert server.mi("nh_enable_ping") == {"Status": 1}
        assert server.mi("nh_enable_ping", {"status": 0}) == "OK"
        assert server.mi("nh_enable_ping") == {"Status": 0} and server.advance(20) == []
        server.mi("nh_enable_ping", ["7"])
        assert server.mi("nh_enable_ping") == {"Status": 1} and len(server.advance(20)) == 2
    with Nat(interval=0) as server, pytest.raises(MiError):
        server.mi("nh_enable_ping")


def test_force_socket() -> None:
    head = 'socket=udp:127.0.0.1:5060\nsocket=udp:127.0.0.1:5062\nloadmodule "proto_udp.so"\n'
    with Nat('modparam("nathelper", "force_socket", "udp:127.0.0.1:5062")', head=head) as server:
        server.server.registry.modules["usrloc"].domain("location").insert("bob", {"contact": "sip:b@127.0.0.1:5070"})
        server.register("carol", "sip:c@10.0.0.2", 5072)
        assert {(one.port, one.socket[-4:]) for one in server.advance(10)} == {(5070, "5062"), (5072, "5060")}


def test_a_next_hop_that_cannot_be_used_stops_no_other() -> None:
    with Nat() as server:
        table = server.server.registry.modules["usrloc"].domain("location")
        for aor, uri in (("a", "sip:a@[::1]:5060"), ("b", "tel:+123"), ("c", "sip:c@127.0.0.1:5070"), ("d", "nonsense")):
            table.insert(aor, {"contact": uri})
        assert [one.port for one in server.advance(10)] == [5070]


@pytest.mark.parametrize("params", [
    'modparam("nathelper", "ping_nated_only", 1)', 'modparam("nathelper", "sipping_bflag", "SIP")',
    SIP + 'modparam("nathelper", "sipping_method", "")',
    'modparam("nathelper", "natping_socket", "tcp:127.0.0.1:5060")',
])
def test_settings_that_do_not_fit(params: str) -> None:
    with pytest.raises(ConfigErrors):
        Nat(params).close()


def test_an_unknown_force_socket_is_only_warned_of() -> None:
    with Nat('modparam("nathelper", "force_socket", "udp:127.0.0.9:5060")') as server:
        assert any("force_socket udp:127.0.0.9:5060 is no socket" in line for line in server.log)


def test_flags_named_by_numbers() -> None:
    """As scripts of old have them."""
    params = 'modparam("nathelper", "sipping_bflag", 8)\nmodparam("nathelper", "sipping_from", "sip:p@example.com")'
    with Nat(params, 'setbflag("8"); fix_nated_register(); save("location");') as server:
        server.register()
        assert server.next_ping().first_line.startswith("OPTIONS ")


@pytest.mark.parametrize("mode", ["sql-only", "single-instance-sql-write-through"])
def test_contacts_in_a_database(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "location.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(LOCATION)
    connection.close()
    params = (
        f'loadmodule "db_sqlite.so"\nmodparam("usrloc", "working_mode_preset", "{mode}")\nmodparam("usrloc", "db_url", "sqlite://{path}")\n'
        f'{REMOVE}modparam("nathelper", "max_pings_lost", 1)'
    )
    with Nat(params) as server:
        server.register()
        ping = server.next_ping()
        assert ping.port == 5070 and len(server.call(lambda: server.contacts)) == 1
        server.send(make_reply(ping.text, 200))
        server.next_ping()
        server.advance(4)
        assert server.call(lambda: server.contacts) == []
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM location").fetchone() == (0,)
    connection.close()
