"""db_text: the files, conditions, changes, MI."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.db.interface import Delete, Upsert, Where
from engine.db.url import parse_db_url
from engine.errors import DbError, MiError
from modules.db_text import DbText
from modules.db_text.table import Table
from tests.helpers import Harness

LINES = "id(int,auto) name(str) q(double,null) note(string,null)\n1:nick:0.34:a\\tgood\\: friend\n2:cole::\n7:bob:-2.50:x\n"


def table(folder: Path, text: str = LINES) -> Table:
    (folder / "t").write_text(text, "latin-1")
    return Table(folder / "t")


def test_reading_and_conditions(tmp_path: Path) -> None:
    made = table(tmp_path)
    assert made.select([], (), 0) == [(1, "nick", 0.34, "a\tgood: friend"), (2, "cole", None, None), (7, "bob", -2.5, "x")]
    for where, names in (
        ([Where("id", ">", 1)], ["cole", "bob"]), ([Where("name", "like", "%O%")], ["cole", "bob"]), ([Where("q", "=", None)],
        ["cole"]),
        ([Where("q", "!=", None)], ["nick", "bob"]), ([Where("id", "in", [1, 7]), Where("q", "<", 0)], ["bob"]),
        ([Where("id", "=", "7")], ["bob"]), ([Where("note", "<=", "b")], ["nick"]), ([Where("id", "<>", 1), Where("id", ">=",
        3)], ["bob"]),
    ):
        assert [row[0] for row in made.select(["name"], where, 0)] == names, where
    assert made.select(["name"], (), 1) == [("nick",)]


def test_changes_and_the_file(tmp_path: Path) -> None:
    made = table(tmp_path)
    assert made.insert({"name": "new:\n\\", "q": 1}) == 8 and made.insert({"id": 20,
        "name": "x"}) == 20 and made.insert({"name": "y"}) == 21
    assert made.update({"q": 2.345, "note": None}, [Where("name", "=", "bob")]) == 1
    assert made.delete([Where("id", "<", 3)]) == 2 and made.changed
    made.dump()
    assert (tmp_path / "t").read_text() == (
        "id(int,auto) name(str) q(double,null) note(string,null)\n7:bob:2.35:\n8:new\\:\\n\\\\:1.00:\n20:x::\n21:y::\n"
    ).replace("2.35", f"{2.345:.2f}")
    assert Table(tmp_path / "t").select(["name"], (), 0)[1] == ("new:\n\\",)
    for wrong in ({"q": 1}, {"name": None}, {"name": "x", "id": "text"}, {"nosuch": 1, "name": "x"}):
        with pytest.raises(DbError):
            made.insert(wrong)
    with pytest.raises(DbError):
        made.update({"name": None}, [])
    with pytest.raises(DbError):
        made.select(["nosuch"], (), 0)


@pytest.mark.parametrize("text", [
    "", "a\n", "a(foo)\n", "a(int,what)\n", "a(int)\nx\n", "a(int)\n1:2\n", "a(int) b(str)\n1\n", "a(str)\nx\\q\n",
    "a(int) b(int,null)\n:2\n",
    "a(double)\n1.x\n",
])
def test_broken_files(tmp_path: Path, text: str) -> None:
    with pytest.raises(DbError):
        table(tmp_path, text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(rows=st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1), st.text(st.characters(max_codepoint=255), min_size=1)),
    max_size=5))
def test_what_is_written_is_read_again(tmp_path: Path, rows: list[tuple[int, str]]) -> None:
    made = table(tmp_path, "n(int) s(str)\n")
    for number, text in rows:
        made.insert({"n": number, "s": text})
    made.dump()
    assert Table(made.path).select([], (), 0) == rows


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_connections_share_tables_and_batches_are_whole(tmp_path: Path) -> None:
    table(tmp_path)
    with Harness('loadmodule "db_text.so"\nmodparam("db_text", "db_mode", 1)\nroute { exit; }', folder=str(tmp_path)) as server:
        module: Any = server.server.registry.get("db_text")
        assert isinstance(module, DbText)

        async def work() -> None:
            one = await module.connect(parse_db_url(f"text://{tmp_path}"))
            two = await module.connect(parse_db_url("text://."))
            await one.insert("t", {"name": "shared"})
            assert (await two.query("t", ["name"], [Where("name", "=", "shared")])) == [("shared",)]
            with pytest.raises(DbError):
                await one.batch([Delete("t", []), Upsert("t", ("name", "nosuch"), [("a", 1)], ("name",))])
            assert len(await two.query("t", [])) == 4
            await one.batch([Upsert("t", ("name", "note"), [("bob", "changed"), ("eve", "added")], ("name",))])
            assert [page async for page in two.query_all("t", ["note"], size=3)] == [
                [("a\tgood: friend",), (None,), ("changed",)], [(None,), ("added",)]]
            for refused in (one.raw("select 1"), one.replace("t", {"name": "x"}), one.query("none", []), one.query("../t", [])):
                with pytest.raises(DbError):
                    await refused
            with pytest.raises(DbError):
                await module.connect(parse_db_url("text:///nowhere/at/all"))
            await one.close()

        server.loop.run_until_complete(work())
        assert server.mi("dbt_dump") == "OK" and "eve" in (tmp_path / "t").read_text()
        (tmp_path / "t").write_text("name(str)\nfresh\n")
        assert server.mi("dbt_reload", [str(tmp_path), "t"]) == "OK"
        (tmp_path / "t").write_text("broken\n")
        os.utime(tmp_path / "t", (0, 0))
        with pytest.raises(MiError, match="Internal error"):
            server.mi("dbt_reload")
        for params in (["/none"], [str(tmp_path), "none"]):
            with pytest.raises(MiError, match="Bad parameter"):
                server.mi("dbt_reload", params)
        assert module._databases()[tmp_path].tables["t"].select([], (), 0) == [("fresh",)]
        (tmp_path / "t").write_text("name(str)\nnewer\n")
        os.utime(tmp_path / "t", (4e9, 4e9))

        async def again() -> list[Any]:
            return await (await module.connect(parse_db_url(f"text://{tmp_path}"))).query("t", [])

        assert server.loop.run_until_complete(again()) == [("newer",)]
