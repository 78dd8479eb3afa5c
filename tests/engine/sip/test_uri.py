"""URIs: parts, comparison (RFC 3261 19.1.4), escapes."""

import pytest

from engine.errors import SipParseError
from engine.sip.uri import (
    escape_param,
    escape_user,
    parse_uri,
    same_uri,
    try_uri,
    unescape,
    with_params,
    without_params,
)


@pytest.mark.parametrize(
    ("text", "user", "password", "host", "port", "params", "headers"),
    [
        ("sip:example.com", None, None, "example.com", None, "", ""),
        ("sip:bob@example.com", "bob", None, "example.com", None, "", ""),
        ("SIP:bob:pw@Example.com:5070;lr;x=1?a=b", "bob", "pw", "Example.com", 5070, "lr;x=1", "a=b"),
        ("sips:bob@[2001:db8::10]:5061", "bob", None, "[2001:db8::10]", 5061, "", ""),
        ("sip:user;par=u%40example.net@example.com", "user;par=u%40example.net", None, "example.com", None, "", ""),
        (
            "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
            "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
            "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
            "example.com",
            None,
            "",
            "",
        ),
        (
            "sip:user@example.com?Route=%3Csip:example.com%3E",
            "user",
            None,
            "example.com",
            None,
            "",
            "Route=%3Csip:example.com%3E",
        ),
        ("tel:+12125551212;phone-context=x", "+12125551212", None, "", None, "phone-context=x", ""),
        ("urn:service:sos", "service:sos", None, "", None, "", ""),
    ],
)
def test_parts(
    text: str,
    user: str | None,
    password: str | None,
    host: str,
    port: int | None,
    params: str,
    headers: str,
) -> None:
    uri = parse_uri(text)
    assert (uri.user, uri.password, uri.host, uri.port, uri.params, uri.headers) == (user, password, host, port, params, headers)
    assert str(uri) == text
    assert uri.replaced() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip:@host",
        "sip:user@",
        "<sip:user@example.com>",
        "nobodyknows:totallyopaque",
        "http://192.0.2.3:3002/",
        "sip:user@example.com:99999",
        "sip:a@b@example.com",
        "sip:a b@c",
        "sip:user@host:port",
        "sip:u@[::1",
        "200",
        "tel:",
        "sip::p@h",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_uri(text)
    assert try_uri(text) is None


def test_params() -> None:
    uri = parse_uri('sip:a@h;Transport=TCP;lr;x=;q="a"')
    assert uri.transport == "tcp" and uri.param("lr") == "" and uri.param("x") == "" and uri.param("q") == "a"
    assert uri.param("none") is None and uri.is_loose and uri.has_param("x")
    assert uri.param_list == [("Transport", "TCP"), ("lr", None), ("x", ""), ("q", "a")]


@pytest.mark.parametrize(
    ("text", "proto", "port"),
    [
        ("sip:a@h", "udp", 5060),
        ("sips:a@h", "tls", 5061),
        ("sip:a@h;transport=TLS", "tls", 5061),
        ("sip:a@h:1;transport=tcp", "tcp", 1),
        ("sip:a@h;transport=ws", "ws", 80),
        ("sips:a@h;transport=ws", "wss", 443),
    ],
)
def test_defaults(text: str, proto: str, port: int) -> None:
    uri = parse_uri(text)
    assert (uri.proto, uri.port_or_default) == (proto, port)


def test_replaced() -> None:
    uri = parse_uri("sip:bob:pw@h:1;x?y=z")
    assert uri.replaced(user="al", host="g") == "sip:al:pw@g:1;x?y=z"
    assert uri.replaced(drop_user=True, drop_port=True) == "sip:h;x?y=z"
    assert parse_uri("tel:1;x").replaced(user="2") == "tel:2;x"


def test_aor() -> None:
    assert parse_uri("sip:B%6Fb@Example.COM:5070").aor() == "Bob@example.com"
    assert parse_uri("sip:bob@h").aor(with_host=False) == "bob"
    assert parse_uri("sip:Host").aor() == "host"


# RFC 3261 19.1.4, its own examples among them.
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
    ],
)
def test_same(a: str, b: str) -> None:
    assert same_uri(a, b) and same_uri(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com:6000;transport=tcp", "sip:bob@biloxi.com;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:a@h;x=1", "sip:a@h;x=2"),
        ("sip:a@h", "sips:a@h"),
        ("sip:a@h", "sip:h"),
        ("sip:a:p@h", "sip:a@h"),
        ("sip:a@h;pn-prid=A", "sip:a@h;pn-prid=a"),
        ("sip:a@h;pn-prid=A", "sip:a@h"),
        ("sip:a%3bb@h", "sip:a;b@h"),
    ],
)
def test_not_same(a: str, b: str) -> None:
    assert not same_uri(a, b) and not same_uri(b, a)


def test_same_options() -> None:
    assert same_uri("sip:Bob@h", "sip:bob@h", user_case=False)
    assert same_uri("sip:a@h;pn-prid=A", "sip:a@h", strict_pn=False)
    assert same_uri("no uri", "no uri") and not same_uri("no uri", "sip:a@h")


def test_without_params() -> None:
    assert without_params("sip:a;x=1@h:1;X=2;lr;y=3?h=;x=4", ["x", "y"]) == "sip:a;x=1@h:1;lr?h=;x=4"
    assert without_params("sip:a@h", ["x"]) == "sip:a@h"


def test_with_params() -> None:
    assert with_params("sip:a?b@h;lr?x=y", "n=1") == "sip:a?b@h;lr;n=1?x=y"
    assert with_params("sip:h", "n=1") == "sip:h;n=1"


def test_escapes() -> None:
    assert escape_user("a b@é;c") == "a%20b%40%e9;c"
    assert escape_param("a=b;c") == "a%3db%3bc"
    assert unescape("a%20b%zz%") == "a b%zz%"
