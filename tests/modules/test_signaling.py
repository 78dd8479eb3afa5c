"""signaling: one send_reply() for both ways of answering."""

from __future__ import annotations

import pytest

from engine.errors import ConfigErrors
from tests.helpers import Harness, make_request

BOTH = 'loadmodule "sl.so"\nloadmodule "tm.so"\nloadmodule "signaling.so"\nloadmodule "sipmsgops.so"\n'


def test_with_and_without_a_transaction() -> None:
    script = BOTH + """route {
        if (is_method("MESSAGE")) t_newtran();
        xlog("XL|$sig_local_totag\\n");
        send_reply(404, "No");
    }"""
    with Harness(script) as server:
        for method, counter in (("OPTIONS", "sl:sent_replies"), ("MESSAGE", "tm:local_replies")):
            sent, = server.send(make_request(method, call_id=method))
            assert server.server.stats.get(counter).count == 1
            assert sent.header("To").endswith(";tag=" + server.xlog()[-1])


def test_in_failure_route() -> None:
    more = 'failure_route[f] { send_reply(480, "Replaced"); }'
    script = BOTH + (
        f'modparam("tm", "fr_timeout", 2) route {{ t_on_failure("f"); $du = "sip:127.0.0.1:5090"; t_relay(); }} {more}')
    with Harness(script) as server:
        server.send(make_request("OPTIONS"))
        assert server.advance(3.0)[-1].first_line == "SIP/2.0 480 Replaced"


def test_only_tm() -> None:
    with Harness('loadmodule "tm.so"\nloadmodule "signaling.so"\nroute { send_reply(200, "OK"); }') as server:
        first, = server.send(make_request("OPTIONS"))
        again, = server.send(make_request("OPTIONS"))
        assert first.text == again.text and server.server.stats.get("tm:UAS_transactions").count == 1


def test_one_of_them_is_needed() -> None:
    with pytest.raises(ConfigErrors, match="tm or sl"):
        Harness('loadmodule "signaling.so"\nroute { exit; }')
