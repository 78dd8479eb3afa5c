"""Transactions die by reference counting: with the garbage collector off nothing of them is left when they have ended.

The server looks for cycles rarely (engine.server.cli), so a cycle per call would be a leak that lasts for minutes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from engine.script.context import Context
from modules.tm.cell import ClientBranch, Transaction
from tests.helpers import Harness, make_reply, make_request

SCRIPT = """
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "sipmsgops.so"
route {
    mf_process_maxfwd_header(10);
    if (is_method("CANCEL")) { t_relay(); exit; }
    if (is_method("ACK") && t_check_trans()) { t_relay(); exit; }
    t_check_trans();
    record_route();
    t_on_branch("each");
    t_on_reply("back");
    t_on_failure("again");
    $du = "sip:127.0.0.1:5080";
    append_branch("sip:second@127.0.0.1:5081");
    t_relay();
}
branch_route[each] { append_hf("X-Branch: yes\\r\\n"); }
onreply_route[back] { $avp(seen) = $rs; }
failure_route[again] { $du = "sip:127.0.0.1:5082"; t_relay(); }
"""


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is left over stays visible."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> list[str]:
    """Names of the classes of what transactions are made of."""
    return [type(one).__name__ for one in gc.get_objects() if isinstance(one, (Transaction, ClientBranch, Context))]


def invite(server: Harness, number: int) -> tuple[str, list[str]]:
    """The INVITE of a call and what leaves for its two branches."""
    text = make_request("INVITE", "sip:bob@127.0.0.1:5060", call_id=f"call-{number}", branch=f"z9hG4bK-{number}")
    return text, [sent.text for sent in server.send(text) if sent.text.startswith("INVITE")]


def test_nothing_is_left_of_calls(no_collector: None) -> None:
    with Harness(SCRIPT) as server:
        before = alive()
        _, (first, second) = invite(server, 1)
        server.send(make_reply(first, 180), ("127.0.0.1", 5080))
        server.send(make_reply(second, 200), ("127.0.0.1", 5081))
        server.send(make_reply(first, 487), ("127.0.0.1", 5080))
        text, branches = invite(server, 2)
        for branch in branches:
            server.send(make_reply(branch, 180), ("127.0.0.1", 5080))
        server.send(text.replace("INVITE", "CANCEL"))
        for branch in branches:
            server.send(make_reply(branch, 487), ("127.0.0.1", 5080))
        _, branches = invite(server, 3)
        for branch in branches:
            server.send(make_reply(branch, 486), ("127.0.0.1", 5080))
        invite(server, 4)
        server.sent.clear()
        server.advance(600)
        assert len(server.server.registry.modules["tm"].table) == 0
        assert alive() == before
