"""Reading messages: the start line, the header table in both readings, values, the checks at receive."""

import pytest

from engine.errors import SipParseError
from engine.sip.message import STAR, Request, Response, parse_message

HEAD = (
    "OPTIONS sip:user@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:caller@example.net>;tag=f1\r\n"
    "To: <sip:user@example.com>\r\n"
    "Call-ID: c1\r\n"
    "CSeq: 1 OPTIONS\r\n"
)
FOLDED = (
    "INVITE sip:vera@example.com;unknownparam SIP/2.0\r\n"
    "TO :\r\n sip:vera@example.com ;   tag    = 19182n\r\n"
    'from   : "J Q \\\\\\""       <sip:jq@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
    "MaX-fOrWaRdS: 0068\r\n"
    "Call-ID: fold.1@192.0.2.1\r\n"
    "Content-Length   : 0\r\n"
    "cseq: 9 INVITE\r\n"
    "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=z9hG4bK390skdjuw\r\n"
    "s :\r\n"
    "NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
    "UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
    "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP "
    " 192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    'm:"Quoted string \\"\\"" <sip:jq@example.com> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n\r\n'
)


def request(text: str) -> Request:
    msg = parse_message(text.encode("latin-1"))
    assert isinstance(msg, Request)
    return msg


def test_request() -> None:
    msg = request("\r\n\r\n" + HEAD + "X-Odd:   spaced   value \r\nSubject:  s \r\nContent-Length: 4\r\n\r\nbodymore")
    msg.check()
    assert (msg.method, msg.request_uri, msg.version, msg.is_request) == ("OPTIONS", "sip:user@example.com", "SIP/2.0", True)
    assert msg.names == [
        "via",
        "max-forwards",
        "from",
        "to",
        "call-id",
        "cseq",
        "x-odd",
        "subject",
        "content-length",
    ]
    assert msg.header("x-odd") == "spaced   value " and msg.header("subject") == "s" and msg.header("none") is None
    assert msg.name_as_written(4) == "Call-ID" and msg.positions("to") == [3] and msg.has("to")
    assert (msg.call_id, msg.cseq_number, msg.cseq_method, msg.from_tag, msg.to_tag) == ("c1", "1", "OPTIONS", "f1", None)
    assert msg.content_length == 4 and msg.body == "body" and msg.text[msg.relay_end :] == "more"
    assert msg.text.startswith("OPTIONS") and msg.text[msg.headers_end : msg.body_start] == "\r\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "X: 1\r\nEvent:\r\n\r\nv=0\r\n",
        FOLDED,
        HEAD.replace("\r\n", "\n") + "\nbody\n",
        HEAD + "X: a\r\n\tb\r\n  c\r\n\r\n",
        HEAD + "no colon here\r\nX: y\r\nZ: 1\r\n\r\n",
        HEAD,
    ],
)
def test_spans_cover_the_head(text: str) -> None:
    msg = request(text)
    at = msg.first_line_end
    for i in range(len(msg.names)):
        start, end = msg.span(i)
        assert start == at and msg.text[start:end].endswith("\n")
        assert msg.text[msg.value_start(i) - 1] == ":"
        assert msg.text[msg.value_start(i) :].startswith(msg.raw_value(i))
        at = end
    assert at == msg.headers_end
    msg.check()


def test_folded_everywhere() -> None:
    msg = request(FOLDED)
    msg.check()
    assert [(via.host, via.branch) for via in msg.vias] == [
        ("192.0.2.2", "z9hG4bK390skdjuw"),
        ("spindle.example.com", "z9hG4bK9ikj8"),
        ("192.168.255.111", "z9hG4bK30239"),
    ]
    assert msg.from_ is not None and msg.from_.uri == "sip:jq@example.com" and msg.from_tag == "98asjd8"
    assert msg.to is not None and msg.to.uri == "sip:vera@example.com" and msg.to_tag == "19182n"
    assert msg.header("newfangledheader") == "newfangled value\r\n continued newfangled value"
    assert msg.header("s") == "" and msg.header("subject") is None
    assert msg.contacts[0].q == 330 and msg.contacts[0].uri == "sip:jq@example.com"
    assert msg.text[msg.vias[1].start : msg.vias[1].end].startswith("SIP  / 2.0  / TCP")


