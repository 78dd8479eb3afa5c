"""sqlops: statements, results, JSON filters, preferences, several databases."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.db.interface import Where
from engine.errors import ConfigErrors, ScriptError
from modules.shared.sql.preferences import parse_scheme
from modules.shared.sql.statements import column_names, conditions, new_values
from modules.shared.sql.urls import numbered_url
from tests.helpers import Harness
from tests.modules.small_parts import printed, script, show

TABLES = """
create table people (name text unique, age integer, q real);
insert into people values ('alice', 30, 0.5), ('carol', 20, null), ('dave', 8589934592, 1);
create table usr_preferences (id integer primary key, uuid text, username text, domain text, attribute text, type integer,
    value text);
insert into usr_preferences (uuid, username, domain, attribute, type, value) values
  ('', 'alice', 'example.com', 'lang', 0, 'de'), ('', 'alice', 'other.com', 'lang', 0, 'fr'), ('', 'alice', 'example.com', 'n',
  2, '42'),
  ('u1', '', '', 'x', 2, 'text'), ('u1', '', '', 'y', 0, 'why');
create table sub (id text, mail text, age integer);
insert into sub values ('u1', 'a@b', 7);
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A file with TABLES in it."""
    file = tmp_path / "x.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript(TABLES)
    connection.close()
    return file


def run(database: Path, body: str, **params: object) -> list[str]:
    return printed("db_sqlite sqlops", body, {"sqlops.db_url": f"sqlite://{database}", **{f"sqlops.{k}": v for k,
        v in params.items()}})


def test_queries(database: Path) -> None:
    body = " ".join([
        'sql_query("select name, q from people order by name");', show("$rc [$(avp(1)[*])] [$(avp(2)[*])]"),
        'sql_query_one("select age, q from people order by name desc", "$var(a);$avp(q)");', show("$rc $var(a) $avp(q)"),
        'sql_query_one("select age, q from people", "$var(a)");', show("$rc"),
        'sql_query_one("select q from people where name=\'carol\'", "$var(a)");',
        show("$rc $var(a)"), 'sql_query("select 1 where 0", "$avp(z)");', show("$rc"), 'sql_query("nonsense");', show("$rc"),
        '$var(n) = "dyn"; sql_query("select age from people where name=\'alice\'", "$avp($var(n))");', show("$avp(dyn)"),
        '$var(id) = 5; sql_query("select 1", "$avp(z)", $var(id));', show("$rc"),
    ])
    assert run(database, body) == [
        "1 [alice, carol, dave] [0.50000000, <null>, 1.00000000]", "1 0 1.00000000", "-1", "1 <null>", "-2", "-1", "30", "-1",
    ]
    big = 'sql_query_one("select age from people where name=\'dave\'", "$var(a)");' + show("$var(a)")
    assert run(database, big, bigint_to_str=1) == ["8589934592"]


def test_structured(database: Path) -> None:
    body = " ".join([
        'sql_select(\'["name"]\', "people", \'[{"age":{">":5}},{"q":{"!=":null}}]\', "name", "$avp(n)");',
        show("$rc $(avp(n)[*])"),
        'sql_insert("people", \'[{"name":"$rm"},{"age":null},{"q":1.5}]\');', show("$rc"),
        'sql_insert("people", \'[{"name":"$rm"}]\');', show("$rc"), 'sql_replace("people", \'[{"name":"$rm"},{"age":7}]\');',
        show("$rc"),
        'sql_update(\'[{"age":8}]\', "people", \'[{"name":"$rm"}]\');', show("$rc"),
        'sql_select_one(\'["age","q"]\', "people", \'[{"name":"$rm"}]\', , "$var(a);$var(q)");', show("$rc $var(a) $var(q)"),
        'sql_select_one(, "people", \'[{"name":"none"}]\', , "$var(a)");', show("$rc $var(a)"),
        'sql_delete("people", \'[{"name":{"like":"%a%"}}]\');', show("$rc"), 'sql_select(, "people", , , "$avp(p)");',
        show("$(avp(p)[*])"),
        'sql_select(, "nosuch");', show("$rc"), 'sql_select("{", "people");', show("$rc"), 'sql_delete("people", \'{"a":1}\');',
        show("$rc"),
        'sql_update(\'[{"age":{">":1}}]\', "people");', show("$rc"), 'sql_delete("people", \'[{"name":{"~~":"x"}}]\');',
        show("$rc"),
    ])
    assert run(database, body) == [
        "1 alice, dave", "1", "-1", "1", "1", "1 8 <null>", "1 8", "1", "OPTIONS", "-1", "-1", "-1", "-1", "-1",
    ]


def test_json_parts() -> None:
    assert column_names(None) == [] and column_names('["a","b"]') == ["a", "b"]
    assert conditions('[{"a":"x"},{"b":{"<=":1.9}},{"c":null}]') == [Where("a", "=", "x"), Where("b", "<=", 1), Where("c", "=",
        None)]
    assert new_values('[{"a":1},{"b":null}]') == {"a": 1, "b": None}
    for call, text in (
        (column_names, "[1]"), (column_names, '"a"'), (conditions, '["a"]'), (conditions, '[{"a":[1]}]'), (conditions,
        '[{"a":{}}]'),
        (conditions, '[{"a":true}]'), (new_values, "[]"),
    ):
        with pytest.raises(ScriptError):
            call(text)


def test_preferences(database: Path) -> None:
    body = " ".join([
        'sql_avp_load("$fu", "$avp(lang)");', show("$rc $(avp(lang)[*])"), 'sql_avp_load("$fu/username", "*", , "p_");',
        show("$rc $avp(p_n)"),
        '$var(x) = $avp(p_n) + 1;', show("$var(x)"), 'sql_avp_load("u1", "a");', show("$rc $avp(x) $avp(y)"),
        'sql_avp_load("sip:nobody@x/uri", "*");', show("$rc"), '$avp(uid) = "u1"; sql_avp_load("$avp(uid)", "$avp(mail)/$s1");',
        show("$rc $avp(mail)"),
        'sql_avp_load("$avp(uid)", "$avp(age)/$s2"); $var(x) = $avp(age) + 1;', show("$rc $var(x)"),
        'sql_avp_load("$var(none)", "*");', show("$rc"),
        'sql_avp_load("$avp(uid)/uri", "*");', show("$rc"), 'sql_avp_store("$fu", "$avp(lang)");', show("$rc"),
        '$avp(lang) = "it"; $avp(num) = 5; sql_avp_store("$fu", "$avp(lang)"); sql_avp_store("$fu", "$avp(num)");', show("$rc"),
        'sql_avp_store("$fu", "$avp(num)");', show("$rc"), 'sql_avp_delete("$fu", "$avp(n)");', show("$rc"),
        'sql_avp_load("$fu", "$avp(n)");', show("$rc"),
    ])
    schemes = ["s1:table=sub;uuid_col=id;value_col=mail", "s2: table = sub; uuid_col = id; value_col = age; value_type = integer"]
    assert run(database, body, use_domain=1, db_scheme=schemes) == [
        "1 de", "1 42", "43", "1 <null> why", "-1", "1 a@b", "1 8", "-1", "-1", "-1", "1", "-1", "1", "-1",
    ]
    connection = sqlite3.connect(database)
    rows = connection.execute("select username, domain, attribute, type, value from usr_preferences where id > 5").fetchall()
    connection.close()
    assert sorted(rows) == [("alice", "example.com", "lang", 0, "it"), ("alice", "example.com", "num", 2, "5")]


def test_async_and_several_databases(database: Path) -> None:
    body = 'async(sql_query_one("select name from people where age = 20", "$var(n)", 2), done);'
    params = {"sqlops.db_url": [f"sqlite://{database}", f"2 sqlite://{database}"]}
    lines = printed("sl tm db_sqlite sqlops", body, params, "route[done] { " + show("$rc $var(n)") + " }", count=1)
    assert lines == ["1 carol"]
    assert [numbered_url(text) for text in ("sqlite:///x", " 3  sqlite:///y")] == [(0, "sqlite:///x"), (3, "sqlite:///y")]


@pytest.mark.parametrize("text", ["", "a", "a:", "a:b", "a:value_type=float", "a:what=1"])
def test_bad_schemes(text: str) -> None:
    with pytest.raises(ValueError):
        parse_scheme(text)


@pytest.mark.parametrize("body", [
    'sql_query("x", "$var(a)");', 'sql_query_one("x", "$ci");', 'sql_query("x", "$avp(a)", 7);', 'sql_avp_load("$fu/what", "*");',
    'sql_avp_load("$fu", "$var(x)");', 'sql_avp_load("$fu", "q");', 'sql_avp_load("$fu", "*/$s1");',
    'sql_avp_load("$fu", "$avp(x)/$none");',
    'sql_avp_store("$fu", "$avp(x)/$s1");', 'sql_avp_load("$fu", "$avp(x)/");',
])
def test_mistakes_are_found_at_load(database: Path, body: str) -> None:
    params = {"sqlops.db_url": f"sqlite://{database}", "sqlops.db_scheme": "s1:table=sub;value_col=mail"}
    with pytest.raises(ConfigErrors):
        Harness(script("db_sqlite sqlops", body, params))


def test_a_database_is_needed() -> None:
    with pytest.raises(ConfigErrors, match="no DB URL"):
        Harness(script("sqlops", "exit;"))
