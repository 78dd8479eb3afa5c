"""script_helper: what is done before the request route, and for which requests the route does not run."""

from __future__ import annotations

import pytest

from engine.errors import ConfigErrors
from tests.helpers import Harness, make_reply, make_request

SCRIPT = '''
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "script_helper.so"
modparam("script_helper", "sequential_route", "inside")
route { xlog("XL|main $rm\\n"); $du = "sip:127.0.0.1:5090"; t_relay(); }
route[inside] { xlog("XL|inside $rm\\n"); if ($rm == "INFO") { sl_send_reply(200, "OK"); exit; } }
'''
OWN = "Route: <sip:127.0.0.1:5060;lr>, <sip:127.0.0.1:5091;lr>\r\n"


def test_new_requests_run_the_route_and_get_record_route() -> None:
    with Harness(SCRIPT) as server:
        sent = [one for one in server.send(make_request("INVITE")) if one.first_line.startswith("INVITE")]
        assert sent[0].header("Record-Route") is not None
        sent = server.send(make_request("MESSAGE", call_id="m"))
        assert sent[0].header("Record-Route") is None
        assert server.xlog() == ["main INVITE", "main MESSAGE"]


def test_requests_inside_a_dialog() -> None:
    with Harness(SCRIPT) as server:
        sent, = server.send(make_request("BYE", call_id="b", to_tag="x", headers=OWN))
        assert (sent.first_line.split()[0], sent.port) == ("BYE", 5091)
        assert server.send(make_request("BYE", call_id="b", to_tag="x", headers=OWN)) == []
        sent, = server.send(make_request("INFO", call_id="i", to_tag="x", headers=OWN))
        assert sent.first_line == "SIP/2.0 200 OK"
        sent, = server.send(make_request("BYE", call_id="c", to_tag="x"))
        assert sent.first_line == "SIP/2.0 404 Not Here"
        assert server.send(make_request("ACK", call_id="d", to_tag="x")) == []
        assert server.xlog() == ["inside BYE", "inside INFO"]


def test_cancel_goes_to_its_transaction() -> None:
    with Harness(SCRIPT) as server:
        invite = make_request("INVITE")
        out = next(one for one in server.send(invite) if one.first_line.startswith("INVITE"))
        server.send(make_reply(out.text, 180), ("127.0.0.1", 5090))
        lines = [one.first_line for one in server.send(make_request("CANCEL"))]
        assert any(line.startswith("CANCEL") for line in lines) and "main CANCEL" not in server.xlog()
        assert server.send(make_request("CANCEL", call_id="unknown")) == []


def test_dialog_support_needs_dialog() -> None:
    script = SCRIPT.replace('"sequential_route", "inside"', '"use_dialog", 1')
    with pytest.raises(ConfigErrors, match="dialog"):
        Harness(script)
