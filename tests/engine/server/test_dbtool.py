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


OF_31 = """
CREATE TABLE version (table_name CHAR(32) NOT NULL, table_version INTEGER DEFAULT 0 NOT NULL);
INSERT INTO version VALUES ('location', 1013), ('subscriber', 7), ('dispatcher', 8), ('domain', 3), ('dialog', 11), ('mine', 4),
    ('acc', 99), ('grp', 1);
CREATE TABLE subscriber (id INTEGER PRIMARY KEY, username CHAR(64), domain CHAR(64), password CHAR(25), email_address CHAR(64),
    ha1 CHAR(64), ha1b CHAR(64), rpid CHAR(64));
INSERT INTO subscriber VALUES (1, 'bob', 'example.com', 'secret', 'b@x', 'h', 'hb', NULL);
CREATE TABLE dispatcher (id INTEGER PRIMARY KEY, setid INTEGER, destination CHAR(192), socket CHAR(128), state INTEGER,
    weight CHAR(64), priority INTEGER, attrs CHAR(128) DEFAULT '' NOT NULL, description CHAR(64) DEFAULT '' NOT NULL);
INSERT INTO dispatcher VALUES (1, 5, 'sip:a', NULL, 0, '1', 0, 'x=1', 'gateway');
CREATE TABLE domain (id INTEGER PRIMARY KEY, domain CHAR(64), attrs CHAR(255), last_modified DATETIME);
CREATE TABLE dialog (dlg_id BIGINT PRIMARY KEY, mangled_from_uri CHAR(64), mangled_to_uri CHAR(64),
    script_flags INTEGER DEFAULT 0 NOT NULL);
"""


def test_tables_of_31_become_those_of_36(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.sqlite"
    with sqlite3.connect(file) as database:
        database.executescript(OF_31)
    assert dbtool.main(["migrate", f"sqlite://{file}"]) == 0
    said = capsys.readouterr().out
    for line in ("subscriber: version 7 is now 8", "dispatcher: version 8 is now 9", "domain: version 3 is now 4",
                 "dialog: version 11 is now 12", "acc: version 99 is newer than 7", "grp: version 1 is older than OpenSIPS 3.1"):
        assert line in said
    assert "mine" not in said and "location:" not in said
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT username, password, ha1_sha256, ha1_sha512t256 FROM subscriber").fetchall() == [
            ("bob", "secret", "", "")]
        assert database.execute("SELECT setid, probe_mode, attrs, description FROM dispatcher").fetchall() == [
            (5, 0, "x=1", "gateway")]
        database.execute("INSERT INTO dispatcher (setid) VALUES (6)")
        database.execute("INSERT INTO dialog (dlg_id, script_flags) VALUES (1, 'ONE TWO')")
        assert database.execute("SELECT table_version FROM version WHERE table_name = 'dispatcher'").fetchone() == (9,)
    # Done once is done.
    assert dbtool.main(["migrate", f"sqlite://{file}"]) == 0
    assert "is now" not in capsys.readouterr().out


def test_migration_needs_a_database_of_opensips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.sqlite"
    assert dbtool.main(["migrate", f"sqlite://{file}"]) == 1
    assert "there is no database file" in capsys.readouterr().err
    sqlite3.connect(file).close()
    file.touch()
    assert dbtool.main(["migrate", f"sqlite://{file}"]) == 1
    assert "no table `version`" in capsys.readouterr().err
    assert dbtool.main(["create", f"sqlite://{tmp_path}/new.sqlite"]) == 0
    assert dbtool.main(["migrate", f"sqlite://{tmp_path}/new.sqlite"]) == 0
    assert "all tables are those of OpenSIPS 3.6" in capsys.readouterr().out


def test_tables_of_modules_are_made_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.sqlite"
    assert dbtool.main(["create", "--with-subscriber", "--with-drouting", f"sqlite://{file}"]) == 0
    assert dbtool.main(["create", "--if-missing", "--with-all", f"sqlite://{file}"]) == 0
    with sqlite3.connect(file) as database:
        versions = dict(database.execute("SELECT table_name, table_version FROM version").fetchall())
    assert versions["subscriber"] == 8 and versions["dr_rules"] == 4 and versions["dialog"] == 12 and len(versions) > 20
    capsys.readouterr()
    assert dbtool.main(["create", "--with-subscribers", f"sqlite://{file}"]) == 1
    assert "did you mean subscriber?" in capsys.readouterr().err
    assert dbtool.main(["migrate", "--with-acc", f"sqlite://{file}"]) == 2


def test_a_server_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for scheme in ("postgres", "mysql"):
        assert dbtool.main(["create", f"{scheme}://bob:geheim@127.0.0.1:1/x"]) == 1
        said = capsys.readouterr().err
        assert "cannot connect" in said and f"{scheme}://bob:***@127.0.0.1:1/x" in said and "geheim" not in said
