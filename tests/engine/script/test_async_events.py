"""async() where there is no request: an event route waits and goes on."""

from __future__ import annotations

from tests.helpers import Harness, make_request

SCRIPT = """
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "cfgutils.so"

route {
    $avp(n) = "value";
    $avp(v) = "7";
    raise_event("E_TEST", $avp(n), $avp(v));
    sl_send_reply(200, "OK");
}
event_route[E_TEST] {
    xlog("XL|before $param(value)\\n");
    async(usleep(1000), later);
}
route[later] { xlog("XL|after $rc\\n"); }
"""


def test_an_event_route_may_wait_and_go_on() -> None:
    with Harness(SCRIPT) as harness:
        harness.send(make_request("OPTIONS"))
        for _ in range(50):
            if len(harness.xlog()) == 2:
                break
            harness.advance(0.1)
        assert harness.xlog() == ["before 7", "after 1"]
