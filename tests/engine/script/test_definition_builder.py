"""Sockets, aliases, blacklists, scaling profiles."""

import ipaddress

import pytest

from engine.errors import ConfigErrors
from engine.script.definitions import AliasSpec, SocketSpec
from engine.script.globals import resolve_globals
from engine.script.parser import parse_text
from engine.script.settings import Settings


def settings(text: str) -> Settings:
    return resolve_globals(parse_text(text + "\nroute { exit; }"))


def socket(text: str) -> SocketSpec:
    return settings(f"socket = {text}").sockets[0]


@pytest.mark.parametrize(("text", "proto", "host", "ports"), [
    ("udp:127.0.0.1", "udp", "127.0.0.1", []), ("tcp:*:5080", "tcp", "*", [(5080, 5080)]),
    ("udp:eth0:5060", "udp", "eth0", [(5060, 5060)]),
    ("tls:[2001:db8::1]:5061", "tls", "2001:db8::1", [(5061, 5061)]), ('ws:"my.alias":80', "ws", "my.alias", [(80, 80)]),
    ("udp:sip-a.example.com:5060-5062,5070", "udp", "sip-a.example.com", [(5060, 5062), (5070, 5070)]),
    ("hep_udp:10.0.0.1:6060", "hep_udp", "10.0.0.1", [(6060, 6060)]),
])
def test_sockets(text: str, proto: str, host: str, ports: list[tuple[int, int]]) -> None:
    spec = socket(text)
    assert (spec.proto, spec.host, spec.ports) == (proto, host, ports)


def test_parameters_of_a_socket() -> None:
    spec = socket("udp:1.2.3.4:5060 as pub.example.org:5999 use_workers 4 anycast tag inside frag reuse_port tos 16 "
                  "accept_subdomain use_auto_scaling_profile P")
    assert (spec.advertised_host, spec.advertised_port, spec.workers, spec.tag, spec.tos, spec.profile) == (
        "pub.example.org", 5999, 4, "inside", 16, "P")
    assert spec.flags == {"anycast", "frag", "reuse_port", "accept_subdomain"}
    assert socket("udp:1.2.3.4:5060-5062").port_list == [5060, 5061, 5062]


def test_several_sockets_and_the_next_parameter() -> None:
    found = settings("socket=udp:1.2.3.4 tag a\nsocket=tcp:1.2.3.4\ntos=16\nlisten=tls:1.2.3.4")
    assert [spec.proto for spec in found.sockets] == ["udp", "tcp", "tls"]
    assert found.tos == 16


def test_aliases() -> None:
    found = settings('alias = a.b.c "x y" udp:1.2.3.4:5062 any:foo:5 accept_subdomain tcp:[::1]\nalias=last').aliases
    pos = found[0].pos
    plain = [AliasSpec(pos, alias.host, alias.proto, alias.port, alias.accept_subdomain) for alias in found]
    assert plain == [
        AliasSpec(pos, "a.b.c"), AliasSpec(pos, "x y"), AliasSpec(pos, "1.2.3.4", "udp", 5062),
        AliasSpec(pos, "foo", "", 5, True),
        AliasSpec(pos, "::1", "tcp"), AliasSpec(pos, "last"),
    ]


def test_blacklists() -> None:
    one, two, three = settings("""
        dst_blacklist = gw/readonly,expire:{ ( tcp , 192.168.2.0/255.255.255.0 , 5060 , "x" ),
            !( any , 10.0.0.1 , any , "" ), 10.1.0.0/16 }
        dst_blacklist = empty:{}
        dst_blacklist = bare/read-only,default
    """).dst_blacklists
    assert (one.name, one.flags, two.rules, three.flags) == ("gw", {"readonly", "expire"}, [], {"readonly", "default"})
    assert [(rule.net, rule.proto, rule.port, rule.text, rule.negated) for rule in one.rules] == [
        (ipaddress.ip_network("192.168.2.0/24"), "tcp", 5060, "x", False), (ipaddress.ip_network("10.0.0.1"), "", 0, "", True),
        (ipaddress.ip_network("10.1.0.0/16"), "", 0, "", False),
    ]


def test_scaling_profiles() -> None:
    found = settings("""auto_scaling_profile = A
        scale up to 6 on 70% for 4 cycles within 5 scale down to 2 on 20% for 10 cycles
        auto_scaling_profile = B SCALE UP TO 6 ON 70 % for 4 CYCLES
        udp_workers = 4 use_auto_scaling_profile A""")
    one, two = found.auto_scaling_profiles
    assert (one.max_workers, one.up_percent, one.up_cycles, one.up_window) == (6, 70, 4, 5)
    assert (one.min_workers, one.down_percent, one.down_cycles) == (2, 20, 10)
    assert (two.name, two.up_window, two.min_workers) == ("B", 4, 0)
    assert (found.udp_workers, found.worker_profiles) == (4, {"udp_workers": "A"})


@pytest.mark.parametrize("text", [
    "socket = 1.2.3.4", "socket = udp", "socket = udp:", "socket = udp:1.2.3.4:x", "socket = udp:1.2.3.4:70000",
    "alias =", "alias = udp:",
    "dst_blacklist = x:{ 10.0.0.0/99 }", "auto_scaling_profile = P scale up to 5 on 200% for 4 cycles",
    "udp_workers = x use_auto_scaling_profile P",
])
def test_broken_definitions(text: str) -> None:
    with pytest.raises(ConfigErrors):
        settings(text)
