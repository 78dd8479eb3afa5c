"""Via, addresses and contacts."""

import pytest

from engine.errors import SipParseError
from engine.sip.headers import (
    STAR,
    format_q,
    parse_contacts,
    parse_nameaddr,
    parse_nameaddr_list,
    parse_q,
    parse_via,
    parse_vias,
)


def test_usual_via() -> None:
    via = parse_via(" SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1;rport;received=192.0.2.2;alias;i=7f")
    assert (via.transport, via.host, via.port, via.sent_by) == ("UDP", "192.0.2.1", 5062, "192.0.2.1:5062")
    assert (via.branch, via.rport, via.received, via.alias, via.i) == ("z9hG4bK1", "", "192.0.2.2", "", "7f")
    assert via.maddr is None and str(via) == "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1;rport;received=192.0.2.2;alias;i=7f"


def test_unusual_via() -> None:
    text = ' sip  /   2.0\r\n /uDp\r\n    [::1] : 5060 ; branch  =   z9hG4bK9ikj8 ;x="a;,b" (old) , SIP/2.0/TCP b'
    first, second = parse_vias(text, 100, 3)
    assert (first.transport, first.host, first.port, first.branch, first.comment) == (
        "uDp",
        "[::1]",
        5060,
        "z9hG4bK9ikj8",
        "(old)",
    )
    assert first.param("x") == "a;,b" and first.header == 3
    assert text[first.start - 100 : first.end - 100].startswith("sip  /") and text[first.start - 100 : first.end - 100].endswith(
        "(old)"
    )
    assert text[first.host_end - 100 :].startswith(" ; branch")
    assert (second.transport, second.host, second.port, second.branch) == ("TCP", "b", None, None)
    assert text[second.start - 100 : second.end - 100] == "SIP/2.0/TCP b"


def test_via_offsets_agree_on_both_paths() -> None:
    usual = " SIP/2.0/UDP h:1;branch=a;rport=5"
    for text in (usual, usual + " ", "\t" + usual[1:]):
        via = parse_via(text)
        assert text[via.start : via.end] == usual[1:]
        assert text[: via.host_end].endswith("h:1")
        span = via.param_span("rport")
        assert span is not None and text[span[0] : span[1]] == "rport=5"
    bare = parse_via(" SIP/2.0/UDP h")
    assert (bare.host_end, bare.end, bare.params) == (14, 14, "")


@pytest.mark.parametrize("params", [
    "branch=;x", "x=", "rport=;branch=a", "rport =", 'x="open;branch=a', "x=<a>", "x=a(b)", "x:y=a", '"x"=a',
])
def test_loose_via_parameters(params: str) -> None:
    """What OpenSIPS takes though the grammar has no such thing."""
    assert parse_via(f" SIP/2.0/UDP h;{params}").params == params


@pytest.mark.parametrize(
    "text",
    [
        "",
        " SIP/7.0/UDP h;branch=a",
        " SIP/2.0/UDP",
        " SIP/2.0/UDP h;;,;,,",
        " SIP/2.0/UDP h;branch=",
        " SIP/2.0/UDP h;branch",
        " SIP/2.0/UDP h;branch;x",
        " SIP/2.0/UDP h;branch=a=b",
        " SIP/2.0/UDP h;received=",
        " SIP/2.0/UDP h;alias=1",
        " SIP/2.0/UDP my_host",
        " SIP/2.0/UDP h;;branch=a",
        " SIP/2.0/UDP h;branch=a;",
        " SIP/2.0/UDP h,",
        " SIP/2.0/UDP h:99999",
        " SIP/2.0/UDP h h",
        " SIP/2.0/UDP h:",
        " SIP/2.0/UDP h;=x",
        " SIP/2.0/UDP h;",
        "HTTP/1.1/TCP h",
        " SIP/2.0/UDP a;branch=b, x",
    ],
)
def test_bad_via(text: str) -> None:
    with pytest.raises(SipParseError, match="bad Via header"):
        parse_vias(text)


