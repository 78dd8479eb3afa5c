"""engine.transport.sockets: lookup, choice, advertised addresses, "myself"."""

import pytest

from engine.errors import ConfigError, TransportError
from engine.transport.address import Target
from engine.transport.sockets import Sockets
from tests.helpers import Sent, Wire


def made(sent: list[Sent] | None = None) -> Sockets:
    sockets = Sockets()
    wires = [] if sent is None else sent
    sockets.enable(Wire("udp", wires))
    sockets.enable(Wire("tcp", wires))
    sockets.add("udp", "192.0.2.1", 5060)
    sockets.add("tcp", "192.0.2.1", 5060)
    sockets.add("udp", "192.0.2.2", 5080, adv_host="sip.example.net", adv_port=5070, tag="outside")
    sockets.add("udp", "2001:db8::1", 5060)
    return sockets


def names(sockets: Sockets) -> list[str]:
    return [socket.name for socket in sockets.all]


def test_names_and_find() -> None:
    sockets = made()
    assert names(sockets) == ["udp:192.0.2.1:5060", "tcp:192.0.2.1:5060", "udp:192.0.2.2:5080", "udp:[2001:DB8:0:0:0:0:0:1]:5060"]
    first, stream, outside, six = sockets.all
    for text, wanted in (
        ("udp:192.0.2.1:5060", first), ("udp:192.0.2.1", first), ("192.0.2.1:5060", first), ("UDP:192.0.2.1:5060", first),
        ("tcp:192.0.2.1:5060", stream), ("outside", outside), ("udp:sip.example.net:5070", outside),
        ("udp:[2001:DB8:0::1]:5060", six), ("udp:192.0.2.2", None), ("udp:192.0.2.2:5070", outside), ("tls:192.0.2.1", None),
        ("udp:192.0.2.1:x", None), ("", None),
    ):
        assert sockets.find(text) is wanted, text


def test_unknown_protocol_and_host() -> None:
    sockets = made()
    with pytest.raises(ConfigError, match="protocol tls"):
        sockets.add("tls", "192.0.2.1")
    with pytest.raises(ConfigError, match="no-such-host"):
        sockets.add("udp", "no-such-host.invalid")
    assert sockets.add("udp", "192.0.2.1") == []


def test_pick() -> None:
    sockets = made()
    first, stream, outside, six = sockets.all
    assert sockets.pick("udp", "198.51.100.1") is first
    assert sockets.pick("udp", "198.51.100.1", outside) is outside
    assert sockets.pick("udp", "198.51.100.1", outside, first) is first
    assert sockets.pick("udp", "2001:db8::9", outside) is six
    assert sockets.pick("udp", "2001:db8::9", None, first) is six
    assert sockets.pick("tcp", "198.51.100.1", outside) is stream
    assert sockets.pick("tcp", "198.51.100.1", None, first) is stream
    assert sockets.pick("udp", "198.51.100.1", None, stream) is first
    assert sockets.pick("tcp", "2001:db8::9") is None
    assert sockets.pick("tls", "198.51.100.1") is None


def test_mhomed_follows_the_kernel() -> None:
    sockets = Sockets(mhomed=True)
    sockets.enable(Wire("udp", []))
    sockets.add("udp", "127.0.0.2", 5060)
    sockets.add("udp", "127.0.0.1", 5060)
    picked = sockets.pick("udp", "127.0.0.1", sockets.all[0])
    assert picked is not None
    assert picked.ip == "127.0.0.1"


def test_advertised_addresses() -> None:
    sockets = made()
    first, _, outside, six = sockets.all
    assert first.via_host == first.uri_host == "192.0.2.1:5060"
    assert first.via_prefix == "Via: SIP/2.0/UDP 192.0.2.1:5060;branch="
    assert outside.via_host == outside.uri_host == "sip.example.net:5070"
    assert six.via_host == "[2001:DB8:0:0:0:0:0:1]:5060"
    sockets.advertise("adv.example.com", None)
    assert first.via_host == "adv.example.com:5060"
    assert (outside.via_host, outside.uri_host) == ("adv.example.com:5070", "sip.example.net:5070")
    assert first.via_for("own.example.org", 5090) == "own.example.org:5090"
    assert outside.uri_for("own.example.org", None) == "sip.example.net:5070"
    assert first.uri_for("own.example.org", 5090) == "own.example.org:5090"


def test_myself() -> None:
    sockets = made()
    sockets.add_alias("example.com", 5060, "udp")
    sockets.add_alias("any.example.org")
    sockets.add_alias("example.net", 0, "any", subdomains=True)
    for host, port, proto, wanted in (
        ("192.0.2.1", 5060, "udp", True), ("192.0.2.1", 0, "", True), ("192.0.2.1", 5061, "", False),
        ("192.0.2.1", 5080, "", False), ("192.0.2.2", 5080, "tcp", False), ("192.0.2.2", 5070, "udp", True),
        ("sip.example.net", 5070, "", True), ("[2001:DB8::1]", 5060, "", True), ("2001:db8::1", 0, "udp", True),
        ("EXAMPLE.com", 5060, "", True), ("example.com", 5061, "", False), ("example.com", 5060, "tcp", False),
        ("any.example.org", 1234, "tls", True), ("a.example.net", 0, "", True), ("aexample.net", 0, "", False),
        ("outside", 0, "", True), ("localhost", 5060, "udp", False), ("", 0, "", False),
    ):
        assert sockets.is_myself(host, port, proto) is wanted, (host, port, proto)


def test_send_by_protocol() -> None:
    sent: list[Sent] = []
    sockets = made(sent)
    first, stream = sockets.all[:2]
    sockets.send(b"one", Target("udp", "198.51.100.1", 5060), first)
    connection = sockets.send(b"two", Target("tcp", "198.51.100.1", 5060), stream)
    sockets.send(b"three", Target("tcp", "198.51.100.9", 5060), stream, connection.id)
    assert [(one.text, one.ip, one.connection) for one in sent] == [
        ("one", "198.51.100.1", 0), ("two", "198.51.100.1", 1), ("three", "198.51.100.1", 1)]
    assert sockets.find_connection(Target("tcp", "198.51.100.1", 5060)) is connection
    assert sockets.connection(connection.id) is connection
    with pytest.raises(TransportError) as caught:
        sockets.send(b"x", Target("tls", "198.51.100.1", 5061), first)
    assert caught.value.code == -7
