"""Operators whose operands are constants of the wrong kind: the statement fails, the script goes on."""

from __future__ import annotations

from tests.helpers import Harness, make_request


def test_a_text_behind_minus_is_an_error_of_the_statement() -> None:
    script = 'route { $var(r) = "kept"; $var(r) = 5 - "x"; xlog("XL|$var(r) $rc\\n"); $var(r) = "a" - 1; xlog("XL|$var(r) $rc\\n"); }'
    with Harness(script) as server:
        server.send(make_request())
        assert server.xlog() == ["kept -1", "kept -1"]
        assert not any("unexpected" in line for line in server.log)
