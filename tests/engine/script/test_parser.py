"""Scripts to nodes: precedence, all forms of statements, recovery after errors."""

import pytest

from engine.errors import ConfigErrors
from engine.script import nodes as n
from engine.script.parser import parse_text


def body(statements: str) -> list[n.Stmt]:
    return parse_text("route {\n" + statements + "\n}\n").routes[0].body


def value(expression: str) -> str:
    """An expression with all its parentheses."""
    statement = body(f"$var(r) = {expression};")[0]
    assert isinstance(statement, n.Assign)
    return shown(statement.value)


def cond(expression: str) -> str:
    statement = body(f"if ({expression}) exit;")[0]
    assert isinstance(statement, n.If)
    return shown(statement.cond)


def shown(node: object) -> str:
    match node:
        case n.Const():
            return repr(node.value) if node.is_string else str(node.value)
        case n.Var():
            return node.raw
        case n.Null():
            return "NULL"
        case n.IpNet():
            return node.text
        case n.Arith() | n.Compare():
            return f"({shown(node.left)} {node.op} {shown(node.right)})"
        case n.BitNot():
            return f"~{shown(node.operand)}"
        case n.And():
            return f"({shown(node.left)} && {shown(node.right)})"
        case n.Or():
            return f"({shown(node.left)} || {shown(node.right)})"
        case n.Not():
            return f"!{shown(node.operand)}"
        case n.Bracket():
            return f"[{shown(node.value)}]"
        case n.Assign():
            return f"({shown(node.target)} {node.op} {shown(node.value)})"
        case n.Call():
            return f"{node.name}({', '.join('' if arg is None else shown(arg) for arg in node.args)})"
        case n.BlockCond():
            return "{" + "; ".join(shown(item) for item in node.body) + "}"
        case _:
            return type(node).__name__


@pytest.mark.parametrize(("text", "tree"), [
    ("2 + 3 * 4", "((2 + 3) * 4)"), ("10 - 4 * 2", "((10 - 4) * 2)"), ("6 & 3 | 8", "((6 & 3) | 8)"),
    ("8 | 6 & 3", "((8 | 6) & 3)"), ("1 | 2 + 3", "(1 | (2 + 3))"), ("~5 + 1", "(~5 + 1)"), ("2 * (3 + 4)", "(2 * (3 + 4))"),
    ("5 - -3", "(5 - -3)"), ("- 5", "-5"), ("5 -3", "(5 - 3)"), ("1 << 2 + 1", "(1 << (2 + 1))"),
    ("1 + $var(a) == 5", "(1 + ($var(a) == 5))"), ("$var(a) == 5 + 1", "(($var(a) == 5) + 1)"),
    ('is_method("INVITE")', "is_method('INVITE')"), ("route(x)", "RouteCall"), ("on", "1"), ("NULL", "NULL"),
])
def test_values(text: str, tree: str) -> None:
    assert value(text) == tree


@pytest.mark.parametrize(("text", "tree"), [
    ("a() || b() && c()", "((a() || b()) && c())"), ("a() && b() || c()", "((a() && b()) || c())"),
    ("a() and not b() or c()", "((a() && !b()) || c())"), ("!$rU == 1", "!($rU == 1)"),
    ("!($rU == 1) && 5", "(!($rU == 1) && 5)"),
    ("$var(x) = 0", "($var(x) = 0)"), ("$var(x) = f() && g()", "(($var(x) = f()) && g())"), ("[$var(x) + 1]", "[($var(x) + 1)]"),
    ("!![\"x\"]", "!!['x']"), ("{ f(); g(); } || {}", "({f(); g()} || {})"), ("$si == 10.0.0.0/8", "($si == 10.0.0.0/8)"),
    ("$si != [2001:db8::1]", "($si != 2001:db8::1)"), ("$rU =~ '^a'", "($rU =~ '^a')"), ("$rU == NULL", "($rU == NULL)"),
    ("$var(a) >= -5", "($var(a) >= -5)"), ("yes", "1"), ("$rU", "$rU"), ("f(, \"a\", , 3,)", "f(, 'a', , 3, )"), ("f()", "f()"),
    ("f(,)", "f(, )"), ("exit", "Exit"),
])
def test_conditions(text: str, tree: str) -> None:
    assert cond(text) == tree


