"""Generated code shows the lines and names of the script."""

from __future__ import annotations

import traceback

import pytest

from engine.script.linemap import FOREIGN, LineMap, Places, compile_route
from engine.script.nodes import Pos
from engine.script.operators import place_of


def test_traceback_shows_the_script() -> None:
    made: dict[str, object] = {}
    python = "def run(ctx):\n    x = 1\n    return ctx.nothing\n"
    exec(compile_route(python, [10, 11, 15], "opensips.cfg", "route[relay]"), {}, made)
    with pytest.raises(AttributeError) as caught:
        made["route[relay]"](object())  # type: ignore[operator]
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno, frame.name) == ("opensips.cfg", 15, "route[relay]")


def test_lines_of_included_files() -> None:
    places: Places = {}
    lines = LineMap("main.cfg", places)
    assert lines.number(Pos("main.cfg", 7, 1)) == 7
    foreign = lines.number(Pos("part.inc", 3, 1))
    assert foreign >= FOREIGN
    assert foreign == lines.number(Pos("part.inc", 3, 9))
    assert foreign != lines.number(Pos("part.inc", 4, 1))
    assert place_of({"PLACES": places}, "main.cfg", foreign) == ("part.inc", 3)
    assert place_of({"PLACES": places}, "main.cfg", 7) == ("main.cfg", 7)
