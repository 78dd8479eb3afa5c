"""domain: local domains, with the table in memory and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, ConfigErrors, MiError
from modules.domain import Row, covers, suffixes
from tests.helpers import Harness, make_request
from tests.modules.small_parts import script, show
from tests.modules.table_parts import add, change, database

ROWS: list[dict[str, Any]] = [
    {"domain": "example.com", "attrs": "ex"}, {"domain": "example.net", "accept_subdomain": 1},
    {"domain": "single", "attrs": "s"}, {"domain": "a.deep.example.org", "attrs": "deep", "accept_subdomain": 1},
]


def served(folder: Path, mode: int, body: str, modules: str = "domain", more: dict[str, Any] | None = None) -> Harness:
    url = database(folder / "d.sqlite", domain=ROWS)
    params = {"domain.db_url": url, "domain.db_mode": mode, **(more or {})}
    return Harness(script(f"db_sqlite {modules}", body, params))


def said(server: Harness, **more: Any) -> list[str]:
    server.send(make_request(**more))
    found = [line.strip() for line in server.xlog()]
    server.log.clear()
    return found


@pytest.mark.parametrize("mode", [0, 1])
def test_which_domains_are_local(tmp_path: Path, mode: int) -> None:
    names = ("example.com", "x.example.com", "example.net", "a.b.example.net", "xexample.net", "single", "x.single",
             "deep.example.org", "z.a.deep.example.org", "com", "")
    body = "".join(f'$var(a) = "-"; is_domain_local("{name}", $var(a)); ' + show("$rc $var(a)") for name in names)
    with served(tmp_path, mode, body) as server:
        assert said(server) == ["1 ex", "-1 -", "1 -", "1 -", "-1 -", "1 s", "-1 -", "-1 -", "1 deep", "-1 -", "-1 -"]


@pytest.mark.parametrize("mode", [0, 1])
def test_from_and_request_uri(tmp_path: Path, mode: int) -> None:
    body = "is_from_local($avp(f)); " + show("$rc $avp(f)") + "is_uri_host_local(); " + show("$rc")
    with served(tmp_path, mode, body) as server:
        assert said(server, uri="sip:x@sub.example.net:5070;a=b") == ["1 ex", "1"]
        assert said(server, uri="sip:x@elsewhere.com") == ["1 ex", "-1"]


def test_the_table_in_memory_is_read_again_on_demand(tmp_path: Path) -> None:
    with served(tmp_path, 1, "is_domain_local($rd); " + show("$rc")) as server:
        assert said(server, uri="sip:x@New.org") == ["-1"]
        add(tmp_path / "d.sqlite", "domain", {"domain": "new.ORG", "attrs": "n"})
        assert said(server, uri="sip:x@New.org") == ["-1"]
        assert server.mi("domain_reload") == "OK"
        assert said(server, uri="sip:x@New.org") == ["1"]
        assert {"name": "new.ORG", "attributes": "n"} in server.mi("domain_dump")["Domains"]
        assert {"name": "example.net"} in server.mi("domain_dump")["Domains"]
        change(tmp_path / "d.sqlite", "DROP TABLE domain")
        with pytest.raises(MiError):
            server.mi("domain_reload")
        assert said(server, uri="sip:x@New.org") == ["1"]


def test_without_memory_changes_count_at_once(tmp_path: Path) -> None:
    with served(tmp_path, 0, "is_domain_local($rd); " + show("$rc")) as server:
        assert said(server, uri="sip:x@new.org") == ["-1"]
        add(tmp_path / "d.sqlite", "domain", {"domain": "new.org"})
        assert said(server, uri="sip:x@new.org") == ["1"]
        change(tmp_path / "d.sqlite", "DROP TABLE domain")
        assert said(server, uri="sip:x@new.org") == ["-1"]
        for command in ("domain_reload", "domain_dump"):
            with pytest.raises(MiError):
                server.mi(command)


@pytest.mark.parametrize("mode", [0, 1])
def test_local_domains_are_this_server(tmp_path: Path, mode: int) -> None:
    body = 'if (is_myself("$hdr(X-Host)")) ' + show("own") + " loose_route(); " + show("$rc $ru $du")
    with served(tmp_path, mode, body, "rr sipmsgops domain") as server:
        headers = "X-Host: a.example.net\r\nRoute: <sip:example.com;lr>, <sip:192.0.2.7;lr>\r\n"
        found = said(server, uri="sip:x@192.0.2.5", to_tag="t", headers=headers)
        assert found == ["own", "1 sip:x@192.0.2.5 sip:192.0.2.7;lr"]
        headers = headers.replace("xample", "lsewhere")
        assert said(server, uri="sip:x@192.0.2.5", to_tag="t", headers=headers) == ["1 sip:x@192.0.2.5 sip:elsewhere.com;lr"]
    assert not server.server.is_myself("example.org")


def test_other_columns(tmp_path: Path) -> None:
    change(tmp_path / "d.sqlite", "CREATE TABLE mine (name TEXT, a TEXT, sub INTEGER)")
    change(tmp_path / "d.sqlite", "INSERT INTO mine VALUES ('x.org', 'xa', 1)")
    change(tmp_path / "d.sqlite", "CREATE TABLE version (table_name TEXT, table_version INTEGER)")
    change(tmp_path / "d.sqlite", "INSERT INTO version VALUES ('mine', 4)")
    params = {
        "domain.db_url": f"sqlite://{tmp_path}/d.sqlite", "domain.domain_table": "mine", "domain.domain_col": "name",
        "domain.attrs_col": "a", "domain.subdomain_col": "sub",
    }
    with Harness(script("db_sqlite domain", 'is_domain_local("y.x.org", $var(a)); ' + show("$rc $var(a)"), params)) as server:
        assert said(server) == ["1 xa"]


@given(st.text(alphabet="ab.", max_size=12), st.text(alphabet="ab.", min_size=1, max_size=6))
def test_a_row_that_covers_a_host_is_asked_for(host: str, name: str) -> None:
    if covers(Row(name, None, True), host) and "." in name:
        assert name in suffixes(host)


def test_mistakes_stop_the_start(tmp_path: Path) -> None:
    url = database(tmp_path / "x.sqlite", domain=[])
    change(tmp_path / "x.sqlite", "UPDATE version SET table_version = 3")
    for params, body in (({}, "exit;"), ({"domain.db_url": url}, "exit;"), ({"domain.db_url": url}, "is_from_local($ci);")):
        with pytest.raises((ConfigError, ConfigErrors)):
            Harness(script("db_sqlite domain", body, params))
