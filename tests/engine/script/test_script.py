"""What is known about a compiled script."""

from __future__ import annotations

from tests.engine.script.standin import StandIn

TEXT = """
route { note("x"); async(slow(1), late); }
route[late] { exit; }
failure_route[f] { exit; }
branch_route[b] { exit; }
onreply_route { exit; }
onreply_route[r] { exit; }
timer_route[t, 5] { exit; }
event_route[E_X] { exit; }
local_route { exit; }
startup_route { exit; }
error_route { exit; }
"""


def test_routes_by_kind_and_name() -> None:
    script = StandIn().load(TEXT)
    single = (script.request, script.onreply_default, script.error, script.local, script.startup)
    assert all(route is not None for route in single)
    assert list(script.routes) == ["late"]
    assert list(script.named("failure")) == ["f"]
    assert list(script.named("branch")) == ["b"]
    assert list(script.named("onreply")) == ["r"]
    assert list(script.named("event")) == ["E_X"]
    assert [(name, seconds) for name, seconds, _ in script.timers] == [("t", 5)]


def test_uses() -> None:
    script = StandIn().load(TEXT)
    assert script.uses("note")
    assert script.uses("slow")
    assert script.uses_async("slow")
    assert not script.uses_async("note")
    assert not script.uses("code")
    assert not script.has_forward


def test_flags_keep_their_bits_over_a_reload() -> None:
    server = StandIn()
    first = server.load('route { if ($msg.flag(A)) exit; }')
    second = server.load('route { if ($msg.flag(B) || $msg.flag(A)) exit; }')
    assert first.flag_names.bit("A") == second.flag_names.bit("A")
    assert second.flag_names.names(second.flag_names.bit("A") | second.flag_names.bit("B")) == ["B", "A"]
