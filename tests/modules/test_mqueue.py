"""mqueue: order, size, keys that occur once, MI, tables."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.errors import ConfigErrors, MiError
from modules.mqueue import Definition, Queue
from tests.helpers import Harness, make_request
from tests.modules.small_parts import printed, script, show


@pytest.mark.parametrize(("mode", "size", "kept"), [
    (0, 0, ["a1", "b1", "a2", "c1"]), (0, 2, ["a2", "c1"]), (1, 0, ["a1", "b1", "c1"]), (2, 0, ["b1", "a2", "c1"]),
    (2, 2, ["a2", "c1"]),
])
def test_what_a_queue_keeps(mode: int, size: int, kept: list[str]) -> None:
    queue = Queue(Definition("q", size, 0, mode))
    for key, value in ("a1", "b1", "a2", "c1"):
        queue.add(key, value)
    assert len(queue) == len(kept)
    taken = []
    while (item := queue.take()) is not None:
        taken.append("".join(item))
    assert taken == kept


def test_script_and_mi() -> None:
    body = ('mq_add("q", "k", "v $rm"); mq_add("q", "k2", ""); mq_size("q"); ' + show("$rc $mq_size(q)")
            + ' mq_fetch("q"); ' + show("$rc $mqk(q) $mqv(q)") + ' mq_fetch("q"); mq_fetch("q"); ' + show("$rc $mqk(q)")
            + ' mq_fetch("none"); ' + show("$rc $mqk(none) $mq_size(none)") + ' mq_size("none"); ' + show("$rc")
            + ' mq_add("q", "m", "1"); mq_add("q", "n", "2"); mq_add("q", "o", "3");')
    with Harness(script("mqueue", body, {"mqueue.mqueue": ["name=q;", "name=r;size=2"]})) as server:
        server.send(make_request())
        assert [line.strip() for line in server.xlog()] == ["2 2", "1 k v OPTIONS", "-2 <null>", "-1 <null> <null>", "-2"]
        assert server.mi("mq_get_sizes") == {"Queue": [{"name": "r", "size": 0}, {"name": "q", "size": 3}]}
        assert server.mi("mq_get_size", ["q"]) == {"Queue": {"name": "q", "size": 3}}
        assert server.mi("mq_fetch", ["q"]) == {"Item": {"key": "m", "value": "1"}}
        assert server.mi("mq_fetch", {"name": "q", "limit": 5}) == [{"key": "n", "value": "2"}, {"key": "o", "value": "3"}]
        for name, said in (("q", "Empty queue"), ("x", "No such queue")):
            with pytest.raises(MiError, match=said):
                server.mi("mq_fetch", [name])


def test_a_table_keeps_a_queue_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "q.sqlite"
    with sqlite3.connect(file) as database:
        database.execute("create table q (id integer primary key autoincrement, key text, val text)")
        database.execute("insert into q (key, val) values ('old', '1')")
    params = {"mqueue.mqueue": "name=q;dbmode=1", "mqueue.db_url": f"sqlite://{file}"}
    body = 'mq_fetch("q"); ' + show("$mqk(q)=$mqv(q) $mq_size(q)") + ' mq_add("q", "new", "2");'
    assert printed("db_sqlite mqueue", body, params) == ["old=1 0"]
    assert printed("db_sqlite mqueue", body, params) == ["new=2 0"]
    with sqlite3.connect(file) as database:
        assert database.execute("select key, val from q").fetchall() == [("new", "2")]
    database.close()


@pytest.mark.parametrize("text", ["size=1", "name=q;size=x", "name=q;what=1", "name=q;addmode=9", "name=q;dbmode=1"])
def test_bad_definitions(text: str) -> None:
    with pytest.raises(ConfigErrors):
        Harness(script("mqueue", "exit;", {"mqueue.mqueue": text}))
