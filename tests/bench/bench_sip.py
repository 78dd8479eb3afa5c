"""Cost of reading and writing messages, in microseconds per message: python -m tests.bench.bench_sip

Prints the best of several rounds beside the budget of each step. A busy machine makes the figures larger, never smaller.
"""

import timeit
from collections.abc import Callable

from engine.sip.builder import forward_request, forward_response, reply
from engine.sip.message import Request, Response, parse_message

INVITE = (
    "INVITE sip:bob@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---abcdef0123456789;rport\r\n"
    "Max-Forwards: 70\r\n"
    "Contact: <sip:alice@192.0.2.10:5060;transport=udp>\r\n"
    'To: "Bob" <sip:bob@example.com>\r\n'
    'From: "Alice" <sip:alice@example.com>;tag=9fxced76sl\r\n'
    "Call-ID: 3848276298220188511@atlanta.example.com\r\n"
    "CSeq: 2 INVITE\r\n"
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO\r\n"
    "Supported: replaces, outbound\r\n"
    "User-Agent: Example Phone 1.0\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 142\r\n\r\n" + "v=0\r\n" + "x" * 137
).encode()
OK = (
    "SIP/2.0 200 OK\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1234.5678.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.10:5060;received=192.0.2.10;branch=z9hG4bK-524287-1---abcdef0123456789;rport=5060\r\n"
    'From: "Alice" <sip:alice@example.com>;tag=9fxced76sl\r\n'
    'To: "Bob" <sip:bob@example.com>;tag=314159\r\n'
    "Call-ID: 3848276298220188511@atlanta.example.com\r\n"
    "CSeq: 2 INVITE\r\n"
    "Contact: <sip:bob@192.0.2.20:5060>\r\n"
    "Content-Length: 0\r\n\r\n"
).encode()
VIA = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1234.5678.0\r\n"
ROUTE = "Record-Route: <sip:192.0.2.1:5060;lr>\r\n"


def cost(call: Callable[[], object], number: int = 2000) -> float:
    """Best time of one call in microseconds."""
    return min(timeit.repeat(call, number=number, repeat=15)) / number * 1e6


def checked(data: bytes) -> Request | Response:
    """One message as the server reads it."""
    msg = parse_message(data)
    msg.check()
    return msg


def main() -> None:
    """Print every step."""
    request = checked(INVITE)
    response = checked(OK)
    assert isinstance(request, Request) and isinstance(response, Response)
    steps: list[tuple[str, float, Callable[[], object]]] = [
        ("parse INVITE", 6.0, lambda: parse_message(INVITE)),
        ("parse and check INVITE", 9.0, lambda: checked(INVITE)),
        ("parse and check 200", 8.0, lambda: checked(OK)),
        ("forward INVITE", 3.0, lambda: forward_request(request, request_uri="sip:bob@192.0.2.20:5060", via=VIA, top=ROUTE)),
        ("forward INVITE, rport", 3.0, lambda: forward_request(
            request, request_uri="sip:bob@192.0.2.20:5060", via=VIA, top=ROUTE, received="192.0.2.10", rport=5060)),
        ("forward 200", 2.0, lambda: forward_response(response)),
        ("local 100", 3.0, lambda: reply(request, 100, "Giving it a try")),
        ("local 404, rport", 3.0, lambda: reply(request, 404, "Not Found", to_tag="a", received="192.0.2.10", rport=5060)),
    ]
    for title, budget, call in steps:
        print(f"{title:24} {cost(call):6.2f} us  (budget {budget:.0f})")


if __name__ == "__main__":
    main()
