"""Generated Python text to code whose line numbers and names are those of the script.

So a traceback, a profile and a debugger show `File "opensips.cfg", line 12, in route[relay]`. A route may be put together
from several files (include_file between statements); code has one file name only, so lines of the other files get numbers
of their own beyond FOREIGN, which places() translates back.
"""

from __future__ import annotations

import ast
from types import CodeType
from typing import Final

from engine.script.nodes import Pos

FOREIGN: Final = 1_000_000
"""Line numbers from here on stand for lines of another file than the route's."""

Places = dict[tuple[str, int], tuple[str, int]]


class LineMap:
    """Numbers for the lines of one route."""

    __slots__ = ("file", "places", "_foreign")

    def __init__(self, file: str, places: Places) -> None:
        self.file = file
        self.places = places
        """(file of the code, its line) -> real place; shared by all routes of a script, holds the foreign lines only."""
        self._foreign: dict[tuple[str, int], int] = {}

    def number(self, pos: Pos) -> int:
        """The line number to compile with for a place."""
        if pos.file == self.file:
            return max(1, pos.line)
        place = (pos.file, pos.line)
        found = self._foreign.get(place)
        if found is None:
            found = FOREIGN + len(self.places)
            self._foreign[place] = found
            self.places[self.file, found] = place
        return found


def compile_route(python: str, lines: list[int], file: str, title: str) -> CodeType:
    """Compile one generated function. lines[i] is the script's line for line i + 1 of the text; title becomes its name."""
    tree = ast.parse(python)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr | ast.excepthandler | ast.arg | ast.keyword):
            node.lineno = node.end_lineno = lines[node.lineno - 1]
            node.col_offset = node.end_col_offset = 0
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.name = title
    return compile(tree, file, "exec")
