"""options: which requests are answered, and with what."""

from __future__ import annotations

import pytest

from tests.helpers import Harness, make_request
from tests.modules.small_parts import script, show

BODY = "options_reply(); " + show("$rc") + ' sl_send_reply(404, "Not Here");'


@pytest.mark.parametrize(("method", "uri", "status"), [
    ("OPTIONS", "sip:127.0.0.1:5060", 200), ("OPTIONS", "sip:bob@127.0.0.1:5060", 404), ("INFO", "sip:127.0.0.1:5060", 404),
    ("OPTIONS", "tel:+49", 404),
])
def test_who_is_answered(method: str, uri: str, status: int) -> None:
    with Harness(script("sl signaling options", BODY, {"options.support": "path", "options.accept_language": ""})) as server:
        reply, = server.send(make_request(method, uri))
        assert reply.first_line.startswith(f"SIP/2.0 {status}")
        assert (reply.header("Accept"), reply.header("Supported")) == (("*/*", "path") if status == 200 else (None, None))
        assert reply.header("Accept-Language") is None
        assert [line.strip() for line in server.xlog()] == ([] if status == 200 else ["-1"])
