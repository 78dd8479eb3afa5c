"""What leaves: forwarded requests and replies, local replies, ACK, CANCEL, local requests."""

import pytest

from engine.sip.builder import ack_for_failure, cancel, forward_request, forward_response, local_request, reply
from engine.sip.edits import Edits
from engine.sip.message import Request, Response, parse_message

OWN = "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKown\r\n"


def make(via: str = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-p", extra: str = "", body: str = "", length: bool = True) -> Request:
    msg = parse_message(
        (
            f"MESSAGE sip:bob@example.com SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=a1\r\n"
            f"To: <sip:bob@example.com>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n{extra}"
            + (f"Content-Length: {len(body)}\r\n" if length else "")
            + "\r\n"
            + body
        ).encode("latin-1")
    )
    assert isinstance(msg, Request)
    msg.check()
    return msg


def make_reply(text: str) -> Response:
    msg = parse_message(text.encode())
    assert isinstance(msg, Response)
    return msg


def test_forward_keeps_every_untouched_byte() -> None:
    msg = make(extra="X-Odd:   spaced   value \r\nx-fold: a\r\n b\r\n", body="text\r\n")
    out = forward_request(msg, request_uri="sip:new@h", via=OWN, top="Record-Route: <sip:10.0.0.1;lr>\r\n")
    head, _, rest = msg.text.partition("\r\n")
    assert out == f"MESSAGE sip:new@h SIP/2.0\r\nRecord-Route: <sip:10.0.0.1;lr>\r\n{OWN}{rest}"


# Recorded: what the reference writes into the old top Via. rport and received as the transaction layer decides them.
@pytest.mark.parametrize(
    ("via", "rport", "relayed", "local"),
    [
        ("SIP/2.0/UDP h:1;rport;branch=r", 9, "SIP/2.0/UDP h:1;received=127.0.0.1;rport=9;branch=r", None),
        ("SIP/2.0/UDP h:1;branch=v;rport=3", 9, "SIP/2.0/UDP h:1;received=127.0.0.1;branch=v;rport=9", None),
        ("SIP/2.0/UDP h;branch=n;rport;x=y", 9, "SIP/2.0/UDP h;received=127.0.0.1;branch=n;rport=9;x=y", None),
        (
            "SIP/2.0/UDP h;received=192.0.2.9;branch=c;rport",
            9,
            "SIP/2.0/UDP h;received=127.0.0.1;branch=c;rport=9",
            "SIP/2.0/UDP h;received=127.0.0.1;received=192.0.2.9;branch=c;rport=9",
        ),
        (
            "SIP/2.0/UDP h;branch=c;received=192.0.2.9",
            None,
            "SIP/2.0/UDP h;received=127.0.0.1;branch=c",
            "SIP/2.0/UDP h;received=127.0.0.1;branch=c;received=192.0.2.9",
        ),
        (
            "SIP/2.0/UDP h;branch=f",
            9,
            "SIP/2.0/UDP h;rport=9;received=127.0.0.1;branch=f",
            "SIP/2.0/UDP h;received=127.0.0.1;rport=9;branch=f",
        ),
        ("SIP/2.0/UDP h", 9, "SIP/2.0/UDP h;rport=9;received=127.0.0.1", "SIP/2.0/UDP h;received=127.0.0.1;rport=9"),
        (
            "SIP / 2.0 / UDP h ; received = 1 ; branch = f, SIP/2.0/UDP k",
            None,
            "SIP / 2.0 / UDP h;received=127.0.0.1 ; branch = f, SIP/2.0/UDP k",
            "SIP / 2.0 / UDP h;received=127.0.0.1 ; received = 1 ; branch = f, SIP/2.0/UDP k",
        ),
    ],
)
def test_received_and_rport(via: str, rport: int | None, relayed: str, local: str | None) -> None:
    msg = make(via)
    for edits in (None, Edits()):
        if edits is not None:
            edits.append_header(msg, "X: 1\r\n")
        out = forward_request(msg, request_uri="sip:b@h", via=OWN, edits=edits, received="127.0.0.1", rport=rport)
        assert out.split("\r\n")[2] == f"Via: {relayed}"
        parse_message(out).check()
    assert reply(msg, 200, "OK", received="127.0.0.1", rport=rport).split("\r\n")[1] == f"Via: {local or relayed}"


def test_edits_and_own_lines_at_one_place() -> None:
    msg = make(extra="Subject: x\r\n")
    edits = Edits()
    edits.insert_header(msg, "X-Front: 1\r\n")
    edits.append_header(msg, "X-End: 1\r\n")
    edits.remove_header(msg, msg.names.index("subject"))
    out = forward_request(msg, request_uri="sip:b@h", via=OWN, top="Record-Route: <sip:r>\r\n", edits=edits)
    lines = out.split("\r\n")
    assert lines[1:5] == ["Record-Route: <sip:r>", "X-Front: 1", OWN[:-2], "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-p"]
    assert lines[-4:] == ["Content-Length: 0", "X-End: 1", "", ""] and "Subject: x" not in lines


def test_via_is_not_the_first_header() -> None:
    msg = parse_message("OPTIONS sip:a SIP/2.0\r\nTo: <sip:b>\r\nVia: SIP/2.0/UDP h;branch=1\r\n\r\n")
    assert isinstance(msg, Request)
    lines = forward_request(msg, request_uri="sip:a", via=OWN, top="T: 1\r\n").split("\r\n")
    assert lines[1:5] == ["T: 1", "To: <sip:b>", OWN[:-2], "Via: SIP/2.0/UDP h;branch=1"]


def test_route_lines() -> None:
    path = "Route: <sip:p;lr>\r\n"
    lines = forward_request(make(), request_uri="sip:a", via=OWN, route_lines=path).split("\r\n")
    assert lines[2:4] == ["Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-p", path[:-2]]
    out = forward_request(make(extra="Route: <sip:old;lr>\r\n"), request_uri="sip:a", via=OWN, route_lines=path)
    assert [route.uri for route in parse_message(out).routes] == ["sip:p;lr", "sip:old;lr"]


@pytest.mark.parametrize("need_length", [False, True])
def test_body_edits_correct_the_length(need_length: bool) -> None:
    msg = make(body="one two one\r\n")
    edits = Edits()
    edits.replace(msg.body_start, msg.body_start + 3, "eleven")
    edits.append_header(msg, "X: 1\r\n")
    out = parse_message(forward_request(msg, request_uri="sip:a", via=OWN, edits=edits, need_length=need_length))
    assert out.body == "eleven two one\r\n" and out.text[out.body_start :] == out.body and out.content_length == 16
    edits.replace_body("x")
    out = parse_message(forward_request(msg, request_uri="sip:a", via=OWN, edits=edits, need_length=need_length))
    assert out.text[out.body_start :] == "x" and out.content_length == 1


def test_length_is_added_only_on_streams() -> None:
    msg = make(body="text", length=False)
    assert "Content-Length" not in forward_request(msg, request_uri="sip:a", via=OWN)
    assert forward_request(msg, request_uri="sip:a", via=OWN, need_length=True).endswith("\r\nContent-Length: 4\r\n\r\ntext")
    edits = Edits()
    edits.replace_body("longer")
    assert "Content-Length" not in forward_request(msg, request_uri="sip:a", via=OWN, edits=edits)


def test_removed_length_comes_back_on_streams() -> None:
    msg = make(body="text")
    edits = Edits()
    edits.remove_header(msg, msg.names.index("content-length"))
    assert "Content-Length" not in forward_request(msg, request_uri="sip:a", via=OWN, edits=edits)
    assert parse_message(forward_request(msg, request_uri="sip:a", via=OWN, edits=edits, need_length=True)).content_length == 4


def test_wrong_length_stays_on_datagrams_and_is_corrected_on_streams() -> None:
    msg = parse_message(make(body="text").text.replace("Content-Length: 4", "Content-Length: 9999"))
    assert isinstance(msg, Request)
    assert "Content-Length: 9999" in forward_request(msg, request_uri="sip:a", via=OWN)
    assert "Content-Length: 4\r\n" in forward_request(msg, request_uri="sip:a", via=OWN, need_length=True)


def test_bytes_beyond_the_length_stay_behind() -> None:
    msg = parse_message(make(body="abcd").text + "ef\r\n")
    assert isinstance(msg, Request)
    assert forward_request(msg, request_uri="sip:a", via=OWN).endswith("\r\n\r\nabcd")


def test_removed_via_is_not_patched() -> None:
    msg = make()
    edits = Edits()
    edits.remove_header(msg, 0)
    out = forward_request(msg, request_uri="sip:a", via=OWN, edits=edits, received="1.2.3.4", rport=1)
    assert "1.2.3.4" not in out and [via.branch for via in parse_message(out).vias] == ["z9hG4bKown"]


REPLY = (
    "SIP/2.0 503 Busy\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=own\r\nVia: SIP/2.0/UDP a;branch=1\r\nTo: <sip:b>;tag=1\r\n"
    "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)


def test_forward_response() -> None:
    rest = REPLY.partition("branch=own\r\n")[2]
    assert forward_response(make_reply(REPLY)) == f"SIP/2.0 503 Busy\r\n{rest}"
    assert forward_response(make_reply(REPLY), status_code=500) == f"SIP/2.0 500 Busy\r\n{rest}"
    msg = make_reply(REPLY)
    edits = Edits()
    edits.append_header(msg, "X: 1\r\n")
    assert forward_response(msg, edits=edits, status_code=500) == f"SIP/2.0 500 Busy\r\n{rest[:-2]}X: 1\r\n\r\n"
    short = make_reply(REPLY.replace("Content-Length: 0\r\n", ""))
    assert "Content-Length: 0\r\n" in forward_response(short, need_length=True)


def test_forward_response_with_vias_in_one_line() -> None:
    msg = make_reply(REPLY.replace("branch=own\r\nVia: ", "branch=own , "))
    assert forward_response(msg).split("\r\n")[1:3] == ["Via: SIP/2.0/UDP a;branch=1", "To: <sip:b>;tag=1"]


EXTRA = (
    "Record-Route: <sip:192.0.2.7;lr>, <sip:192.0.2.8;lr>\r\nRecord-Route: <sip:192.0.2.9;lr>\r\n"
    "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK-x, SIP/2.0/TCP 192.0.2.8:5070;branch=z9hG4bK-y\r\n"
    "Subject: test\r\nTimestamp: 54\r\nContact: <sip:alice@192.0.2.1>\r\n"
)


def test_reply_order() -> None:
    msg = make(extra=EXTRA)
    out = reply(
        msg,
        200,
        "Fine",
        to_tag="T.1",
        headers="X-One: 1\r\nX-Two: 2\r\n",
        server="Server: s",
        warning='Warning: 392 x "y"',
        body="b",
    )
    assert out == (
        "SIP/2.0 200 Fine\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-p\r\n"
        "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK-x, SIP/2.0/TCP 192.0.2.8:5070;branch=z9hG4bK-y\r\n"
        "Record-Route: <sip:192.0.2.7;lr>, <sip:192.0.2.8;lr>\r\nRecord-Route: <sip:192.0.2.9;lr>\r\n"
        "To: <sip:bob@example.com>;tag=T.1\r\nFrom: <sip:a@example.com>;tag=a1\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n"
        'X-One: 1\r\nX-Two: 2\r\nServer: s\r\nContent-Length: 1\r\nWarning: 392 x "y"\r\n\r\nb'
    )


def test_reply_by_code() -> None:
    msg = make(extra=EXTRA)
    assert "tag=T" not in reply(msg, 100, "Trying", to_tag="T") and "Record-Route" not in reply(msg, 100, "Trying")
    assert "Record-Route" in reply(msg, 180, "Ringing") and "Record-Route" not in reply(msg, 404, "Not Found")
    moved = reply(msg, 302, "Moved", contact="<sip:x@y>;q=0.5")
    assert "CSeq: 1 MESSAGE\r\nContact: <sip:x@y>;q=0.5\r\nContent-Length: 0\r\n\r\n" in moved


def test_reply_copies_compact_and_folded_headers() -> None:
    msg = parse_message(
        'OPTIONS sip:c200@example.com SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK-5\r\nf: "A B" <sip:alice@example.com>;tag=9\r\n'
        't: "Bob"\r\n  <sip:bob@example.com> ;x=y  \r\ni: compact-1\r\nCSeq:  0077   OPTIONS\r\nl: 0\r\n\r\n'
    )
    assert isinstance(msg, Request)
    assert reply(msg, 200, "Fine", to_tag="1") == (
        'SIP/2.0 200 Fine\r\nv: SIP/2.0/UDP h;branch=z9hG4bK-5\r\nt: "Bob"\r\n  <sip:bob@example.com> ;x=y;tag=1\r\n'
        'f: "A B" <sip:alice@example.com>;tag=9\r\ni: compact-1\r\nCSeq:  0077   OPTIONS\r\nContent-Length: 0\r\n\r\n'
    )


def test_existing_to_tag_stays() -> None:
    msg = parse_message(make().text.replace("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;tag=old"))
    assert isinstance(msg, Request)
    assert reply(msg, 404, "Not Found", to_tag="new").count("tag=") == 2 and "tag=new" not in reply(msg, 404, "x", to_tag="new")


def test_ack_and_cancel() -> None:
    msg = make(extra="Route: <sip:own;lr>\r\n")
    routes = "Route: <sip:next;lr>\r\n"
    assert ack_for_failure(
        msg,
        request_uri="sip:b@h",
        via=OWN,
        reply_to="<sip:bob@example.com>;tag=z",
        route_lines=routes,
        headers="X: 1\r\n",
        user_agent="User-Agent: u",
    ) == (
        f"ACK sip:b@h SIP/2.0\r\n{OWN}From: <sip:a@example.com>;tag=a1\r\nCall-ID: c\r\nTo: <sip:bob@example.com>;tag=z\r\n"
        f"CSeq: 1 ACK\r\nMax-Forwards: 70\r\n{routes}X: 1\r\nUser-Agent: u\r\nContent-Length: 0\r\n\r\n"
    )
    assert cancel(msg, request_uri="sip:b@h", via=OWN, headers="Reason: SIP;cause=487\r\n") == (
        f"CANCEL sip:b@h SIP/2.0\r\n{OWN}From: <sip:a@example.com>;tag=a1\r\nCall-ID: c\r\nTo: <sip:bob@example.com>\r\n"
        "CSeq: 1 CANCEL\r\nMax-Forwards: 70\r\nReason: SIP;cause=487\r\nContent-Length: 0\r\n\r\n"
    )


def test_local_request() -> None:
    out = local_request(
        "MESSAGE",
        "sip:b@h",
        via=OWN,
        to="<sip:b@h>",
        from_="<sip:me>;tag=1",
        cseq=10,
        call_id="id",
        routes="Route: <sip:r;lr>\r\n",
        headers="Content-Type: text/plain\r\n",
        body="hi",
        user_agent="User-Agent: u",
    )
    msg = parse_message(out)
    msg.check()
    assert msg.names == [
        "via",
        "to",
        "from",
        "cseq",
        "call-id",
        "max-forwards",
        "route",
        "content-length",
        "user-agent",
        "content-type",
    ]
    assert msg.body == "hi" and msg.content_length == 2 and msg.cseq_number == "10"