@pytest.mark.parametrize(
    ("text", "display", "uri", "params", "tag"),
    [
        (" <sip:a@b>;tag=1", "", "sip:a@b", "tag=1", "1"),
        (' "A \\" B" <sip:a@b>', '"A \\" B"', "sip:a@b", "", None),
        ("\r\n sip:vera@example.com ;   tag    = 19182n", "", "sip:vera@example.com", "   tag    = 19182n", "19182n"),
        (
            '"J Q \\\\\\""       <sip:jq@example.com>\r\n  ;\r\n  tag = 98asjd8',
            '"J Q \\\\\\""',
            "sip:jq@example.com",
            "\r\n  tag = 98asjd8",
            "98asjd8",
        ),
        ('"Watson, Thomas" < sip:t.watson@example.org >', '"Watson, Thomas"', "sip:t.watson@example.org", "", None),
        ("Bell, Alexander <sip:a.g.bell@example.com>;tag=43", "Bell, Alexander", "sip:a.g.bell@example.com", "tag=43", "43"),
        ("caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", "tag=323", "323"),
        ("sip:+16505552222@example.net;user=phone", "", "sip:+16505552222@example.net", "user=phone", None),
        (
            "token1~` token2'+_ token3*%!.- <sip:m@e.com> ;fromParam''~+*_!.-%=\"yes\";tag=_token~1'+`*%!-.",
            "token1~` token2'+_ token3*%!.-",
            "sip:m@e.com",
            "fromParam''~+*_!.-%=\"yes\";tag=_token~1'+`*%!-.",
            "_token~1'+`*%!-.",
        ),
    ],
)
def test_nameaddr(text: str, display: str, uri: str, params: str, tag: str | None) -> None:
    address = parse_nameaddr(text)
    assert (address.display, address.uri, address.params, address.tag) == (display, uri, params, tag)
    assert text[address.uri_start : address.uri_end] == uri
    assert text[address.start : address.end] == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        '"Mr. J. User <sip:j.user@example.com>',
        "nothing here",
        "<>",
        "< >",
        "<sip:a@b",
        "<sip:a@b>x",
        '<sip:a@b>;x="y',
        "sip:a@b c;tag=1",
        '"a" "b" <sip:a@b>',
    ],
)
def test_bad_nameaddr(text: str) -> None:
    with pytest.raises(SipParseError, match="bad header"):
        parse_nameaddr(text)


def test_list_offsets() -> None:
    text = ' <sip:a@b;lr>, "X, Y" <sip:c,d@e>;p=1 ,<sip:f@g>'
    items = parse_nameaddr_list(text, 10, 2)
    assert [item.uri for item in items] == ["sip:a@b;lr", "sip:c,d@e", "sip:f@g"]
    assert [text[item.start - 10 : item.end - 10] for item in items] == ["<sip:a@b;lr>", '"X, Y" <sip:c,d@e>;p=1', "<sip:f@g>"]
    assert all(text[item.uri_start - 10 : item.uri_end - 10] == item.uri for item in items)
    assert [str(item) for item in items] == ["<sip:a@b;lr>", '"X, Y" <sip:c,d@e>;p=1', "<sip:f@g>"]
    with pytest.raises(SipParseError):
        parse_nameaddr_list(" , ")


def test_contacts() -> None:
    text = (
        '<sip:a@b;ob>;q=0.7;expires=60;+sip.instance="<urn:uuid:1>";reg-id=1;methods="INVITE, BYE", '
        'sip:c@d;received="sip:1.2.3.4"'
    )
    first, second = parse_contacts(text)
    assert (first.uri, first.q, first.expires, first.instance) == ("sip:a@b;ob", 700, "60", "<urn:uuid:1>")
    assert (first.reg_id, first.methods) == ("1", "INVITE, BYE")
    assert (second.uri, second.q, second.expires, second.received) == ("sip:c@d", None, None, "sip:1.2.3.4")
    assert parse_contacts(" * ")[0] is STAR
    with pytest.raises(SipParseError):
        parse_contacts("*, <sip:a@b>")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", 500),
        ("1", 1000),
        ("1.000", 1000),
        ("0", 0),
        (".25", 250),
        ("0.333", 333),
        ("0.0", 0),
        ("0.1234", 123),
        ("0.", 0),
    ],
)
def test_q(text: str, value: int) -> None:
    assert parse_q(text) == value


@pytest.mark.parametrize("text", ["9", "1.1", "-0.5", "x", "", "0.5x", "1.0.0", "0,5"])
def test_bad_q(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_q(text)


def test_format_q() -> None:
    assert [format_q(value) for value in (0, 500, 333, 1000, 10)] == ["0", "0.5", "0.333", "1", "0.01"]
