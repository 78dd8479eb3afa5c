"""What compiled routes call beside functions: levels, faults, included files in messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ScriptError, SipParseError, TransportError
from engine.script.compiler import Compiler, show_python
from engine.script.globals import resolve_globals
from engine.script.parser import parse_file
from engine.script.runtime import LiveParams, NEVER, Runtime, level_of
from tests.engine.script.standin import StandIn


@pytest.mark.parametrize(("word", "level"), [
    ("L_ERR", -1), ("L_DBG", 4), ("L_ALERT", -3), ("XXNOTICE", 2), ("L_ZZZ", None), ("", None),
])
def test_level_words(word: str, level: int | None) -> None:
    assert level_of(word) == level


def test_faults_become_codes() -> None:
    server = StandIn()
    server.load("route { exit; }")
    runtime, ctx = Runtime(server, server.script), server.context()
    assert runtime.fault(ctx, ScriptError("x", -9)) == -9
    assert runtime.fault(ctx, TransportError("x", -477)) == -477
    assert runtime.fault(ctx, ValueError("x")) == -1
    assert ctx.error is None
    assert runtime.fault(ctx, SipParseError("x", part="Via")) == -1
    assert ctx.error.reason == "bad Via header"


def test_variable_levels_and_long_lines() -> None:
    server = StandIn()
    runtime = Runtime(server, server.script, 10)
    assert [runtime.xlog_level(value) for value in (-1, 3, 99, 0, -4)] == [-1, 3, 99, NEVER, NEVER]
    with pytest.raises(ScriptError):
        runtime.xlog_level("L_INFO")
    assert runtime.xlog(-1, "0123456789") == -1
    assert runtime.xlog(-1, "012345678") == 1


def test_live_parameters_are_read_in_the_view_of_the_caller() -> None:
    ctx = StandIn().context()
    outer = ("outer",)
    ctx.params = LiveParams(ctx, (lambda run: run.params[0], "fixed"), outer)
    assert (len(ctx.params), ctx.params[0], ctx.params[1]) == (2, "outer", "fixed")


def test_included_lines_in_messages(tmp_path: Path) -> None:
    (tmp_path / "part.inc").write_text("\n\nbroken();\n")
    main = tmp_path / "main.cfg"
    main.write_text('route {\naye();\ninclude_file "part.inc"\nrefuses();\n}\n')
    server = StandIn()
    tree = parse_file(str(main))
    script = Compiler(server, server.registry, tree, resolve_globals(tree)).compile()
    assert script.request is not None
    server.script = script
    script.request(server.context())
    text = " ".join(line for _, line in server.lines)
    assert "part.inc:3" in text
    assert "main.cfg:4" in text
    assert "def " in show_python(script)
