"""Operators whose operands are constants of the wrong kind: the statement fails, the script goes on."""

from __future__ import annotations

from tests.helpers import Harness, make_request


def test_a_text_behind_minus_is_an_error_of_the_statement() -> None:
    script = 'route { $var(r) = "kept"; $var(r) = 5 - "x"; xlog("XL|$var(r) $rc\\n"); $var(r) = "a" - 1; xlog("XL|$var(r) $rc\\n"); }'
    with Harness(script) as server:
        server.send(make_request())
        assert server.xlog() == ["kept -1", "kept -1"]
        assert not any("unexpected" in line for line in server.log)


def test_comparisons_with_a_text_ignore_the_case_of_ascii_letters_only() -> None:
    script = """route {
        $var(a) = "AbC"; if ($var(a) == "aBc") xlog("XL|1\\n"); if ($var(a) != "abc") xlog("XL|no\\n");
        if ($var(a) == "abcd") xlog("XL|no\\n");
        $var(b) = "\\xc4"; if ($var(b) == "\\xe4") xlog("XL|no\\n"); if ($var(b) != "\\xe4") xlog("XL|2\\n");
        if ($var(b) == "\\xc4") xlog("XL|3\\n");
        $var(c) = 5; if ($var(c) == "5") xlog("XL|4\\n"); if ($var(c) != "5") xlog("XL|no\\n");
        if ($var(c) != "x") xlog("XL|5\\n");
        if ($var(none) == "") xlog("XL|no\\n"); if ($var(none) != "x") xlog("XL|6\\n");
        if ($rm == "options" && $rm != "INVITE") xlog("XL|7\\n");
        switch ($var(c)) { case "5": xlog("XL|8\\n"); } switch ($var(c)) { case 5: xlog("XL|9\\n"); }
        switch ($var(a)) { case "1": case "ABC": xlog("XL|10\\n"); } switch ($rp) { case 5060: xlog("XL|11\\n"); }
    }"""
    with Harness(script) as server:
        server.send(make_request(uri="sip:bob@example.com:5060"))
        assert server.xlog() == [str(number) for number in range(1, 12)]


def test_rc_is_kept_where_it_is_read() -> None:
    """Also where only the value of a module parameter reads it."""
    read = 'route { $var(x) = 1; strip(-1 ); if ($var(x) == 1) { } xlog("XL|$rc\\n"); }'
    with Harness(read) as server:
        server.send(make_request())
        assert server.xlog() == ["1"]
        assert "ctx.rc" in server.server.script.python[0][1]
    with Harness('route { $var(x) = 1; xlog("XL|$var(x)\\n"); }') as server:
        server.send(make_request())
        assert server.xlog() == ["1"]
        assert "ctx.rc" not in server.server.script.python[0][1]
