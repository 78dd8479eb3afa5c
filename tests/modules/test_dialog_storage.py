"""Dialogs in a database: what is written when, and calls that outlive the server."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, ConfigErrors, DbError, MiError
from modules.dialog.api import ON_LOADED, ON_SAVED, DialogEvent
from modules.dialog.rows import FIELDS, pack, unpack
from tests.modules.dialog_parts import Phones, starts

DIALOG = """
CREATE TABLE version (table_name CHAR(32) NOT NULL, table_version INTEGER DEFAULT 0 NOT NULL);
INSERT INTO version VALUES ('dialog', 12);
CREATE TABLE dialog (
    dlg_id BIGINT(10) PRIMARY KEY NOT NULL, callid CHAR(255) NOT NULL, from_uri CHAR(255) NOT NULL, from_tag CHAR(64) NOT NULL,
    to_uri CHAR(255) NOT NULL, to_tag CHAR(64) NOT NULL, mangled_from_uri CHAR(255) DEFAULT NULL,
    mangled_to_uri CHAR(255) DEFAULT NULL, caller_cseq CHAR(11) NOT NULL, callee_cseq CHAR(11) NOT NULL,
    caller_ping_cseq INTEGER NOT NULL, callee_ping_cseq INTEGER NOT NULL, caller_route_set TEXT(512), callee_route_set TEXT(512),
    caller_contact CHAR(255), callee_contact CHAR(255), caller_sock CHAR(64) NOT NULL, callee_sock CHAR(64) NOT NULL,
    state INTEGER NOT NULL, start_time INTEGER NOT NULL, timeout INTEGER NOT NULL, vars BLOB(4096) DEFAULT NULL,
    profiles TEXT(512) DEFAULT NULL, script_flags CHAR(255) DEFAULT NULL, module_flags INTEGER DEFAULT 0 NOT NULL,
    flags INTEGER DEFAULT 0 NOT NULL, rt_on_answer CHAR(64) DEFAULT NULL, rt_on_timeout CHAR(64) DEFAULT NULL,
    rt_on_hangup CHAR(64) DEFAULT NULL
);
"""
MAIN = """
    create_dialog("Bp"); $DLG_timeout = 600; $dlg_val(n) = 5; $dlg_val(t) = "a|b#c\\\\d"; set_dlg_flag("F");
    set_dlg_profile("caller", "alice"); set_dlg_profile("inbound"); dlg_on_hangup("hup"); record_route(); t_relay();
"""
INSIDE = """
    if (has_totag()) { loose_route(); is_in_profile("caller", "alice");
        xlog("XL|$rm $retcode $DLG_status $DLG_timeout $DLG_flags $dlg_val(n) $dlg_val(t)\\n"); t_relay(); exit; }
