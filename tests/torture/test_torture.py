"""RFC 4475 and RFC 5118: what becomes of each of their messages on the whole receive path, and why.

The verdicts are those of OpenSIPS 3.6 with the same script, except where a sentence says otherwise. Nothing that cannot be parsed
is answered by the server itself: with a Via in order, an error_route could; with a broken one nobody can.
"""

from __future__ import annotations

import pytest

from engine.sip.framing import FramingError, StreamFramer
from engine.sip.message import parse_message
from engine.sip.uri import parse_uri
from tests.torture.messages import TortureMessage, read
from tests.torture.verdicts import Judge

INTMETH = "!interesting-Method0123456789_*+`.%indeed'~"

VERDICTS: dict[str, tuple[str, str]] = {
    # RFC 4475 3.1.1: valid messages
    "wsinv": (
        "nothing",
        "valid, but as in OpenSIPS a CSeq folded between number and method is refused; with it on one line it is relayed (below)",
    ),
    "intmeth": (f"relayed {INTMETH}", "every character a method, a user part, a display name may hold is taken"),
    "esc01": ("relayed INVITE", "escapes in URIs stay as they are"),
    "escnull": (
        "reply 400",
        "an escaped NUL is legal in a user part, but as in OpenSIPS it cannot be part of an address of record",
    ),
    "esc02": ("relayed RE%47IST%45R", "an escape outside a URI is plain text: this is no REGISTER, and C%6Fntact no Contact"),
    "lwsdisp": ("relayed OPTIONS", "no blank is needed between display name and angle bracket"),
    "longreq": ("relayed INVITE", "long values and 34 Vias are no reason to refuse"),
    "dblreq": ("stored 1", "what follows the Content-Length of a datagram is left alone"),
    "semiuri": ("relayed OPTIONS", "a semicolon in front of the @ belongs to the user part"),
    "transports": ("relayed OPTIONS", "a Via of an unknown transport below the top one is nobody's business"),
    "mpart01": ("relayed MESSAGE", "a binary body with NULs goes through byte for byte"),
    "unreason": ("nothing", "a reply with one Via and no transaction ends here; its reason phrase is no fault"),
    "noreason": ("nothing", "the same without a reason phrase"),
    # 3.1.2: invalid messages
    "badinv01": ("nothing", "no answer can be written to a Via that cannot be read"),
    "clerr": (
        "relayed INVITE",
        "a datagram shorter than its Content-Length: as in OpenSIPS the body is what is there; over TCP it waits (below)",
    ),
    "ncl": ("nothing", "a negative Content-Length: the headers cannot be relied on, no answer"),
    "scalar02": ("reply 400", "a CSeq beyond 32 bits is no number of a registration; OpenSIPS stores it cut"),
    "scalarlg": ("nothing", "a reply with huge numbers and one Via ends here without harm"),
    "quotbal": ("nothing", "a To whose quote never closes cannot be copied into an answer"),
    "ltgtruri": ("reply 400", "angle brackets are no part of a Request-URI: the script asks $ru and finds NULL"),
    "lwsruri": ("nothing", "a blank inside the Request-URI makes four words of the request line"),
    "lwsstart": ("nothing", "two blanks in the request line, as in OpenSIPS"),
    "trws": ("relayed OPTIONS", "blanks behind the version are overlooked"),
    "escruri": ("relayed INVITE", "headers in a Request-URI are not acted upon: no Route comes of it"),
    "baddate": ("relayed INVITE", "a proxy does not read Date"),
    "regbadct": (
        "stored 1",
        "a Contact without brackets: what follows the question mark is kept as part of the URI and never made a header",
    ),
    "badaspec": ("relayed OPTIONS", "blanks inside the angle brackets are trimmed"),
    "baddn": ("relayed OPTIONS", "a comma in an unquoted display name does no harm in From and To, which hold one value"),
    "badvers": ("nothing", "SIP/7.0 in the request line would pass, in the Via it ends the message"),
    "mismatch01": (
        "relayed OPTIONS",
        "a method that differs in CSeq is relayed by the method of the request line, as in OpenSIPS",
    ),
    "mismatch02": ("relayed NEWMETHOD", "the same for an unknown method"),
    "bigcode": ("nothing", "a status code has three digits"),
    # 3.2: transaction layer
    "badbranch": (
        "relayed OPTIONS",
        "a branch that is nothing but the cookie counts as none: the rules of RFC 2543 identify the transaction",
    ),
    # 3.3: application layer
    "insuf": ("reply 400", "without From, To and Call-ID there is no transaction: t_relay() fails and the script answers"),
    "unkscm": ("reply 400", "an unknown scheme in the Request-URI"),
    "novelsc": ("reply 400", "the same with dots in its name"),
    "unksm2": ("reply 400", "To, which names the record, is no URI a registrar knows"),
    "bext01": ("reply 420", "an extension a proxy is required to support, and does not"),
    "invut": ("relayed INVITE", "the body is for the far end to understand"),
    "regaut01": ("stored 0", "credentials of an unknown scheme are no credentials; this script asks for none"),
    "multi01": ("relayed INVITE", "single-value headers that stand twice: the first counts, all are relayed, as in OpenSIPS"),
    "mcl01": ("relayed OPTIONS", "the same for Content-Length: the first one cuts the body"),
    "bcast": ("reply relayed", "a reply to the second Via, broadcast address or not; UDP sockets refuse to send there"),
    "zeromf": ("reply 483", "Max-Forwards is used up"),
    "cparam01": ("stored 1", "without brackets a parameter belongs to the header"),
    "cparam02": ("stored 1", "with brackets to the URI"),
    "regescrt": ("stored 1", "a stored URI may have headers; they are given back"),
    "sdp01": ("relayed INVITE", "what the caller accepts is for the far end to mind"),
    # 3.4: backward compatibility
    "inv2543": ("relayed INVITE", "no branch, no Max-Forwards, no Content-Length, a strict Record-Route: RFC 2543 is understood"),
    # RFC 5118
    "ipv6-good": ("stored 1", "IPv6 references everywhere"),
    "ipv6-bad": ("reply 400", "an IPv6 address without brackets is no host"),
    "port-ambiguous": ("stored 1", "inside brackets :5070 is part of the address"),
    "port-unambiguous": ("stored 1", "behind the brackets it is a port"),
    "via-received-param-with-delim": ("relayed BYE", "received with brackets"),
    "via-received-param-no-delim": ("relayed OPTIONS", "and without: both are in use"),
    "ipv6-in-sdp": ("relayed INVITE", "a body is not looked into"),
    "mult-ip-in-header": ("relayed BYE", "IPv4 and IPv6 in one list of Vias"),
    "mult-ip-in-sdp": ("relayed INVITE", "and in one SDP"),
    "ipv4-mapped-ipv6": ("relayed INVITE", "IPv4-mapped addresses are IPv6 addresses; OpenSIPS drops the message"),
    "ipv6-bug-abnf-3-colons": (
        "relayed OPTIONS",
        "three colons, which the grammar of RFC 3261 asks for by mistake, are tolerated",
    ),
    "ipv6-correct-abnf-2-colons": ("relayed OPTIONS", "and two are right"),
}

