"""What compiled routes do: statements, return codes, conditions with four outcomes, calls. Language reference 9 to 12, 15."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.script.functions import CORE_MODULES as FUNCTIONS
from tests.engine.script.standin import StandIn


@pytest.fixture
def server() -> StandIn:
    return StandIn()


def note(server: StandIn, text: str) -> list[object]:
    """What a main route notes."""
    server.run(f"route {{ {text} }}")
    return server.seen


# ------------------------------------------------------------------------------------------------------------ conditions
@pytest.mark.parametrize(("condition", "expected"), [
    ("$var(none)", False), ("0", False), ("-1", True), ('$var(zero) == 0', True), ("$var(word)", True), ("$var(empty)", False),
    ('$var(word) == "WORD"', True), ('$var(word) != "word"', False), ('$var(none) == "x"', False), ('$var(none) != "x"', True),
    ("$var(none) < 5", False), ("$var(five) == 5 and $var(five) > 4", True), ('$var(five) == "5"', True),
    ("$var(none) == NULL", True), ("$var(none) == $var(none2)", True), ("$var(none) != $var(five)", True),
    ("$var(five) < $var(ten)", True), ('$var(ten) < "5"', True), ('$var(word) =~ "^W.R"', True), ('$var(word) !~ "x"', True),
    ('$var(none) =~ "x"', False), ("$var(word) =~ $var(pattern)", True), ("$var(ip) == 10.0.0.0/8", True),
    ("$var(ip) != 10.0.0.0/8", False), ("$var(ip) == ::1", False), ("$var(ip) != ::1", True), ("[$var(zero)]", True),
    ("[$var(five) - 5]", False), ("![$var(word) - 1]", True), ("[$var(none)]", False), ("$var(x) = 0", True),
    ("$var(x) += 1", False), ("{ nay(); aye(); }", True), ("{ }", False),
    # A comparison that cannot be made: false, its negation false, and it ends an or.
    ("$var(word) == 5", False), ("!($var(word) == 5)", False), ("$var(word) == 5 || 1", False), ("1 || $var(word) == 5", True),
    ("!($var(word) == 5 && 1)", False), ("!(0 && $var(word) == 5)", True), ("!($var(word) == 5) || aye()", False),
    ("(0 || $var(word) == 5) || aye()", False), ("0 && $var(word) == 5 || aye()", True), ("!!($var(five) == 5)", True),
    ("$var(word) == 10.0.0.1", False), ("!($var(word) == 10.0.0.1)", False), ("!($var(word) =~ $var(broken))", False),
    ("aye() && $var(word) == 5 || aye()", False), ("$var(zero) || $var(word)", True), ("1 && $var(word)", True),
])
def test_condition(server: StandIn, condition: str, expected: bool) -> None:
    setup = (
        '$var(word) = "word"; $var(empty) = ""; $var(zero) = 0; $var(five) = 5; $var(ten) = 10; $var(ip) = "10.1.2.3";'
        '$var(pattern) = "o"; $var(broken) = "(";'
    )
    server.run(f'route {{ {setup} if ({condition}) note("then"); else note("else"); }}')
    assert server.seen[-1] == ("then" if expected else "else")


TERMS = {"T": "aye()", "F": "nay()", "E": "$var(s) == 5", "t": "1", "f": "$var(n)", "e": "$var(s) != 5"}
CONDITIONS = st.recursive(
    st.sampled_from(sorted(TERMS)),
    lambda inner: st.one_of(
        st.tuples(st.just("!"), inner), st.tuples(inner, st.sampled_from(["&&", "||"]), inner),
    ),
    max_leaves=8,
)


def spelled(tree: object) -> str:
    """A condition as script text."""
    if isinstance(tree, str):
        return TERMS[tree]
    assert isinstance(tree, tuple)
    return f"!({spelled(tree[1])})" if len(tree) == 2 else f"({spelled(tree[0])} {tree[1]} {spelled(tree[2])})"


def judged(tree: object, calls: list[str]) -> bool | None:
    """The outcome by the rules: True, False, None (failed); calls in order."""
    if isinstance(tree, str):
        if tree in "TF":
            calls.append("yes" if tree == "T" else "no")
        return {"T": True, "t": True, "F": False, "f": False}.get(tree)
    assert isinstance(tree, tuple)
    if len(tree) == 2:
        inner = judged(tree[1], calls)
        return None if inner is None else not inner
    left = judged(tree[0], calls)
    if left is None or left is (tree[1] == "||"):
        return left
    return judged(tree[2], calls)


@given(CONDITIONS)
def test_any_condition_follows_the_table(tree: object) -> None:
    server = StandIn()
    server.run(f'route {{ $var(s) = "x"; if ({spelled(tree)}) note("then"); else note("else"); }}')
    calls: list[str] = []
    outcome = judged(tree, calls)
    assert server.seen == [*calls, "then" if outcome is True else "else"]


# ---------------------------------------------------------------------------------------------------------- return codes
@pytest.mark.parametrize(("statement", "code"), [
    ("$var(x) = 1;", "1"), ('$var(x) = $var(w) - "a";', "-1"), ("aye();", "1"), ("nay();", "-1"), ("code(7);", "7"),
    ("route(five);", "5"), ("route(nothing);", "1"), ("route(last_if);", "1"),
    ("route(by_text);", "1"), ("route(by_null);", "-1"),
    ("if ($var(x) == 9) { }", "0"), ("if (1) { }", "1"), ("if (1) { if (0) { } }", "1"), ("if (!route(neg)) { }", "1"),
    ('if ($rm == "a") nay(); else if ($rm == "b") nay();', "1"), ('if ($rm == "a") nay(); else if ($rm == "OPTIONS") nay();', "-1"),
    ('if ($rm == "a") nay(); else if ($rm == "b") nay(); else if ($rm == "c") nay();', "1"),
    ("while ($var(i) < 3) $var(i) += 1;", "1"), ("while (0) aye();", "1"), ("while (1) { break; }", "-5"),
    ("for ($var(it) in $(avp(none)[*])) nay();", "1"), ("switch ($rm) { case \"INVITE\": nay(); }", "1"),
    ('switch ($rm) { case "options": nay(); break; }', "-5"), ('switch ($rm) { case "OPTIONS": nay(); }', "-1"),
    ("broken();", "-1"), ("refuses();", "-7"), ("note($var(none));", "-1"), ("code($var(none));", "-1"), ('xlog("x");', "1"),
    ("$var(missing) = \"nosuch\"; code(4); route($var(missing));", "4"),
])
def test_rc_after(server: StandIn, statement: str, code: str) -> None:
    server.load(
        'route[five] { return(5); } route[nothing] { aye(); } route[last_if] { if (0) aye(); } route[neg] { return(-3); }'
        'route[by_text] { $var(t) = "12"; return($var(t)); } route[by_null] { return($var(none)); }'
        f'route {{ $var(i) = "text"; {statement} note("$rc"); }}'
    )
    server.run()
    assert server.seen[-1] == code


def test_rc_inside_a_branch_is_that_of_the_condition(server: StandIn) -> None:
    assert note(server, 'if (!code(-3)) note("$rc");') == [-3, "-3"]


@pytest.mark.parametrize("end", [
    "exit;", "drop;", "return(0);", "route(zero);", "code(0);", "if (code(0)) { } ", "if (exit) aye();",
    "while (route(zero)) aye();", "$var(x) = code(0);", "if (return(-1)) aye();",
])
def test_the_script_ends(server: StandIn, end: str) -> None:
    server.load(f'route[zero] {{ return(0); }} route[inner] {{ {end} note("never"); }} route {{ route(inner); note("never"); }}')
    ctx = server.run()
    assert "never" not in server.seen
    assert ctx.dropped is (end == "drop;")


# ------------------------------------------------------------------------------------------------------------ statements
def test_switch_falls_through_and_compares_by_kind(server: StandIn) -> None:
    server.load(
        'route[s] { switch ($param(1)) { case "one": note("1"); break; case "two": note("2"); case 5: note("5"); break;'
        ' case "last": note("l"); default: note("d"); } }'
        'route { route(s, "ONE"); route(s, "two"); route(s, 5); route(s, "5"); route(s, "last"); route(s); }'
    )
    server.run()
    assert server.seen == ["1", "2", "5", "5", "d", "l", "d", "d"]


def test_break_inside_an_if_of_a_case(server: StandIn) -> None:
    text = (
        '$var(i) = 0; while ($var(i) < 3) { switch ($var(i)) { case 1: if ($rU == "bob") { note("a"); break; } note("never");'
        ' default: note("d"); } $var(i) += 1; }'
    )
    assert note(server, text) == ["d", "a", "d"]


def test_for_reads_the_list_anew(server: StandIn) -> None:
    text = (
        '$avp(a) = 2; $avp(a) = 1; for ($var(it) in $(avp(a)[*])) { note("$var(it)"); if ($var(it) == 2) $(avp(a)[append]) = 3; }'
    )
    assert note(server, text) == ["1", "2", "3"]


def test_while_limit(server: StandIn) -> None:
    server.run("max_while_loops=5 route { $var(i) = 0; while (1) { $var(i) += 1; } note(\"$var(i) $rc\"); }")
    assert server.seen == ["5 1"]
    assert any("max_while_loops" in text for _, text in server.lines)


def test_long_chains_and_deep_nesting(server: StandIn) -> None:
    chain = " else ".join(f'if (code(-{n})) note("never");' for n in range(1, 150)) + ' else note("end");'
    assert note(server, chain)[-1] == "end"
    nested = "if (1) { " * 60 + 'note("deep");' + " }" * 60
    assert note(server, nested)[-1] == "deep"
    pure = " else ".join(f'if ($var(none) == {n}) note("never");' for n in range(300)) + ' else note("pure");'
    assert note(server, pure)[-1] == "pure"


# ---------------------------------------------------------------------------------------------------------------- values
@pytest.mark.parametrize(("value", "printed"), [
    ("2 + 3 * 4", "20"), ("7 / -2", "-3"), ("-7 % 3", "-1"), ("65536 * 65536", "0"), ("~5 + 1", "-5"), ("1 << 31", "-2147483648"),
    ('"a" + "b"', "ab"), ('"a" + 1', "old"), ("1 + \"2\"", "old"), ("$var(none) + 1", "old"), ("1 + $var(none)", "1"),
    ('$var(none) + "x"', "x"), ("$var(none) + $var(none2)", ""), ('"5" + $var(five)', "55"), ("$var(five) + $var(none)", "5"),
    ('$var(five) + $var(text)', "old"), ("5 / $var(zero)", "0"), ('"abc" & "aaa"', "a`a"), ('"abc" & "ab"', "old"),
    ("~$var(none)", "old"), ("$var(five) == 5", "1"), ("$var(text) == 5", "old"), ("code(-4)", "-4"), ("code(2) + code(3)", "5"),
    ("$var(five) - 2 * 3", "9"), ("0x7fffffff + 1", "-2147483648"), ("($var(text) == 5) + 1", "0"),
])
def test_value(server: StandIn, value: str, printed: str) -> None:
    text = f'$var(five) = 5; $var(zero) = 0; $var(text) = "t"; $var(r) = "old"; $var(r) = {value}; note("$var(r)");'
    assert note(server, text)[-1] == printed


@pytest.mark.parametrize(("before", "operation", "printed"), [
    ("7", "+= 3", "10"), ("7", "/= 3", "2"), ("-7", "%= 2", "-1"), ('"a"', '+= "b"', "ab"), ('"a"', "+= 2", "a"),
    ("2", '+= "2"', "2"),
    ("7", "/= 0", "7"), ("NULL", "+= 1", "<null>"), ("3", "+= $var(none)", "3"), ("7", "+= 1 + 2", "10"), ("6", "^= 3", "5"),
])
def test_compound_assignment(server: StandIn, before: str, operation: str, printed: str) -> None:
    assert note(server, f'$var(r) = {before}; $var(r) {operation}; note("$var(r)");')[-1] == printed


# ---------------------------------------------------------------------------------------------------------------- routes
def test_params_belong_to_the_call(server: StandIn) -> None:
    server.load(
        'route[outer] { route(inner, $param(1), "own"); note("$param(1) $param(2)"); route(inner); }'
        'route[inner] { note("$param(1) $param(2)"); } route { route(outer, "deep"); note("$param(1)"); }'
    )
    server.run()
    assert server.seen == ["deep own", "deep <null>", "<null> <null>", "<null>"]


def test_params_are_values_or_live_as_in_3_1(server: StandIn) -> None:
    text = 'route[s] { $var(p) = "changed"; note("$param(1)"); } route { $var(p) = "before"; route(s, $var(p)); }'
    server.run(text)
    server.load(text, live_params=True)
    server.run()
    assert server.seen == ["before", "changed"]


def test_return_values_stay_until_the_next_return(server: StandIn) -> None:
    server.load(
        'route[v] { return(2, "text", 7, NULL); } route[n] { return(3); }'
        'route { route(v); note("$rc $return(0) $return(1) $return(2)"); if ($return(1) == 7) note("equal");'
        ' $var(x) = $return(1) + 1; note("$rc"); route(n); note("$return(0)"); }'
    )
    server.run()
    assert server.seen == ["2 text 7 <null>", "equal", "-1", "<null>"]


def test_recursion_ends_at_a_hundred_levels(server: StandIn) -> None:
    server.load('route[deep] { $var(d) += 1; route(deep); } route { $var(d) = 0; route(deep); note("$var(d) $rc"); }')
    server.run()
    assert server.seen == ["99 -1"]


def test_route_stack(server: StandIn) -> None:
    server.load(
        'route[b] { note("$(route[*])"); } route[a] { route(b); }'
        'route { route(a); note("$route"); $var(n) = "b"; route($var(n)); }'
    )
    server.run()
    assert server.seen == ["route > route[a] > route[b]", "route", "route > route[b]"]
    assert server.script.routes["a"](server.context()) == 1
    assert server.seen[-1] == "route[a] > route[b]"


def test_numbers_name_routes(server: StandIn) -> None:
    server.load(
        'route[1] { note("one"); }'
        'route { route(1); route("1"); route(yes); $var(n) = 1; route($var(n)); route("$var(n)"); }'
    )
    server.run()
    assert server.seen == ["one"] * 5


# ----------------------------------------------------------------------------------------------------------------- calls
def test_arguments_of_every_kind(server: StandIn) -> None:
    text = (
        '$var(n) = 4; $var(t) = "x"; options("a$var(t)$$"); options($var(n), 5); options($var(t), $var(n), "z");'
        'options("a", , "c");'
        'fixed(3, "name", "raw $var(t)", "^a$"); fixed($var(n)); fixed(1, , , $var(t)); fill($avp(o)); note("$avp(o)");'
    )
    assert note(server, text) == [
        ("ax$", None, "default"), ("4", 5, "default"), ("x", 4, "z"), ("a", None, "c"), (6, "name", "raw $var(t)", "^a$"),
        (8, "none", "", None), (2, "none", "", "x"), "filled",
    ]


def test_an_argument_without_a_value_is_no_call(server: StandIn) -> None:
    text = '$var(t) = "text"; note($var(none)); code($var(t)); fixed(1, , , $var(none)); note("a $var(none)");'
    assert note(server, text) == ["a <null>"]


def test_format_longer_than_the_buffer(server: StandIn) -> None:
    server.run('pv_print_buf_size=10 route { $var(s) = "01234567"; note("$var(s)"); note("$var(s)abc"); note("$rc"); }')
    assert server.seen == ["01234567", "-1"]


def test_exceptions_name_the_place_and_the_script_goes_on(server: StandIn) -> None:
    server.run('route {\n  aye();\n  broken();\n  note("on");\n}')
    assert server.seen[-1] == "on"
    assert any("a mistake" in text and "test.cfg:3" in text for _, text in server.lines)


def test_levels_of_xlog(server: StandIn) -> None:
    server.run(
        'route { xlog("L_ERR", "a"); xlog("L_INFO", "b"); $var(l) = -1; xlog("$var(l)", "c $rm"); xdbg("d"); xlog("e");'
        ' log(1, "f"); }'
    )
    assert [text for _, text in server.lines] == ["a", "c OPTIONS", "e", "f"]


def test_assert_runs_the_error_route_and_ends(server: StandIn) -> None:
    server.run(
        'enable_asserts=yes route { assert(1); assert($rU == "x", "why"); note("never"); }'
        'error_route { note("$err.class $err.level $err.info $err.rcode $err.rreason"); }'
    )
    assert server.seen == ["4 1 assertion failed 500 server error"]
    assert any("ASSERTION FAILED (why) at test.cfg:1" in text for _, text in server.lines)


def test_assert_is_ignored_unless_enabled(server: StandIn) -> None:
    assert note(server, 'assert(0, "x"); note("on");') == ["on"]


def test_reading_a_broken_header_starts_the_error_route(server: StandIn) -> None:
    server.load('route { $var(x) = $fU; note("on"); } error_route { note("$err.class"); }')
    text = (
        "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK-1\r\nFrom: <sip:broken\r\nTo: <sip:b@b>\r\nCall-ID: 1\r\n"
        "CSeq: 1 OPTIONS\r\n\r\n"
    )
    assert server.script.request is not None
    server.script.request(server.context(text=text))
    assert server.seen == ["1", "on"]


def test_script_trace_costs_nothing_unless_used(server: StandIn) -> None:
    server.load("route { $var(x) = 1; aye(); }")
    assert "trace(" not in server.script.python[0][1]
    server.registry.load_core(FUNCTIONS)
    server.run('route {\n script_trace(1, "$rm", "here"); $var(x) = 1;\n if (1) aye();\n script_trace(); aye();\n}')
    assert [text for _, text in server.lines] == [
        "[Script Trace][test.cfg:2][here][assign equal] -> (OPTIONS)", "[Script Trace][test.cfg:3][here][core if] -> (OPTIONS)",
        "[Script Trace][test.cfg:3][here][module aye] -> (OPTIONS)",
        "[Script Trace][test.cfg:4][here][module script_trace] -> (OPTIONS)",
    ]


def test_cfg_line(server: StandIn) -> None:
    server.run('route {\n  note("$cfg_line");\n  $var(x) = $cfg_line;\n  note("$var(x) $(cfg_line{s.len}) $cfg_file");\n}')
    assert server.seen == ["2", "3 1 test.cfg"]