"""
HANGUP = 'route[hup] { xlog("XL|hangup $DLG_end_reason\\n"); }'
PROFILES = 'modparam("dialog", "profiles_with_value", "caller")\nmodparam("dialog", "profiles_no_value", "inbound")\n'


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "dialog.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(DIALOG)
    connection.close()
    return path


def rows(path: Path, columns: str = "callid, state") -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT {columns} FROM dialog ORDER BY callid").fetchall()
    finally:
        connection.close()


def change(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(sql)
    connection.close()


class Server(Phones):
    """A server with that database."""

    def __init__(self, path: Path, mode: int, params: str = "", main: str = MAIN, **more: Any) -> None:
        super().__init__(
            main, INSIDE, HANGUP, f"""
            modparam("dialog", "db_url", "sqlite://{path}")
            modparam("dialog", "db_mode", {mode})
            {PROFILES}{params}""", 'loadmodule "db_sqlite.so"\n', **more)

    def settle(self) -> None:
        """Until what is to be written is written."""

        async def wait() -> None:
            while self.module._writing is not None and not self.module._writing.done():
                await self.module._writing

        self._do(wait())


def test_realtime_follows_the_call(database: Path) -> None:
    with Server(database, 1) as server:
        invite = server.invite(cseq=7)
        server.answer(invite, 180)
        assert rows(database) == []
        server.answer(invite, 200)
        server.settle()
        assert rows(database, "callid, state, vars, rt_on_hangup") == [("call-1", 3, None, "hup")]
        server.from_alice("ACK", invite, cseq=7)
        server.from_alice("INFO", invite, cseq=9)
        server.settle()
        columns = "state, from_tag, to_tag, callee_cseq, caller_contact, callee_contact, caller_sock, callee_sock"
        here = "udp:127.0.0.1:5060"
        assert rows(database, columns) == [
            (4, "a1", "b1", "9", "sip:alice@127.0.0.1:5070", "sip:bob@127.0.0.1:5090", here, here)]
        server.hang_up(invite, 10)
        server.settle()
        assert rows(database) == []


def test_a_call_that_ends_while_it_is_written_leaves_no_row(database: Path) -> None:
    with Server(database, 1) as server:
        invite = server.invite()
        server.answer(invite, 200)
        server.hang_up(invite)
        server.settle()
        assert rows(database) == []


def test_values_and_profiles_are_written_when_asked_for(database: Path) -> None:
    with Server(database, 1, 'modparam("dialog", "db_flush_vals_profiles", 1)') as server:
        server.call()
        server.mi("dlg_push_var", {"dlg_val_name": "pushed", "dlg_val_value": "v", "DID": ["call-1"]})
        server.settle()
        assert rows(database, "vars, profiles, script_flags") == [
            (b"pushed#1#v|t#1#a\\|b\\#c\\\\d|n#2#5|", "inbound#1#|caller#1#alice|", "F")]


def test_delayed_writes_with_the_period(database: Path) -> None:
    with Server(database, 2, 'modparam("dialog", "db_update_period", 10)\nmodparam("dialog", "timer_bulk_del_no", 3)') as server:
        first = server.call(call_id="a")
        server.call(call_id="b")
        server.advance(5)
        assert rows(database) == []
        server.advance(6)
        server.settle()
        assert rows(database) == [("a", 4), ("b", 4)]
        server.hang_up(first)
        third = server.call(call_id="c")
        server.hang_up(third)
        assert rows(database) == [("a", 4), ("b", 4)]
        server.advance(10)
        server.settle()
        assert rows(database) == [("b", 4)]


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_a_call_outlives_the_server(database: Path, mode: int) -> None:
    with Server(database, mode) as server:
        invite = server.call(cseq=7, body="offer", answer_body="answer")
        did = server.dialogs[0].did
        server.advance(31)
        assert [one.port for one in server.sent if one.text.startswith("OPTIONS")][:1] == [5090]
        server.answer([one for one in server.sent if one.text.startswith("OPTIONS")][0], 200)
    assert rows(database) == [("call-1", 4)]
    with Server(database, mode) as server:
        dialog, = server.dialogs
        assert rows(database) == ([] if mode == 3 else [("call-1", 4)])
        assert (dialog.did, dialog.state, dialog.caller.in_sdp, dialog.legs[1].in_sdp, dialog.legs[1].gen) == (
            did, 4, "offer", "answer", 8)
        assert server.stats() == {"active": 1}
        assert server.mi("profile_get_size", {"profile": "caller", "value": "alice"})["Profile"]["count"] == 1
        info, = server.from_alice("INFO", invite, cseq=9)
        assert info.header("CSeq") == "9 INFO" and server.xlog()[0].endswith("F 5 a|b#c\\d")
        assert server.xlog()[0].startswith("INFO 1 4 ")
        server.advance(31)
        assert [one for one in server.sent if one.text.startswith("OPTIONS")]
        server.hang_up(invite, 30)
        assert server.xlog()[-2:] == ["hangup <null>", "BYE -1 5 0 F 5 a|b#c\\d"]
        server.advance(100)
        assert server.dialogs == []
    assert rows(database) == []


def test_a_lifetime_that_ended_meanwhile_ends_the_call(database: Path) -> None:
    with Server(database, 1) as server:
        server.call()
    change(database, "UPDATE dialog SET timeout = 1000")
    with Server(database, 1) as server:
        byes = [one for one in server.advance(3) if one.text.startswith("BYE")]
        assert set(starts(byes)) == {"5070 BYE", "5090 BYE"}
        assert server.stats() == {"active": 1, "expired": 1}


@pytest.mark.parametrize(("sql", "words"), [
    ("UPDATE dialog SET callee_sock = 'udp:192.0.2.1:5060'", "none of this server"),
    ("UPDATE dialog SET from_tag = ''", "from_tag is empty"),
    ("UPDATE dialog SET flags = 'x'", "skipped"),
    ("UPDATE dialog SET caller_route_set = '<sip:'", "broken route set"),
])
def test_rows_that_make_no_dialog_are_skipped(database: Path, sql: str, words: str) -> None:
    with Server(database, 1) as server:
        server.call()
    change(database, sql)
    with Server(database, 1) as server:
        assert server.dialogs == [] and server.stats() == {}
        assert any(words in line for line in server.log)


def test_ended_rows_are_deleted(database: Path) -> None:
    with Server(database, 1) as server:
        server.call()
    change(database, "UPDATE dialog SET state = 5")
    with Server(database, 1) as server:
        assert server.dialogs == []
    assert rows(database) == []


def test_sync_and_restore(database: Path) -> None:
    with Server(database, 1, 'modparam("dialog", "db_flush_vals_profiles", 1)') as server:
        server.call()
        server.settle()
        change(database, "UPDATE dialog SET callee_contact = 'sip:moved@127.0.0.1:5099', vars = 'x#1#y|'")
        server.mi("dlg_db_sync")
        dialog, = server.dialogs
        assert dialog.legs[1].contact == "sip:moved@127.0.0.1:5099" and dialog.values == {"x": "y"}
        assert server.stats() == {"processed": 1, "active": 1}
        assert server.mi("profile_get_size", {"profile": "inbound"})["Profile"]["count"] == 1
        change(database, "UPDATE dialog SET callid = 'junk', dlg_id = 1")
        server.mi("dlg_restore_db")
        assert rows(database) == [("call-1", 4)]


def test_watchers_hear_of_saving_and_loading(database: Path) -> None:
    def save(event: DialogEvent) -> None:
        server.module.store(event.dialog, "mine", "kept")

    with Server(database, 3) as server:
        server.module.register(ON_SAVED, save)
        server.call()
    server = Server(database, 3)
    loaded: list[str] = []
    server.module.register(ON_LOADED, lambda event: loaded.append(str(server.module.fetch(event.dialog, "mine"))))
    dialog, = server.dialogs
    assert server.module.fetch(dialog, "mine") == "kept"
    server.module.table.remove(dialog)
    server.close()


class Broken:
    """A connection whose database is away for a while."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.away = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def batch(self, operations: Any) -> None:
        if self.away:
            raise DbError("gone fishing")
        await self.real.batch(operations)


