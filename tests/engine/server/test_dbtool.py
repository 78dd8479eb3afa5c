"""opensips-like db create: the tables of a new database, and what it says when it cannot."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from engine.server import dbtool


def test_a_new_database_has_the_standard_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "deep" / "x.sqlite"
    assert dbtool.main(["create", f"sqlite://{file}"]) == 0
    assert "created" in capsys.readouterr().out
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT table_name, table_version FROM version").fetchall() == [("location", 1013)]
        columns = {row[1]: row for row in database.execute("PRAGMA table_info(location)")}
    assert list(columns)[:3] == ["contact_id", "username", "domain"]
    assert columns["contact_id"][5] == 1
    assert columns["q"][4] == "1.0"


def test_what_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.sqlite"
    assert dbtool.main(["create", f"sqlite://{file}"]) == 0
    with sqlite3.connect(file) as database:
        database.execute("INSERT INTO location (contact_id, username, contact, callid, expires) VALUES (1, 'bob', 'sip:b@h', 'c', 9)")
    capsys.readouterr()
    assert dbtool.main(["create", f"sqlite://{file}"]) == 1
    assert "table location already" in capsys.readouterr().err
    assert dbtool.main(["create", "--if-missing", f"sqlite://{file}"]) == 0
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT username FROM location").fetchall() == [("bob",)]


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.sqlite"
    file.write_bytes(b"precious")
    for words in (["create"], ["create", "--if-missing"]):
        assert dbtool.main([*words, f"sqlite://{file}"]) == 1
        assert "not a database" in capsys.readouterr().err
    assert file.read_bytes() == b"precious"


@pytest.mark.parametrize(("words", "status"), [
    ([], 2), (["create"], 2), (["drop", "sqlite:///x"], 2), (["create", "nonsense"], 1), (["create", "oracle://x/y"], 1),
])
def test_wrong_calls_are_told(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert dbtool.main(words) == status
    assert capsys.readouterr().err
