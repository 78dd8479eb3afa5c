"""engine.transport.address."""

import pytest

from engine.transport.address import Target, bracketed, is_ipv4, is_ipv6, plain_ip, same_family, split_host_port


@pytest.mark.parametrize("text", ["1.2.3.4", "0.0.0.0", "255.255.255.255"])
def test_ipv4(text: str) -> None:
    assert is_ipv4(text)
    assert plain_ip(text) == text


@pytest.mark.parametrize("text", ["1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", "01.2.3.4", "1.2.3.", "a.b.c.d", "", "1.2.3.4\n"])
def test_not_ipv4(text: str) -> None:
    assert not is_ipv4(text)
    assert plain_ip(text) is None


def test_ipv6() -> None:
    assert is_ipv6("::1")
    assert is_ipv6("[2001:db8::1]")
    assert not is_ipv6("1.2.3.4")
    assert not is_ipv6("host:5060")
    assert plain_ip("[2001:db8:0:0::1]") == "2001:DB8:0:0:0:0:0:1"
    assert plain_ip("2001:db8::g") is None
    assert bracketed("::1") == "[::1]"
    assert bracketed("[::1]") == "[::1]"
    assert bracketed("1.2.3.4") == "1.2.3.4"
    assert same_family("::1", "2001:db8::1")
    assert not same_family("::1", "1.2.3.4")


def test_host_and_port() -> None:
    assert split_host_port("1.2.3.4:5060") == ("1.2.3.4", 5060)
    assert split_host_port("host") == ("host", 0)
    assert split_host_port("[::1]:5061") == ("::1", 5061)
    assert split_host_port("[::1]") == ("::1", 0)
    assert split_host_port("::1") == ("::1", 0)
    for bad in ("host:x", "host:70000", "[::1", "[::1]5060"):
        with pytest.raises(ValueError):
            split_host_port(bad)


def test_target_prints() -> None:
    assert str(Target("udp", "1.2.3.4", 5060)) == "udp:1.2.3.4:5060"
    assert str(Target("tcp", "::1", 5060)) == "tcp:[::1]:5060"