def test_calls_go_on_when_the_database_does_not(database: Path) -> None:
    with Server(database, 2, 'modparam("dialog", "db_update_period", 5)') as server:
        broken = server.module._connection = Broken(server.module._connection)
        invite = server.call()
        server.advance(6)
        server.settle()
        assert any("gone fishing" in line for line in server.log) and rows(database) == []
        with pytest.raises(MiError):
            server.mi("dlg_restore_db")
        server.from_alice("INFO", invite, cseq=2)
        broken.away = False
        server.advance(6)
        server.settle()
        assert rows(database, "callid, callee_cseq") == [("call-1", "2")]
        assert any("the database works again" in line for line in server.log)


def test_a_table_of_another_version_is_refused(database: Path) -> None:
    change(database, "UPDATE version SET table_version = 11")
    with pytest.raises(ConfigError, match="version 11"):
        Server(database, 1)


def test_columns_may_have_other_names(database: Path) -> None:
    change(database, "ALTER TABLE dialog RENAME COLUMN callid TO the_call")
    change(database, "ALTER TABLE dialog RENAME TO my_dialogs")
    change(database, "UPDATE version SET table_name = 'my_dialogs'")
    params = 'modparam("dialog", "call_id_column", "the_call")\nmodparam("dialog", "table_name", "my_dialogs")'
    with Server(database, 1, params) as server:
        server.call()
    with Server(database, 1, params) as server:
        assert [dialog.call_id for dialog in server.dialogs] == ["call-1"]


def test_a_database_without_driver_or_url_is_refused() -> None:
    with pytest.raises(ConfigErrors, match="db_mode needs a database"):
        Phones(params='modparam("dialog", "db_mode", 1)')
    with pytest.raises(ConfigErrors, match="db_nosuch"):
        Phones(params='modparam("dialog", "db_mode", 1)\nmodparam("dialog", "db_url", "nosuch://x")')


names = st.text(st.characters(max_codepoint=255), min_size=1)


@given(st.lists(st.tuples(names, st.one_of(st.text(st.characters(max_codepoint=255)), st.integers(-2**31, 2**31 - 1)))))
def test_pairs_come_back(pairs: list[tuple[str, str | int]]) -> None:
    assert list(unpack(pack(pairs))) == pairs


@given(st.text())
def test_any_text_can_be_unpacked(text: str) -> None:
    for name, _ in unpack(text):
        assert name


def test_every_column_has_its_parameter() -> None:
    from modules.dialog import exports
    given_names = {f"{part}_column" for part in FIELDS} - {"mangled_fu_column", "mangled_tu_column", "from_ping_cseq_column",
                                                          "to_ping_cseq_column", "rt_on_answer_column", "rt_on_timeout_column",
                                                          "rt_on_hangup_column"}
    assert all(hasattr(exports, name) for name in given_names)
