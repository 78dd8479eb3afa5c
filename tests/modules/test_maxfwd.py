"""maxfwd."""

from __future__ import annotations

import pytest

from tests.helpers import Harness, make_request

SCRIPT = """loadmodule "maxfwd.so"
modparam("maxfwd", "max_limit", 100)
route {
    is_maxfwd_lt(10); $var(lt) = $retcode;
    mf_process_maxfwd_header(50); $var(rc) = $retcode;
    xlog("XL|$var(lt) $var(rc)\\n");
    forward();
}"""


@pytest.mark.parametrize(("value", "said", "left"), [
    ("70", "-1 1", "69"), ("9", "1 1", "8"), ("10", "-1 1", "9"), ("0070", "-1 1", "69"), ("101", "-1 1", "100"),
    ("255", "-1 1", "100"), ("70000", "-1 1", "100"), ("999999", "-3 -2", "999999"), ("9" * 5000, "-3 -2", "9" * 5000),
    ("0", "1 -1", "0"), ("00", "1 -1", "00"), ("abc", "-3 -2", "abc"),
    (None, "-2 2", "50"),
])
def test_counting_down(value: str | None, said: str, left: str) -> None:
    text = make_request("MESSAGE", "sip:bob@127.0.0.1:5090")
    text = text.replace("Max-Forwards: 70\r\n", "" if value is None else f"Max-Forwards: {value}\r\n")
    with Harness(SCRIPT) as server:
        sent, = server.send(text)
        assert (server.xlog(), sent.header("Max-Forwards")) == ([said], left)
        if value is None:
            assert sent.text.split("\r\n")[1] == "Max-Forwards: 50"
        elif left != value:
            assert len(sent.text) - len(text) == len(sent.header("Via")) + 7


def test_every_later_reader_sees_the_count() -> None:
    script = SCRIPT.replace("forward();", """
    mf_process_maxfwd_header(50); is_maxfwd_lt(69); xlog("XL|$retcode [$hdr(Max-Forwards)]\\n"); forward();""")
    with Harness(script) as server:
        sent, = server.send(make_request("MESSAGE", "sip:bob@127.0.0.1:5090"))
        assert (server.xlog(), sent.header("Max-Forwards")) == (["-1 1", "1 [68]"], "68")