def test_line_without_colon_takes_the_next_one_along() -> None:
    msg = request(HEAD + "garbage\r\nX-Eaten: y\r\nX-Next: z\r\n\r\n")
    assert msg.names[-2:] == ["garbage\r\nx-eaten", "x-next"] and not msg.has("x-eaten")
    known = request(HEAD + "Contact\r\nX-Eaten: y\r\n\r\n")
    assert known.names[-1] == "contact\r\nx-eaten"


@pytest.mark.parametrize(
    "line",
    [
        "OPTIONS  sip:user@example.com  SIP/2.0",
        "OPTIONS\tsip:user@example.com\tSIP/2.0",
        "OPTIONS sip:user@example.com",
        "OPTIONS sip:user@example.com SIP/2.0 x",
        "OPTIONS sip:user@example.com; lr SIP/2.0",
        "OPTIONS SIP/2.0",
        " OPTIONS sip:a SIP/2.0",
        "SIP/2.0 99 Low",
        "SIP/2.0 4294967301 better not break",
        "SIP/2.0 20 x",
        "SIP/2.0 2000",
        "SIP/2.0 ",
        "SIP/2.0 200OK",
        "SIP/2.0 \xb2\xb2\xb2 x",
        "SIP/2.0 abc x",
    ],
)
def test_refused_first_lines(line: str) -> None:
    with pytest.raises(SipParseError):
        parse_message((line + "\r\nVia: SIP/2.0/UDP h\r\n\r\n").encode("latin-1"))


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("OPTIONS sip:user@example.com SIP/3.0", "SIP/3.0"),
        ("OPTIONS sip:user@example.com sip/2.0", "sip/2.0"),
        ("OPTIONS sip:user@example.com HTTP/1.1", "HTTP/1.1"),
        ("OPTIONS sip:user@example.com SIP/2.0  ", "SIP/2.0"),
    ],
)
def test_accepted_request_lines(line: str, version: str) -> None:
    assert request(line + "\r\n\r\n").version == version


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        ("SIP/2.0 200 OK", 200, "OK"),
        ("SIP/2.0 100 ", 100, ""),
        ("SIP/2.0 742 High", 742, "High"),
        ("sip/2.0 404 Not Found", 404, "Not Found"),
        ("SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe", 200, "= 2**3 * 5**2 \xd0\xbd\xd0\xbe"),
        ("SIP/2.0 200", 200, ""),
    ],
)
def test_status_lines(line: str, code: int, reason: str) -> None:
    msg = parse_message((line + "\r\nCSeq: 35 INVITE\r\n\r\n").encode("latin-1"))
    assert isinstance(msg, Response)
    assert (msg.status_code, msg.reason_phrase, msg.method, msg.is_request) == (code, reason, "INVITE", False)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("SIP/2.0/UDP", "SIP/7.0/UDP", "bad Via header"),
        ("branch=z9hG4bK-1", "branch=", "bad Via header"),
        ("branch=z9hG4bK-1", ";,;,,", "bad Via header"),
        ("1 OPTIONS", "1", "bad CSeq header"),
        ("1 OPTIONS", "OPTIONS", "bad CSeq header"),
        ("1 OPTIONS", "0009\r\n OPTIONS", "bad CSeq header"),
        ("Max-Forwards: 70", "l: -999", "bad Content-Length header"),
        ("Max-Forwards: 70", "Content-Length: twelve", "bad Content-Length header"),
        ("Max-Forwards: 70", "Content-Length: ", "bad Content-Length header"),
        ("Max-Forwards: 70", "Content-Length: \xb2", "bad Content-Length header"),
        ("<sip:user@example.com>", '"Mr. J. User <sip:j.user@example.com>', "bad header"),
        ("<sip:user@example.com>", "nothing here", "bad header"),
        ("Max-Forwards: 70", "v: x", "bad Via header"),
    ],
)
def test_check_refuses(old: str, new: str, reason: str) -> None:
    text = HEAD.replace(old, new)
    for variant in (text + "\r\n", text.replace("\r\n", "\n") + "\n"):
        with pytest.raises(SipParseError) as caught:
            request(variant).check()
        assert caught.value.message == reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1 OPTIONS", "one OPTIONS"),
        ("1 OPTIONS", "36893488147419103232 REGISTER"),
        ("1 OPTIONS", "000 OPTIONS"),
        ("1 OPTIONS", "\t1\tOPTIONS \t"),
        ("Max-Forwards: 70", "Content-Length: 0000  "),
        ("Call-ID: c1", "Call-ID  \t: c1"),
        ("To: <sip:user@example.com>\r\n", ""),
        ("CSeq: 1 OPTIONS\r\n", ""),
    ],
)
def test_check_accepts(old: str, new: str) -> None:
    msg = request(HEAD.replace(old, new) + "\r\n")
    msg.check()
    assert msg.call_id == "c1"


