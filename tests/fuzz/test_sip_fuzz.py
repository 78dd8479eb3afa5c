"""Whatever the network sends: a parser answers or raises SipParseError; what is built is read back; cuts do not matter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import SipParseError
from engine.sip.builder import forward_request, forward_response, local_request, reply
from engine.sip.digest import parse_digest
from engine.sip.edits import Edits
from engine.sip.framing import FramingError, StreamFramer
from engine.sip.headers import parse_contacts, parse_nameaddr, parse_nameaddr_list, parse_vias
from engine.sip.message import Message, Request, Response, parse_message
from engine.sip.multipart import parts
from engine.sip.sdp import streams, without_streams
from engine.sip.uri import parse_uri, same_uri, without_params

PIECES = st.sampled_from(
    [
        "INVITE sip:a@b SIP/2.0\r\n",
        "SIP/2.0 200 OK\r\n",
        "Via: ",
        "v:",
        "SIP/2.0/UDP h:5060",
        ";branch=z9hG4bK1",
        ";rport",
        ";received=1.2.3.4",
        "To: ",
        "From",
        ":",
        " : ",
        "<sip:a@b>",
        ";tag=1",
        '"',
        "\\",
        "<",
        ">",
        ",",
        ";",
        "=",
        "CSeq: 1 INVITE",
        "Content-Length: ",
        "l: 3",
        "4",
        "Contact: *",
        "Route: <sip:r;lr>",
        "\r\n",
        "\n",
        "\r",
        "\r\n ",
        "\t",
        " ",
        "\r\n\r\n",
        "body",
        "m=audio 1\r\n",
        "--b",
        "sip:",
        "@",
        "[::1]",
        "Digest realm=",
        "\x00",
        "\xff",
        "Call-ID: x",
        "Record-Route: <sip:x>",
    ]
)
MESSY = st.lists(PIECES, max_size=40).map("".join)
ANY = st.one_of(MESSY, st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
VIA = "Via: SIP/2.0/UDP own;branch=z9hG4bKx\r\n"


def touch(msg: Message) -> None:
    """Read everything there is to read; each value answers or raises SipParseError."""
    for name in (
        "check",
        "vias",
        "via",
        "from_",
        "to",
        "from_tag",
        "to_tag",
        "call_id",
        "cseq_number",
        "cseq_method",
        "contacts",
        "routes",
        "record_routes",
        "content_length",
        "body",
        "relay_end",
    ):
        try:
            value = getattr(msg, name)
            if callable(value):
                value()
        except SipParseError:
            pass
    at = msg.first_line_end
    for i in range(len(msg.names)):
        start, end = msg.span(i)
        assert start == at and end > start
        assert msg.text[start:end].startswith(msg.name_as_written(i)) and msg.value(i) in msg.raw_value(i)
        at = end
    assert at == msg.headers_end <= msg.body_start <= len(msg.text)


def rebuild(msg: Message) -> None:
    """Everything that can be built from a message that passed the checks is a message again."""
    edits = Edits()
    edits.append_header(msg, "X-New: 1\r\n")
    for change in (None, edits):
        for need_length in (False, True):
            if isinstance(msg, Request):
                out = parse_message(
                    forward_request(
                        msg, request_uri="sip:new", via=VIA, edits=change, received="9.9.9.9", rport=9, need_length=need_length
                    )
                )
                out.check()
                assert len(out.vias) == len(msg.vias) + 1 and out.vias[1].received == "9.9.9.9" and out.vias[1].rport == "9"
            elif isinstance(msg, Response):
                out = parse_message(forward_response(msg, edits=change, need_length=need_length))
                out.check()
                assert len(out.vias) == len(msg.vias) - 1
            assert change is None or out.header("x-new") == "1"
    if isinstance(msg, Request):
        answer = parse_message(reply(msg, 404, "Not Found", to_tag="t", received="9.9.9.9", rport=9))
        answer.check()
        assert answer.vias[0].received == "9.9.9.9" and answer.call_id == msg.call_id


def examine(text: str) -> None:
    """Parse, read everything, build everything."""
    try:
        msg = parse_message(text.encode("latin-1"))
    except SipParseError:
        return
    touch(msg)
    try:
        msg.check()
        vias = msg.vias
    except SipParseError:
        return
    if vias:
        rebuild(msg)


@given(ANY)
@settings(max_examples=300, deadline=None)
def test_any_message(text: str) -> None:
    examine(text)


@given(
    st.booleans(),
    st.lists(
        st.one_of(
            MESSY,
            st.sampled_from(
                [
                    "Via: SIP/2.0/UDP a;rport;branch=1,SIP/2.0/TCP [::1]:9",
                    "v :\r\n SIP / 2.0/UDP h ; received = 1.1.1.1;rport=7",
                    "To: <sip:a@b>",
                    "t: sip:a@b;tag=1",
                    "l: 3",
                    "Content-Length:\t0 ",
                    "CSeq: 1 INVITE",
                    "X: y",
                    "Call-ID: 7",
                    "no colon",
                ]
            ),
        ),
        max_size=8,
    ),
    st.sampled_from(["\r\n", "\n"]),
)
@settings(max_examples=300, deadline=None)
def test_nearly_good_message(is_request: bool, lines: list[str], end: str) -> None:
    first = "INVITE sip:a@b SIP/2.0" if is_request else "SIP/2.0 200 OK"
    examine(end.join([first, "Via: SIP/2.0/UDP first;branch=z9hG4bK1", *lines, "", "body"]))


@given(ANY)
@settings(max_examples=300, deadline=None)
def test_any_value(text: str) -> None:
    for parser in (parse_uri, parse_vias, parse_nameaddr, parse_nameaddr_list, parse_contacts, parse_digest):
        try:
            parser(text)
        except SipParseError:
            pass
    assert same_uri(text, text)
    without_params(text, ["tag"])
    parts(text, "multipart/mixed;boundary=b")
    streams(text)
    without_streams(text, "audio")


WORD = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-_.!~*'", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=20)


@given(WORD, WORD, st.integers(0, 2**40), st.lists(st.tuples(WORD, VALUE), max_size=5), st.binary(max_size=50))
@settings(max_examples=200, deadline=None)
def test_built_is_read_back(user: str, tag: str, cseq: int, extra: list[tuple[str, str]], body: bytes) -> None:
    content = body.decode("latin-1")
    headers = "".join([f"X-{name}: {value}\r\n" for name, value in extra])
    text = local_request(
        "MESSAGE",
        f"sip:{user}@h",
        via=VIA,
        to=f"<sip:{user}@h>",
        from_=f"<sip:me@h>;tag={tag}",
        cseq=cseq,
        call_id=user,
        headers=headers,
        body=content,
    )
    msg = parse_message(text.encode("latin-1"))
    assert isinstance(msg, Request)
    msg.check()
    assert (msg.request_uri, msg.from_tag, msg.cseq_number, msg.call_id, msg.body) == (
        f"sip:{user}@h",
        tag,
        str(cseq),
        user,
        content,
    )
    assert msg.to is not None and msg.to.parsed_uri.user == user
    assert [msg.value(i) for i in range(len(msg.names)) if msg.names[i].startswith("x-")] == [value for _, value in extra]


def frames(data: list[bytes]) -> tuple[list[bytes], bool]:
    """Messages up to a mistake, and whether there was one."""
    framer = StreamFramer(max_size=300)
    found: list[bytes] = []
    try:
        for chunk in data:
            framer.feed_into(chunk, found)
    except FramingError:
        return found, True
    return found, False


@given(
    st.lists(
        st.sampled_from(
            [
                b"M sip:x SIP/2.0\r\nContent-Length: 5\r\n\r\n12345",
                b"M sip:x SIP/2.0\nl:0\n\n",
                b"\r\n",
                b"\r\n\r\n",
                b"\n",
                b" ",
                b"\r",
                b"x",
                b"l: 7\r\n",
                b"M sip:x SIP/2.0\r\nContent-Length: x\r\n\r\n",
            ]
        ),
        max_size=8,
    ),
    st.data(),
)
@settings(max_examples=300, deadline=None)
def test_cuts_do_not_matter(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    whole = frames([stream])
    assert frames([stream[i : i + 1] for i in range(len(stream))]) == whole
    cut = data.draw(st.integers(0, len(stream)))
    assert frames([stream[:cut], stream[cut:]]) == whole
