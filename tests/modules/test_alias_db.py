"""alias_db: looking up aliases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError, ConfigErrors
from tests.helpers import Harness, make_request
from tests.modules.small_parts import script, show
from tests.modules.table_parts import change, database


def alias(name: str, user: str, domain: str = "example.com") -> dict[str, Any]:
    return {"alias_username": name, "alias_domain": domain, "username": user, "domain": "example.com"}


ROWS = [alias("100", "alice"), alias("100", "bob"), alias("200", "carol", "other.org")]


def said(
    folder: Path, body: str, params: dict[str, Any] | None = None, uri: str = "sip:100@example.com", statement: str = "",
) -> list[str]:
    url = database(folder / "a.sqlite", dbaliases=ROWS)
    with Harness(script("db_sqlite alias_db", body, {"alias_db.db_url": url, **(params or {})})) as server:
        if statement:
            change(folder / "a.sqlite", statement)
        server.send(make_request(uri=uri))
        return [line.strip() for line in server.xlog()]


LOOKUP = 'alias_db_lookup("dbaliases"); ' + show("$rc $ru $(msg.branch.uri[1])")


@pytest.mark.parametrize(("uri", "branches", "found"), [
    ("sip:100@example.com:5070;x=1", 0, "1 sip:alice@example.com <null>"),
    ("sip:100@example.com", 1, "1 sip:alice@example.com sip:bob@example.com"),
    ("sip:100@elsewhere.com", 1, "-1 sip:100@elsewhere.com <null>"), ("sip:example.com", 0, "-1 sip:example.com <null>"),
])
def test_lookup(tmp_path: Path, uri: str, branches: int, found: str) -> None:
    assert said(tmp_path, LOOKUP, {"alias_db.append_branches": branches}, uri) == [found]


def test_the_name_of_the_table_may_be_made_by_the_script(tmp_path: Path) -> None:
    assert said(tmp_path, '$var(t) = "aliases"; alias_db_lookup("db$var(t)"); ' + show("$rc $ru")) == ["1 sip:alice@example.com"]


def find(*calls: str) -> str:
    return "".join(f'$var(o) = "-"; alias_db_find("dbaliases", {call}); ' + show("$rc $var(o)") for call in calls)


def test_find_with_flags(tmp_path: Path) -> None:
    body = find(
        '"sip:200@other.org", $var(o)', '"sip:200@x", $var(o)', '"sip:200@x", $var(o), "D"',
        '"sip:carol@example.com", $var(o), "r"', '"sip:carol@x", $var(o), "r"',
        '"sip:carol@x", $var(o), "dr"', '"nonsense", $var(o)',
    )
    assert said(tmp_path, body) == [
        "1 sip:carol@example.com", "-1 -", "1 sip:carol@example.com", "1 sip:200@other.org", "-1 -", "1 sip:200@other.org",
        "-1 -",
    ]


@pytest.mark.parametrize(("branches", "found"), [(0, "sip:alice@example.com"), (1, "sip:bob@example.com, sip:alice@example.com")])
def test_find_replaces_all_values_of_an_avp(tmp_path: Path, branches: int, found: str) -> None:
    body = '$avp(o) = "a"; $avp(o) = "b"; alias_db_find("dbaliases", $ru, $avp(o)); ' + show("$(avp(o)[*])")
    assert said(tmp_path, body, {"alias_db.append_branches": branches}) == [found]


def test_a_prefix_of_the_domain_is_taken_away(tmp_path: Path) -> None:
    body = find('"sip:100@SIP.example.com", $var(o)', '"sip:100@sip.", $var(o)')
    assert said(tmp_path, body, {"alias_db.domain_prefix": "sip."}) == ["1 sip:alice@example.com", "-1 -"]


def test_a_database_that_fails(tmp_path: Path) -> None:
    assert said(tmp_path, LOOKUP, statement="DROP TABLE dbaliases") == ["-1 sip:100@example.com <null>"]


def test_the_default_database(tmp_path: Path) -> None:
    url = database(tmp_path / "a.sqlite", dbaliases=ROWS)
    with Harness(f'db_default_url="{url}"\n' + script("db_sqlite alias_db", LOOKUP), preamble=True) as server:
        server.send(make_request(uri="sip:100@example.com"))
        assert [line.strip() for line in server.xlog()] == ["1 sip:alice@example.com <null>"]


def test_mistakes_stop_the_start(tmp_path: Path) -> None:
    url = database(tmp_path / "a.sqlite", dbaliases=[])
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "exit;"), ({"alias_db.db_url": "sqlite:///none/x"}, "exit;"),
        ({"alias_db.db_url": url}, 'alias_db_lookup("t", "x");'),
        ({"alias_db.db_url": url}, 'alias_db_find("t", "sip:x@y", $ci);'),
    )
    for params, body in cases:
        with pytest.raises((ConfigError, ConfigErrors)):
            Harness(script("db_sqlite alias_db", body, params))