MESSAGES = {message.name: message for rfc in ("rfc4475", "rfc5118") for message in read(rfc)}


def relayed(message: TortureMessage) -> str:
    """The text that went to the next hop."""
    with Judge() as judge:
        judge.verdict(message)
        return next(one.text for one in judge.sent if one.port == 5099)


def test_every_message_has_its_verdict() -> None:
    assert list(VERDICTS) == list(MESSAGES) and len(MESSAGES) == 49 + 12


@pytest.mark.parametrize("name", VERDICTS)
def test_verdict(name: str) -> None:
    with Judge() as judge:
        assert judge.verdict(MESSAGES[name]) == VERDICTS[name][0]
        assert judge.crashes == []


@pytest.mark.parametrize("name", [name for name, (verdict, _) in VERDICTS.items() if verdict.startswith("relayed")])
def test_what_is_relayed_is_untouched(name: str) -> None:
    """Apart from the request line, the new Via and marks in the old one, Max-Forwards, Route and what a length cuts off."""
    sent, received = relayed(MESSAGES[name]), parse_message(MESSAGES[name].data)
    again = parse_message(sent)
    again.check()
    assert again.body == received.body and len(again.vias) == len(received.vias) + 1
    for place, header in enumerate(received.names):
        if header not in ("via", "max-forwards", "route"):
            assert received.line(place) in sent or "\n" in received.raw_value(place)


