"""$var, $avp, parameters, codes, levels, the stack of routes."""

from __future__ import annotations

import pytest

from engine.errors import ScriptError
from engine.events.bus import EventParams
from engine.script.context import BRANCH
from engine.script.faults import parse_fault
from engine.script.values import NumberText, TextNumber
from tests.engine.script.kit import Kit


@pytest.fixture
def kit() -> Kit:
    return Kit()


def joined(kit: Kit, name: str = "a") -> object:
    return kit.get(f"$(avp({name})[*])")


def test_var_keeps_one_kind(kit: Kit) -> None:
    assert kit.get("$var(x)") is None
    kit.set("$var(x)", TextNumber("5060", 5060))
    assert type(kit.get("$var(x)")) is str
    kit.set("$var(x)", NumberText(42, "42abc"))
    assert type(kit.get("$var(x)")) is int
    kit.set("$var(x)", None)
    assert kit.get("$var(x)") is None
    kit.set("$var($rm)", "a plain name")
    assert kit.server.script_vars["$rm"] == "a plain name"


def test_avp_is_a_stack(kit: Kit) -> None:
    for value in ("one", "two", 3):
        kit.set("$avp(a)", value)
    assert [kit.get("$avp(a)"), *[kit.get(f"$(avp(a)[{at}])") for at in (1, -1, 3)]] == [3, "two", "one", None]
    kit.set("$(avp(a)[append])", "last")
    kit.set("$(avp(a)[1])", "replaced")
    assert joined(kit) == "3, replaced, one, last"
    with pytest.raises(ScriptError):
        kit.set("$(avp(a)[9])", "far")
    kit.set("$(avp(a)[-1])", "tail")
    kit.set("$(avp(a)[0])", None)
    kit.set("$avp(a)", None)
    assert joined(kit) == "one, tail"
    kit.set("$(avp(a)[9])", None)
    kit.set("$(avp(a)[*])", "all")
    assert joined(kit) == "all"
    kit.set("$(avp(a)[*])", None)
    assert joined(kit) is None and "a" not in kit.ctx.avps
    with pytest.raises(ScriptError):
        kit.set("$(avp(a)[0])", 1)


def test_avp_assign_replaces_all(kit: Kit) -> None:
    kit.set("$avp(a)", "x")
    kit.set("$avp(a)", "y")
    assign = kit.var("$avp(a)").assign
    assert assign is not None
    assign(kit.ctx, "only")
    assert joined(kit) == "only"
    assign(kit.ctx, None)
    assert joined(kit) is None
    var = kit.var("$var(x)")
    assert var.assign is var.set


def test_joined_values_have_a_limit(kit: Kit) -> None:
    kit.set("$avp(a)", "x" * 255)
    kit.set("$avp(a)", "y" * 254)
    assert len(str(joined(kit))) == 511
    kit.set("$avp(a)", "")
    assert joined(kit) is None
    assert "511" in kit.lines[-1]


def test_parameters(kit: Kit) -> None:
    assert kit.get("$param(1)") is None
    kit.ctx.params = ("a", 2, None)
    assert [kit.get(f"$param({n})") for n in range(5)] == [None, "a", 2, None, None]
    kit.set("$var(i)", 2)
    assert kit.get("$param($var(i))") == 2
    assert kit.get("$param(name)") is None
    kit.ctx.params = EventParams(["key", None], ["v", 5])
    assert [kit.get(f"$param({name})") for name in ("key", 1, 2, "other")] == ["v", "v", None, None]


def test_returned_numbers_count_as_texts(kit: Kit) -> None:
    kit.ctx.returned = (7, "x")
    value = kit.get("$return(0)")
    assert isinstance(value, TextNumber) and value == "7" and value.number == 7
    assert kit.get("$return(1)") == "x" and kit.get("$return(2)") is None


def test_errors_and_codes(kit: Kit) -> None:
    assert kit.text("$err.class $err.level [$err.info] $err.rcode [$err.rreason]") == "0 0 [] 0 []"
    kit.ctx.error = parse_fault("Via")
    assert kit.text("$err.class $err.level $err.info $err.rcode $err.rreason") == "1 3 error parsing Via 400 bad Via header"


def test_levels(kit: Kit) -> None:
    kit.set("$xlog_level", -1)
    assert (kit.get("$xlog_level"), kit.server.log.root.xlog_level) == (-1, -1)
    kit.set("$xlog_level", None)
    assert kit.get("$xlog_level") == 2
    kit.set("$log_level", 4)
    assert kit.get("$log_level") == 4
    kit.set("$log_level", None)
    for name in ("$log_level", "$xlog_level"):
        with pytest.raises(ScriptError):
            kit.set(name, "4")


def test_stack_of_routes(kit: Kit) -> None:
    assert kit.get("$route") is None and kit.get("$route.name") is None
    kit.ctx.route_stack = ["branch_route[b]", "route[a]", "route[c]"]
    assert kit.text("$route $(route[1]) $(route[-1]) $(route[9])") == "route[c] route[a] branch_route[b] <null>"
    assert kit.get("$(route[*])") == "branch_route[b] > route[a] > route[c]"
    assert kit.text("$route.name $(route.name[-1]) $route.type $(route.type[2])") == "c b route branch_route"
    assert kit.get("$(route.name[*])") is None
    kit.ctx.kind = BRANCH
    assert kit.text("$route.name [$(route.name[-1])] $(route.type[2])") == "c [] branch_route"


def test_options_of_the_command_line(kit: Kit) -> None:
    kit.server.options["x"] = "1"
    assert kit.get("$argv(x)") == "1" and kit.get("$argv(y)") is None
