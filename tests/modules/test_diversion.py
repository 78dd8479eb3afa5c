"""diversion: where the header goes and what it says."""

from __future__ import annotations

from tests.helpers import Harness, make_request
from tests.modules.small_parts import script

BODY = (
    'add_diversion("unconditional"); $ru = "sip:new@example.net"; append_hf("X-Other: 1\\r\\n"); '
    'add_diversion("user-busy", "sip:x@example.org", 3); $du = "sip:127.0.0.1:5090"; forward();'
)
NEW = [
    "Diversion: <sip:x@example.org>;reason=user-busy;counter=3;privacy=full",
    "Diversion: <sip:bob@example.com>;reason=unconditional;privacy=full",
]


def diversions(text: str) -> list[str]:
    return [line for line in text.split("\r\n") if line.startswith("Diversion")]


def test_the_newest_stands_on_top() -> None:
    with Harness(script("diversion sipmsgops", BODY, {"diversion.suffix": ";privacy=full"})) as server:
        sent, = server.send(make_request("INVITE"))
        assert diversions(sent.text) == NEW
        old = "Diversion: <sip:old@example.com>;reason=deflection"
        sent, = server.send(make_request("INVITE", call_id="two", headers=f"{old}\r\nX-Last: 1\r\n"))
        assert diversions(sent.text) == [*NEW, old]
        assert sent.text.index("X-Other") > sent.text.index("X-Last")
