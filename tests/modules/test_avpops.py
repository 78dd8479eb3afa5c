"""avpops: lists of values, checks, arithmetic, substitutions, writing into the message, the database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.errors import ConfigErrors
from tests.helpers import Harness
from tests.modules.small_parts import printed, script, show

NUMBERS = "$avp(a) = 1; $avp(a) = 2; $avp(a) = 3;"


def run(body: str) -> list[str]:
    return printed("avpops", body)


def test_delete_copy_shuffle() -> None:
    body = " ".join([
        NUMBERS, 'avp_delete("$avp(a)");', show("$rc $(avp(a)[*])"), 'avp_copy("$avp(a)", "$avp(b)/gs");',
            show("$rc $(avp(b)[*])"),
        'avp_copy("$avp(b)", "$avp(c)/nd");', show("$rc $avp(c) $(avp(b)[*])"), '$var(x) = $avp(c) + 1;', show("$var(x)"),
        'avp_copy("$avp(none)", "$avp(c)");', show("$rc"), '$avp(t) = "x"; avp_copy("$avp(t)", "$avp(c)/n");', show("$rc"),
        'avp_shuffle("$avp(a)");', show("$rc $(avp(a){s.len})"), 'avp_delete("a3");', show("$rc"), 'avp_delete("$avp(a)/g");',
        show("$rc $avp(a)"), 'avp_delete("*");', show("$rc $avp(c)"), 'avp_delete("*");', show("$rc"),
    ])
    assert run(body) == ["1 2, 1", "1 1, 2", "1 1 2", "2", "-1", "-1", "1 1", "-1", "1 <null>", "1 <null>", "-1"]


def test_is_avp_set() -> None:
    body = '$avp(a) = ""; $avp(a) = 0; $avp(a) = "x";' + " ".join(
        f'is_avp_set("{text}"); {show("$rc")}' for text in (
            "$avp(a)", "$avp(a)/s", "$avp(a)/n", "$avp(a)/e", "$(avp(a)[1])/n", "$(avp(a)[1])/ne", "$(avp(a)[2])/e",
            "$(avp(a)[3])", "$avp(b)"))
    assert run(body) == ["1", "1", "-1", "-1", "1", "1", "1", "-1", "-1"]


@pytest.mark.parametrize(("which", "check", "code"), [
    ("$avp(a)", "eq/i:3", 1), ("$avp(a)", "eq/i:1", -1), ("$avp(a)", "eq/i:1/g", 1), ("$avp(a)", "eq/3", -1), ("$avp(a)",
    "lt/i:0x4", 1),
    ("$avp(a)", "and/i:4/g", -1), ("$avp(a)", "and/i:1", 1), ("$avp(a)", "xor/i:3", -1), ("$avp(a)", "or/i:0", 1), ("$avp(a)",
    "ne/$avp(a)", 1),
    ("$fU", "eq/ALICE", -1), ("$fU", "eq/ALICE/i", 1), ("$fU", "ne/alice", -1), ("$fU", "gt/s:Alibi", 1), ("$fU", "le/alice", 1),
    ("$fU", "re/^AL.*e$", 1), ("$fU", "fm/a*e", 1), ("$fU", "fm/A*E", -1), ("$fU", "fm/A*E/i", 1), ("$fU", "eq/$fU", 1),
    ("$avp(none)", "eq/i:1", -1), ("$var(none)", "eq/x", -1),
])
def test_check(which: str, check: str, code: int) -> None:
    assert run(NUMBERS + f'avp_check("{which}", "{check}"); ' + show("$rc")) == [str(code)]


@pytest.mark.parametrize(("which", "operation", "line"), [
    ("$avp(a)", "add/i:5/d", "1 6, 7, 8 <null>"), ("$avp(a)/$avp(b)", "mul/10", "1 3, 2, 1 10, 20, 30"),
    ("$avp(a)/$avp(b)", "sub/$avp(a)", None), ("$avp(a)/$avp(b)", "div/i:0", "1 3, 2, 1 0, 0, 0"), ("$avp(a)/$avp(b)", "mod/2",
    "1 3, 2, 1 1, 0, 1"),
    ("$avp(a)/$avp(b)", "not/i:1", "1 3, 2, 1 -2, -2, -2"), ("$avp(none)", "add/1", "-1 3, 2, 1 <null>"),
    ("$avp(a)/$avp(b)", "add/$cs", "-1 3, 2, 1 <null>"),
])
def test_op(which: str, operation: str, line: str | None) -> None:
    found = run(NUMBERS + f'avp_op("{which}", "{operation}"); ' + show("$rc $(avp(a)[*]) $(avp(b)[*])"))
    # A whole AVP as operand works on, value by value: 3-3, -2, -1 and so on.
    assert found == [line if line is not None else "1 3, 2, 1 -5, -4, -2, -4, -3, -1, -3, -2, 0"]


def test_subst() -> None:
    start = '$avp(s) = "a@b"; $avp(s) = 5; $avp(s) = "c@d"; '
    for which, line in (
        ("$avp(s)", "1 c@example.com, 5, a@b <null>"), ("$avp(s)/g", "1 a@example.com, c@example.com, 5 <null>"),
        ("$avp(s)/$avp(t)/g", "1 c@d, 5, a@b a@example.com, c@example.com"), ("$avp(s)/$avp(t)/gd",
        "1 5 a@example.com, c@example.com"),
        ("$avp(s)/$avp(t)", "1 c@d, 5, a@b c@example.com"), ("$avp(none)", "-1 c@d, 5, a@b <null>"),
    ):
        body = start + f'avp_subst("{which}", "/(.*)@(.*)/\\1@$rd/"); ' + show("$rc $(avp(s)[*]) $(avp(t)[*])")
        assert run(body) == [line], which


def test_pushto() -> None:
    body = " ".join([
        '$avp(u) = "sip:1@h"; $avp(u) = "sip:2@h"; avp_pushto("$ru", "$avp(u)/g");', show("$rc $ru $(msg.branch.uri[*])"),
        'avp_pushto("$ru/username", "$fU"); avp_pushto("$ru/domain", "$fd"); avp_pushto("$du", "$avp(u)");',
        'avp_pushto("$br", "$avp(u)");',
        show("$ru $du $(msg.branch.uri[*])"), '$avp(n) = 5; avp_pushto("$du", "$avp(n)");', show("$rc"),
        'avp_pushto("$ru", "$avp(none)");',
        show("$rc"),
    ])
    assert run(body) == ["1 sip:1@h sip:1@h, sip:2@h", "sip:alice@example.com sip:2@h sip:alice@example.com, sip:2@h, sip:2@h",
        "-1", "-1"]


def test_database(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x")
    connection.executescript(
        "create table prefs (uuid text, username text, domain text, attribute text, type integer, value text);"
        "insert into prefs values ('', 'alice', 'example.com', 'lang', 0, 'de');")
    connection.close()
    body = " ".join([
        'avp_db_load("$fu", "$avp(lang)");', show("$rc $avp(lang)"), 'avp_db_query("select value from prefs", "$avp(v)");',
        show("$rc $avp(v)"),
        'avp_db_delete("$fu", "*"); $avp(new) = "x"; avp_db_store("$fu", "$avp(new)");', show("$rc"),
        'async(avp_db_query("select attribute from prefs", "$avp(v)"), done);',
    ])
    params = {"avpops.db_url": f"sqlite://{tmp_path / 'x'}", "avpops.avp_table": "prefs"}
    lines = printed("sl tm db_sqlite avpops", body, params, "route[done] { " + show("$rc $avp(v)") + " }", count=4)
    assert lines == ["1 de", "1 de", "1", "1 new"]


@pytest.mark.parametrize("body", [
    'avp_delete("x");', 'avp_delete("$var(x)");', 'avp_delete("$avp(x)/q");', 'avp_copy("$var(x)", "$avp(y)");',
    'avp_check("$fU", "eq");',
    'avp_check("$fU", "zz/1");', 'avp_check("$fU", "re/(");', 'avp_check("$fU", "re/$fU");', 'avp_check("fU", "eq/1");',
    'avp_check("$fU", "eq/i:x");',
    'avp_op("$avp(a)", "add/x");', 'avp_op("$avp(a)", "pow/2");', 'avp_subst("$avp(a)", "/x/");',
    'avp_subst("$avp(a)/q", "/x/y/");',
    'avp_pushto("$ru/port", "$fU");', 'avp_pushto("$fu", "$fU");', 'is_avp_set("$avp(a)/sn");',
    'avp_db_query("x", "$avp(a)", 3);',
])
def test_mistakes_are_found_at_load(body: str) -> None:
    with pytest.raises(ConfigErrors):
        Harness(script("avpops", body))