def test_head_that_breaks_off() -> None:
    with pytest.raises(SipParseError, match="bad header"):
        request(HEAD + "Subject: cut").check()
    with pytest.raises(SipParseError, match="bad header"):
        request(HEAD + "no colon at all\r\n\r\nbody: x\r\n").check()
    with pytest.raises(SipParseError, match="bad CSeq header"):
        request(HEAD.replace("1 OPTIONS", "1") + "no colon at all\r\n\r\n").check()


def test_only_a_request_line() -> None:
    msg = request("OPTIONS sip:user@example.com SIP/2.0\r\n\r\n")
    msg.check()
    assert msg.names == [] and msg.vias == [] and msg.call_id is None and msg.cseq_number is None and msg.from_ is None
    with pytest.raises(SipParseError):
        assert msg.via


@pytest.mark.parametrize(
    ("length", "body", "relayed"),
    [
        ("Content-Length: 4\r\n", "abcd", "abcd"),
        ("Content-Length: 9999\r\n", "abcdef\r\n", "abcdef\r\n"),
        ("Content-Length: 0\r\n", "", "abcdef\r\n"),
        ("", "abcdef\r\n", "abcdef\r\n"),
        ("Content-Length: 4\r\nContent-Length: 2\r\n", "abcd", "abcd"),
    ],
)
def test_body(length: str, body: str, relayed: str) -> None:
    msg = request(HEAD + length + "\r\nabcdef\r\n")
    assert msg.body == body and msg.text[msg.body_start : msg.relay_end] == relayed


def test_lists_over_several_headers() -> None:
    msg = request(
        HEAD + "Contact: <sip:a@b>, <sip:c@d>\r\nRoute: <sip:r1;lr>,<sip:r2;lr>\r\nm: <sip:e@f>\r\nRoute: <sip:r3>\r\n"
        "Record-Route: <sip:x;lr>\r\nPath: <sip:p;lr>\r\n\r\n"
    )
    assert [contact.uri for contact in msg.contacts] == ["sip:a@b", "sip:c@d", "sip:e@f"]
    assert [route.uri for route in msg.routes] == ["sip:r1;lr", "sip:r2;lr", "sip:r3"]
    assert [msg.text[route.uri_start : route.uri_end] for route in msg.routes] == ["sip:r1;lr", "sip:r2;lr", "sip:r3"]
    assert msg.record_routes[0].uri == "sip:x;lr" and msg.addresses("path")[0].uri == "sip:p;lr"
    assert msg.header_values("contact") == ["<sip:a@b>, <sip:c@d>", "<sip:e@f>"]
    assert request(HEAD + "Contact: *\r\n\r\n").contacts == [STAR]


def test_first_of_doubled_headers_counts() -> None:
    msg = request(
        HEAD + "Call-ID: other\r\nCSeq: 59 INVITE\r\nTo: sip:other@example.com\r\nFrom: sip:me@example.com;tag=zz\r\n\r\n"
    )
    msg.check()
    assert (msg.call_id, msg.cseq_number, msg.from_tag) == ("c1", "1", "f1")