def framed(name: str) -> tuple[list[bytes], bool]:
    """The messages a stream with these bytes holds, and whether it broke."""
    found: list[bytes] = []
    try:
        StreamFramer().feed_into(MESSAGES[name].data, found)
    except FramingError:
        return found, True
    return found, False


def test_a_length_that_lies_over_tcp() -> None:
    """On a stream the length decides where a message ends: too long a one waits for more, a broken one ends the connection."""
    assert framed("clerr") == ([], False)
    assert framed("ncl") == ([], True)
    found, broken = framed("mcl01")
    assert [len(one.partition(b"\r\n\r\n")[2]) for one in found] == [13] and broken


def test_two_requests_in_one_stream() -> None:
    """The second one's Content-Length is short of its body by a few bytes, which then are the begin of nothing."""
    found, broken = framed("dblreq")
    assert [one.split(b" ", 1)[0] for one in found] == [b"REGISTER", b"INVITE"] and broken


def test_wsinv_with_its_cseq_on_one_line() -> None:
    message = MESSAGES["wsinv"]
    unfolded = TortureMessage(message.name, message.section, message.data.replace(b"0009\r\n  INVITE", b"0009 INVITE"))
    text = relayed(unfolded)
    assert "\r\nRoute:" not in text.partition("\r\n\r\n")[0] or "services.example.com" in text
    msg = parse_message(unfolded.data)
    assert [(via.transport, via.host, via.branch) for via in msg.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"), ("TCP", "spindle.example.com", "z9hG4bK9ikj8"), ("UDP", "192.168.255.111", "z9hG4bK30239")]
    assert msg.from_tag == "98asjd8" and msg.to_tag == "1918181833n" and msg.header("s") == ""
    assert msg.contacts[0].q == 330 and msg.contacts[0].param("newparam") == "newvalue" and msg.contacts[0].param("secondparam") == ""
    assert msg.routes[0].parsed_uri.is_loose and msg.content_length == 150 and msg.body.endswith("LPC\r\n")


def test_parameters_of_a_contact() -> None:
    first, second = (parse_message(MESSAGES[name].data).contacts[0] for name in ("cparam01", "cparam02"))
    assert first.uri == "sip:+19725552222@gw1.example.net" and first.param("unknownparam") == ""
    assert second.uri == "sip:+19725552222@gw1.example.net;unknownparam" and second.param("unknownparam") is None


def test_ports_and_brackets() -> None:
    ambiguous, clear = (
        parse_uri(parse_message(MESSAGES[name].data).request_uri)  # type: ignore[union-attr]
        for name in ("port-ambiguous", "port-unambiguous")
    )
    assert (ambiguous.host, ambiguous.port) == ("[2001:db8::10:5070]", None) and (clear.host, clear.port) == ("[2001:db8::10]", 5070)


@pytest.mark.parametrize(("old", "new", "expected"), [
    (b"CSeq: 36893488147419103232 ", b"CSeq: " + b"9" * 5000 + b" ", "reply 400"),
    (b"CSeq: 36893488147419103232 ", b"CSeq: 7 ", "stored 1"),
    (b"CSeq: 36893488147419103232 REGISTER\r\n", b"CSeq: 7 REGISTER\r\nExpires: " + b"9" * 5000 + b"\r\n", "stored 1"),
    (b"CSeq: 36893488147419103232 REGISTER\r\n", b"CSeq: 7 REGISTER\r\nContact: <sip:a@b>;expires=" + b"9" * 5000 + b"\r\n", "stored 2"),
    (b"Max-Forwards: 300", b"Max-Forwards: " + b"9" * 5000, "reply 400"),
])
def test_numbers_of_any_length(old: bytes, new: bytes, expected: str) -> None:
    """A CSeq beyond 32 bits is refused, a lifetime is as long as one can be (RFC 4475 3.1.2.4)."""
    message = MESSAGES["scalar02"]
    with Judge() as judge:
        assert judge.verdict(TortureMessage("scalar", "", message.data.replace(old, new))) == expected
        assert judge.crashes == []