def test_statements() -> None:
    kinds = [type(statement).__name__ for statement in body("""
        ;; f(); $var(x) := NULL; if (1) {} else if (2) exit; else { drop; }
        while ($var(i) < 3) { $var(i) += 1; if ($var(i) == 2) break; }
        for ($var(v) in $(avp(list)[*])) xlog("L_INFO", "a" 'b' "c");
        switch ($rm) { case "A": case 5: f(); break; default: }
        xdbg("x"); log("t"); log(-1, "t"); assert(1); assert($rU == 1, "text"); error("a", "b");
        async(f("x"), resume, 5); async(f(), "resume"); launch(f()); launch(f(), report); launch(f(), 5, "$var(p)");
        route(relay); route("r$var(x)", 1, "two", $var(three), NULL); route($var(r)); route(7);
        exit(); drop(); return; return(); return 5; return -1; return $var(x); return (1, "a", NULL); return(, $var(x));
    """)]
    assert kinds == (
        "Call Assign If While For Switch Xdbg Log Log Assert Assert ErrorStmt Async Async Launch Launch Launch "
        "RouteCall RouteCall RouteCall RouteCall Exit Drop Return Return Return Return Return Return Return"
    ).split()


def test_details_of_statements() -> None:
    xlog, switch, returned, called = body("""xlog("L_INFO", "a" 'b');
        switch ($rm) { case "A": case -5: break; default: exit; } return(, "x"); route(yes, "$ru");""")
    assert isinstance(xlog, n.Xlog) and xlog.level and (xlog.level.value, xlog.text.value) == ("L_INFO", "ab")
    assert isinstance(switch, n.Switch) and switch.default is not None
    assert [(case.label.value, len(case.body)) for case in switch.cases] == [("A", 0), (-5, 1)]
    assert isinstance(returned, n.Return) and returned.values[0] is None and len(returned.values) == 2
    assert isinstance(called, n.RouteCall) and isinstance(called.target, n.Const)
    assert (called.target.value, called.target.quote) == ("1", "")


def test_else_belongs_to_the_nearest_if() -> None:
    outer = body("if (1) if (2) exit; else drop;")[0]
    assert isinstance(outer, n.If) and outer.orelse is None
    assert isinstance(outer.then[0], n.If) and outer.then[0].orelse is not None


def test_routes_and_modules_keep_their_order() -> None:
    script = parse_text("""
        mpath="/x" loadmodule "a.so" modparam("a|b", "p", "x" 'y') modparam("a", "q", -1) modparam("a", "r", on)
        route { exit; } route[a] { exit; } onreply_route { exit; } onreply_route[r] { exit; } failure_route["f 1"] { exit; }
        branch_route[2] { exit; } error_route { exit; } local_route { exit; } startup_route { exit; }
        timer_route[t, 30] { exit; } event_route[E_X] { exit; }
    """)
    assert [(item.name, item.value) for item in script.modules if isinstance(item, n.ModParam)] == [("p", "xy"), ("q", -1),
    ("r", 1)]
    assert [(route.kind, route.name, route.interval) for route in script.routes] == [
        ("request", "", 0), ("request", "a", 0), ("onreply", "", 0), ("onreply", "r", 0), ("failure", "f 1", 0),
        ("branch", "2", 0),
        ("error", "", 0), ("local", "", 0), ("startup", "", 0), ("timer", "t", 30), ("event", "E_X", 0),
    ]
    assert isinstance(script.items[0], n.GlobalParam) and isinstance(script.items[1], n.LoadModule)


def test_route_zero_is_the_main_route() -> None:
    assert parse_text("route[off] { exit; }").routes[0].name == ""


def test_positions() -> None:
    statement = parse_text("\nroute {\n\tif (f())\n\t\texit;\n}\n").routes[0].body[0]
    assert isinstance(statement, n.If)
    assert statement.pos[1:] == (3, 2, 3)
    assert statement.then[0].pos[1:3] == (4, 3)


def test_warnings_are_kept() -> None:
    script = parse_text('log_stderror=yes\nroute { $var(x) = $route.name[1]; }')
    assert [(warning.pos.line, warning.level) for warning in script.warnings] == [(2, "warning"), (1, "warning")]


def lines(text: str) -> list[int]:
    with pytest.raises(ConfigErrors) as caught:
        parse_text(text)
    return [error.line for error in caught.value.errors]


def test_all_errors_are_found() -> None:
    assert lines("""
route {
    hello;
    if (1 == $rU) exit;
    f(WORD);
    $var(x) = 1
    exit;
    switch ($rm) { case $var(x): exit; }
    while (f() { exit; }
    break;
}
children=4
no_such_thing=5
route[b] { }
route { exit; }
""") == [3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15]


def test_a_forgotten_brace_costs_one_error() -> None:
    assert lines("route {\n if (1) {\n exit;\n}\nroute[a] {\n exit;\n}\nlog_level=2\n") == [5]


def test_breaks_belong_to_loops() -> None:
    assert lines("route { while (1) { if (2) { break; } } break; }") == [1]
    assert lines("route {\n while ({\n break; }) { break; }\n}") == [3]


def test_empty_script() -> None:
    assert lines("# nothing\n") == [1]


def test_a_long_script() -> None:
    block = 'if ($rU == "a" && f("x")) { $var(x) = $var(y) + 1; exit; }'
    script = parse_text("".join(f"route[r{number}] {{ {block} }}\n" for number in range(500)))
    assert len(script.routes) == 500
