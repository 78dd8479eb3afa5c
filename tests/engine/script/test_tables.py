"""The kept parse tables: the same tables, and no harm from a broken file."""

from __future__ import annotations

from pathlib import Path

from engine.script.tables import kept_tables
from lark.parsers.lalr_analysis import Reduce, Shift


def test_tables_are_made_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> list[object]:
        made.append(1)
        return [Shift, Reduce, {"a": (Shift, 5)}]

    first = kept_tables(tmp_path, "mark", make)
    again = kept_tables(tmp_path, "mark", make)
    assert made == [1]
    assert again == first
    assert again[0] is Shift and again[1] is Reduce


def test_another_grammar_has_other_tables(tmp_path: Path) -> None:
    assert kept_tables(tmp_path, "one", lambda: 1) == 1
    assert kept_tables(tmp_path, "two", lambda: 2) == 2


def test_a_broken_file_is_made_again(tmp_path: Path) -> None:
    kept_tables(tmp_path, "mark", lambda: "good")
    for file in tmp_path.iterdir():
        file.write_bytes(b"\x80no pickle")
    assert kept_tables(tmp_path, "mark", lambda: "good") == "good"


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert kept_tables(tmp_path / "file", "mark", lambda: 7) == 7
