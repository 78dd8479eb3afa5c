"""engine.transport.resolver: RFC 3263 order on a zone held in a dict."""

import asyncio
from pathlib import Path
from typing import Any

from engine.sip.uri import parse_uri
from engine.transport.address import Target
from engine.transport.resolver import Hosts, NoAnswer, Resolver, in_srv_order
from tests.helpers import FakeClock

ZONE: dict[tuple[str, str], list[tuple[Any, ...]]] = {
    ("a.example.com", "A"): [("192.0.2.1",), ("192.0.2.2",)],
    ("a.example.com", "AAAA"): [("2001:db8::1",)],
    ("b.example.com", "A"): [("192.0.2.3",)],
    ("example.com", "NAPTR"): [
        (20, 0, "s", "sip+d2u", "_sip._udp.example.com"), (10, 0, "s", "sip+d2t", "_sip._tcp.example.com"),
        (5, 0, "s", "sips+d2t", "_sips._tcp.example.com"), (1, 0, "u", "e2u+sip", ""),
    ],
    ("_sip._udp.example.com", "SRV"): [(20, 0, 5080, "b.example.com"), (10, 0, 5070, "a.example.com")],
    ("_sip._tcp.example.com", "SRV"): [(10, 0, 5090, "b.example.com")],
    ("_sips._tcp.example.com", "SRV"): [(10, 0, 5091, "b.example.com")],
    ("_sip._udp.plain.example.com", "SRV"): [(10, 0, 5071, "b.example.com")],
    ("plain.example.com", "A"): [("192.0.2.9",)],
}


class Zone:
    """Answers from the dict above and counts questions."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def query(self, name: str, kind: str) -> tuple[list[tuple[Any, ...]], float]:
        self.asked.append((name, kind))
        await asyncio.sleep(0)
        if name == "broken.example.com":
            raise NoAnswer("timeout")
        return ZONE.get((name, kind), []), 60.0


def made(zone: Zone, loop: asyncio.AbstractEventLoop, **options: Any) -> Resolver:
    options.setdefault("hosts", Hosts("/nowhere"))
    return Resolver(loop.run_until_complete, zone.query, usable=lambda proto: proto in ("udp", "tcp"), **options)


def resolved(resolver: Resolver, uri: str, proto: str | None = None) -> list[str]:
    return [str(target) for target in resolver.resolve(parse_uri(uri), proto=proto)]


def test_literals_ask_nobody(loop: asyncio.AbstractEventLoop) -> None:
    zone = Zone()
    resolver = made(zone, loop)
    assert resolved(resolver, "sip:bob@192.0.2.7") == ["udp:192.0.2.7:5060"]
    assert resolved(resolver, "sip:192.0.2.7:5099;transport=TCP") == ["tcp:192.0.2.7:5099"]
    assert resolved(resolver, "sips:bob@192.0.2.7") == ["tls:192.0.2.7:5061"]
    assert resolved(resolver, "sip:bob@[2001:db8::7]:5070") == ["udp:[2001:DB8:0:0:0:0:0:7]:5070"]
    assert resolved(resolver, "sip:bob@example.com;maddr=192.0.2.8") == ["udp:192.0.2.8:5060"]
    assert resolved(resolver, "sip:bob@192.0.2.7", "tcp") == ["tcp:192.0.2.7:5060"]
    assert resolved(resolver, "tel:+123") == []
    assert zone.asked == []


def test_rfc3263_order(loop: asyncio.AbstractEventLoop) -> None:
    zone = Zone()
    resolver = made(zone, loop)
    assert resolved(resolver, "sip:example.com") == ["tcp:192.0.2.3:5090"]
    assert resolved(resolver, "sip:example.com;transport=udp") == ["udp:192.0.2.1:5070", "udp:192.0.2.2:5070", "udp:192.0.2.3:5080"]
    assert resolved(resolver, "sip:a.example.com:5062") == ["udp:192.0.2.1:5062", "udp:192.0.2.2:5062"]
    assert resolved(resolver, "sip:plain.example.com") == ["udp:192.0.2.3:5071"]
    assert resolved(resolver, "sip:plain.example.com;transport=tcp") == ["tcp:192.0.2.9:5060"]
    assert resolved(resolver, "sip:nowhere.example.com") == []
    assert ("a.example.com", "AAAA") not in zone.asked


def test_without_naptr_and_with_ipv6(loop: asyncio.AbstractEventLoop) -> None:
    resolver = made(Zone(), loop, try_naptr=False, try_ipv6=True)
    assert resolved(resolver, "sip:example.com")[:3] == ["udp:192.0.2.1:5070", "udp:192.0.2.2:5070", "udp:[2001:DB8:0:0:0:0:0:1]:5070"]


def test_answers_are_kept_and_asked_once(loop: asyncio.AbstractEventLoop) -> None:
    zone, clock = Zone(), FakeClock()
    resolver = made(zone, loop, clock=clock)

    async def twice() -> list[list[str]]:
        return list(await asyncio.gather(resolver.addresses("b.example.com"), resolver.addresses("b.example.com")))

    assert loop.run_until_complete(twice()) == [["192.0.2.3"], ["192.0.2.3"]]
    assert zone.asked == [("b.example.com", "A")]
    clock.now = 59
    resolved(resolver, "sip:b.example.com:5060")
    assert len(zone.asked) == 1
    clock.now = 61
    resolved(resolver, "sip:b.example.com:5060")
    assert len(zone.asked) == 2


def test_silence_is_not_asked_again_at_once(loop: asyncio.AbstractEventLoop) -> None:
    zone, clock = Zone(), FakeClock()
    resolver = made(zone, loop, clock=clock)
    assert resolved(resolver, "sip:broken.example.com:5060") == []
    assert resolved(resolver, "sip:broken.example.com:5060") == []
    assert len(zone.asked) == 1
    clock.now = 6
    resolved(resolver, "sip:broken.example.com:5060")
    assert len(zone.asked) == 2


def test_hosts_file_and_special_names(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.50 pbx.example.com pbx # here\n2001:db8::50 pbx\nnonsense\n")
    zone = Zone()
    resolver = made(zone, loop, hosts=Hosts(str(hosts)))
    assert resolved(resolver, "sip:PBX") == ["udp:192.0.2.50:5060"]
    assert resolved(resolver, "sip:pbx.example.com.;transport=tcp") == ["tcp:192.0.2.50:5060"]
    assert resolved(resolver, "sip:localhost:5070") == ["udp:127.0.0.1:5070"]
    assert resolved(resolver, "sip:no-such-host.invalid") == []
    assert zone.asked == []
    assert resolver.resolve_host("pbx", 0, "udp") == [Target("udp", "192.0.2.50", 5060)]


def test_weights() -> None:
    records = [(1, 0, 1, "zero"), (1, 10, 2, "ten"), (1, 90, 3, "ninety"), (0, 0, 4, "first")]
    assert [record[3] for record in in_srv_order(records, lambda: 0.0)] == ["first", "ninety", "ten", "zero"]
    assert [record[3] for record in in_srv_order(records, lambda: 0.95)] == ["first", "ten", "ninety", "zero"]
