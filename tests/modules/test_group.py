"""group: membership by table, by regular expressions, by an AAA server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError, ConfigErrors
from tests.helpers import Harness, make_request
from tests.modules.auth_parts import credentials
from tests.modules.small_parts import script, show
from tests.modules.table_parts import change, database

MEMBERS = [{"username": "alice", "domain": "example.com", "grp": "ld"}, {"username": "bob", "domain": "other.org", "grp": "ld"}]
EXPRESSIONS = [{"reg_exp": "^sip:ALICE@", "group_id": 1}, {"reg_exp": "@example\\.com$", "group_id": 2}, {"reg_exp": "^sip:1",
               "group_id": 3}]


def tables(folder: Path) -> str:
    return database(folder / "g.sqlite", grp=MEMBERS, re_grp=EXPRESSIONS)


def said(server: Harness, **more: Any) -> list[str]:
    server.send(make_request(**more))
    found = [line.strip() for line in server.xlog()]
    server.log.clear()
    return found


def member(*sources: str, function: str = "db_is_user_in") -> str:
    return "".join(f'{function}("{source}", "ld"); ' + show("$rc") for source in sources)


@pytest.mark.parametrize(("use_domain", "to"), [(0, "1"), (1, "-6")])
def test_membership(tmp_path: Path, use_domain: int, to: str) -> None:
    body = member("From", "TO", "Request-URI", "sip:bob@other.org", "sip:other.org", "nonsense", "Credentials")
    params = {"group.db_url": tables(tmp_path), "group.use_domain": use_domain}
    with Harness(script("db_sqlite group", body, params)) as server:
        assert said(server, uri="sip:carol@example.com") == ["1", to, "-6", "1", "-1", "-1", "-1"]
        change(tmp_path / "g.sqlite", "DROP TABLE grp")
        assert said(server)[0] == "-5"


@pytest.mark.parametrize(("multiple", "found"), [
    (1, ["2 1, 2", "1 2", "-1 <null>", "1 3"]), (0, ["1 2", "1 2", "-1 <null>", "1 3"]),
])
def test_expressions(tmp_path: Path, multiple: int, found: list[str]) -> None:
    sources = ("From", "To", "sip:x@y", "sip:100@y")
    body = "".join(
        f'db_get_user_group("{source}", $avp(g{n})); ' + show(f"$rc $(avp(g{n})[*])") for n, source in enumerate(sources))
    params = {"group.db_url": tables(tmp_path), "group.re_table": "re_grp", "group.multiple_gid": multiple}
    with Harness(script("db_sqlite group", body, params)) as server:
        assert said(server) == found


def test_credentials_that_were_right(tmp_path: Path) -> None:
    body = ('$var(u) = "alice"; $var(p) = "secret";'
            'if (!pv_www_authorize("example.com")) { www_challenge("example.com", "auth"); exit; }' + member("Credentials"))
    params = {
        "group.db_url": tables(tmp_path), "group.use_domain": 1, "auth.username_spec": "$var(u)", "auth.password_spec": "$var(p)",
        "auth.calculate_ha1": 1,
    }
    with Harness(script("db_sqlite sl signaling auth group", body, params)) as server:
        (challenge,) = server.send(make_request("INFO"))
        answer = credentials(challenge.header("WWW-Authenticate") or "")
        assert said(server, method="INFO", call_id="two", headers=f"Authorization: {answer}\r\n") == ["1"]


DRIVER = """
from engine.module import Module
from modules.shared.aaa import AaaError

class Aaa(Module):
    async def connect(self, configuration):
        if configuration == "broken":
            raise AaaError("no such file")
        self.asked = []
        return self

    async def authorize(self, attributes):
        self.asked.append(attributes)
        if ("User-Name", "crash@example.com") in attributes:
            raise AaaError("no answer")
        return ("User-Name", "alice@example.com") in attributes

exports = Aaa
"""


def with_aaa(folder: Path, body: str, params: dict[str, Any]) -> str:
    """A script with a driver that says yes to alice, and notes what it was asked."""
    (folder / "aaa_test.py").write_text(DRIVER)
    return f'mpath="{folder}/"\n' + script("db_sqlite aaa_test group", body, params)


def test_an_aaa_server_is_asked(tmp_path: Path) -> None:
    body = member("From", "To", "Credentials", "Request-URI", function="aaa_is_user_in")
    params = {"group.aaa_url": "test:here", "group.use_domain": 1}
    with Harness(with_aaa(tmp_path, body, params), preamble=True) as server:
        assert said(server, uri="sip:crash@example.com") == ["1", "-12", "-4", "-12"]
        driver: Any = server.server.registry.get("aaa_test")
        assert driver.asked[0] == [
            ("User-Name", "alice@example.com"), ("Sip-Group", "ld"), ("Service-Type", "Group-Check"),
            ("Acct-Session-Id", "call-1"),
        ]


def test_mistakes_stop_the_start(tmp_path: Path) -> None:
    url = tables(tmp_path)
    broken = database(tmp_path / "b.sqlite", grp=[], re_grp=[{"reg_exp": "(", "group_id": 1}])
    old = database(tmp_path / "o.sqlite", grp=[])
    change(tmp_path / "o.sqlite", "UPDATE version SET table_version = 1")
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, member("From")), ({}, 'db_get_user_group("From", $avp(x));'), ({"group.db_url": old}, "exit;"),
        ({"group.db_url": url}, 'db_get_user_group("From", $var(x));'),
        ({"group.db_url": broken, "group.re_table": "re_grp"}, "exit;"),
        ({"group.db_url": url, "group.re_table": "none"}, "exit;"), ({}, member("From", function="aaa_is_user_in")),
        ({"group.aaa_url": "radius:/x"}, "exit;"), ({"group.aaa_url": "test:broken"}, "exit;"),
        ({"group.aaa_url": "test"}, "exit;"),
        ({"group.aaa_url": "test:x"}, member("Nobody", function="aaa_is_user_in")),
    )
    for params, body in cases:
        with pytest.raises((ConfigError, ConfigErrors)):
            Harness(with_aaa(tmp_path, body, params), preamble=True)
