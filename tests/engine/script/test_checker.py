"""Mistakes in scripts: all of them, each with its place and what to do."""

from __future__ import annotations

import pytest

from tests.engine.script.standin import StandIn


@pytest.mark.parametrize(("line", "message", "hint"), [
    ('notte("x");', "unknown command <notte>", "did you mean note?"),
    ("note();", "too few parameters", "note(text)"),
    ('note("a", "b");', "too many parameters", "1 parameter"),
    ('options(, 5);', "mandatory parameter omitted", "options(first[, second[, third]])"),
    ('code("5");', "expected to be a number or a variable", ""),
    ("note(5);", "expected to be a string or a variable", ""),
    ('fixed(1, $var(x));', "expected to be a literal", ""),
    ('fixed(1, "$var(x)");', "expected to be a string without variables", ""),
    ('fixed(1, "a", "b", "(c");', "bad regular expression", ""),
    ("fixed(-1);", "it must not be negative", ""),
    ('fill("x");', "expected to be a variable", ""),
    ("fill($ci);", "$ci is read-only", ""),
    ("only_in_failure();", "Command <only_in_failure> cannot be used in the block", "failure_route"),
    ("at_once(1);", "can be called in async() or launch() only", "async(at_once(...)"),
    ("async(aye(), other);", "cannot be called in async()", ""),
    ("async(slow(1), othr);", "route [othr] is not defined", "did you mean other?"),
    ("route(othr);", "route [othr] is not defined", "did you mean other?"),
    ("$var(x) = $nosuch;", "unknown variable $nosuch", ""),
    ('note("$nosuch");', "unknown variable $nosuch", ""),
    ("$var(x) = $(ru{s.nosuch});", "unknown transformation {s.nosuch}", ""),
    ('$ci = "x";', "$ci", ""),
    ('$(ru{uri.user}) = "x";', "left", ""),
    ('if ($rU =~ "(a") exit;', "bad regular expression", ""),
    ('xlog("L_ZZZ", "x");', "unknown xlog level", "L_ALERT"),
    ('xlog("");', "the text of xlog is empty", ""),
    ('note("abc$");', "lone $", ""),
])
def test_mistake(line: str, message: str, hint: str) -> None:
    errors = StandIn().errors(f"route[other] {{ exit; }}\nroute {{\n\t{line}\n}}")
    assert len(errors) == 1
    assert message in errors[0].message
    assert hint in errors[0].hint
    assert (errors[0].file, errors[0].line) == ("test.cfg", 3)
    assert errors[0].column > 1


def test_all_mistakes_at_once_in_the_order_of_the_text() -> None:
    errors = StandIn().errors(
        'route {\n if ($nosuch == 1) {\n  notte("x");\n }\n else\n  route(undefined);\n switch ($rm) { case "a":\n aye(1); }\n}\n'
        'route[x] { code("1", 2);\n fixed(-1); }'
    )
    assert [error.line for error in errors] == [2, 3, 6, 8, 10, 11]


def test_blocks_defined_twice() -> None:
    errors = StandIn().errors("route { exit; }\nfailure_route[a] { exit; }\nfailure_route[a] { exit; }")
    assert [error.line for error in errors] == [3]


def test_function_reached_from_a_route_where_it_must_not_stand() -> None:
    server = StandIn()
    script = server.load("route { route(a); }\nroute[a] {\n options(\"x\");\n}\nonreply_route { route(a); }")
    warning, = script.warnings
    assert "options() may not stand in onreply_route" in warning.message
    assert warning.pos.line == 3
