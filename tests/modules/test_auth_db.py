"""auth_db: accounts in a table, hashes by algorithm, columns that become AVPs, and who may use which URI."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError, ConfigErrors
from tests.helpers import make_request
from tests.modules.auth_parts import HASHES, MODULES, credentials, field
from tests.modules.test_auth import Door

ACCOUNT = "id INTEGER PRIMARY KEY, username, domain, password, ha1, ha1_sha256, ha1_sha512t256, rpid, mail, level INTEGER"
PLAIN = 'modparam("auth_db", "calculate_ha1", 1)\nmodparam("auth_db", "password_column", "password")\n'
AVPS = 'modparam("auth_db", "load_credentials", "$avp(m)=mail; $avp(l)=level;rpid;")\n'
JUDGE = """
    www_authorize("r.example", "%s");
    $var(rc) = $rc;
    xlog("XL|$var(rc) $avp(m) $avp(l) $avp(rpid)\\n");
    if ($var(rc) < 0) { www_challenge("r.example"%s); exit; }
    %s
    sl_send_reply(200, "Welcome");
"""


def ha1(name: str, user: str = "alice", password: str = "secret") -> str:
    """A stored hash."""
    return HASHES[name](f"{user}:r.example:{password}".encode())


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A database with a few accounts."""
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(f"""
            CREATE TABLE version (table_name, table_version INTEGER);
            INSERT INTO version VALUES ('subscriber', 8), ('uri', 2), ('old', 7);
            CREATE TABLE subscriber ({ACCOUNT});
            CREATE TABLE old ({ACCOUNT});
            CREATE TABLE uri (id INTEGER PRIMARY KEY, username, domain, uri_user);
            INSERT INTO uri VALUES (1, 'alice', 'r.example', 'sales'), (2, 'bob', 'd.example', 'sales');
        """)
        row = "INSERT INTO subscriber (username, domain, password, ha1, ha1_sha256, ha1_sha512t256, rpid, mail, level) VALUES "
        database.execute(row + "('alice', 'r.example', 'secret', ?, ?, ?, '', 'a@x', 7)", [ha1(name) for name in HASHES])
        database.execute(row + "('alice', 'd.example', 'other', 'x', '', '', 'sip:+49301@x', NULL, NULL)")
        database.execute(row + "('carol', 'r.example', NULL, ?, '', '', NULL, NULL, NULL)", [ha1("MD5", "carol")])
    return path


def door(base: Path, params: str = "", algorithm: str = "", table: str = "subscriber", more: str = "") -> Door:
    """A server with that database."""
    modules = 'loadmodule "db_sqlite.so"\nloadmodule "auth_db.so"\n'
    url = f'modparam("auth_db", "db_url", "sqlite://{base}")\n'
    offered = f', "auth", "{algorithm}"' if algorithm else ""
    return Door(JUDGE % (table, offered, more), modules + url + (params or AVPS))


@pytest.mark.parametrize("algorithm", ["", *HASHES, "MD5-sess", "SHA-256-sess", "SHA-512-256-sess"])
@pytest.mark.parametrize("plain", [False, True])
def test_each_algorithm_has_its_column(base: Path, algorithm: str, plain: bool) -> None:
    with door(base, AVPS + PLAIN * plain, algorithm) as server:
        server.knock(credentials(server.challenge()))
        assert server.xlog()[-1] == "1 a@x 7 <null>"
        server.knock(credentials(server.challenge(), password="wrong"))
        assert server.codes[-1] == "-2"
        server.knock(credentials(server.challenge(), user="nobody"))
        assert server.codes[-1] == "-1"


def test_an_account_without_a_usable_hash_answers_as_a_wrong_password_does(base: Path) -> None:
    with door(base, algorithm="SHA-256") as server:
        reply = server.knock(credentials(server.challenge(), user="carol"))
        assert reply is not None and reply.first_line == "SIP/2.0 401 Unauthorized"
        assert server.codes[-1] == "-2" and any("HA1 has 0 characters" in line for line in server.log)
    with door(base, AVPS + PLAIN) as server:
        server.knock(credentials(server.challenge(), user="carol", password=""))
        assert server.codes[-1] == "-2"


def test_a_stranger_and_a_wrong_password_get_the_same_answer(base: Path) -> None:
    with door(base, AVPS + PLAIN) as server:
        replies = []
        for user, password in (("alice", "wrong"), ("nobody", "secret"), ("carol", "secret")):
            reply = server.knock(credentials(server.challenge(), user=user, password=password))
            assert reply is not None
            replies.append(re.sub(r'nonce="[^"]*"|tag=[^\r]*|branch=[^\r]*|Call-ID: [^\r]*', "", reply.text))
        assert len(set(replies)) == 1


def test_use_domain_tells_accounts_apart(base: Path) -> None:
    with door(base, AVPS + PLAIN + 'modparam("auth_db", "use_domain", 1)\n') as server:
        server.knock(credentials(server.challenge(), user="alice@d.example", password="other"))
        assert server.xlog()[-1] == "1 <null> <null> sip:+49301@x"
        server.knock(credentials(server.challenge(), user="alice@r.example", password="secret"))
        assert server.codes[-1] == "1"
        server.knock(credentials(server.challenge(), user="alice@x.example", password="secret"))
        assert server.codes[-1] == "-1"


def test_ha1b_hashes_hold_the_domain(base: Path) -> None:
    stored = hashlib.md5(b"alice@r.example:r.example:secret").hexdigest()
    with sqlite3.connect(base) as database:
        database.execute("UPDATE subscriber SET ha1 = ? WHERE domain = 'r.example'", [stored])
    with door(base) as server:
        server.knock(credentials(server.challenge(), user="alice@r.example"))
        assert server.codes[-1] == "1"


def test_release_31_keeps_those_hashes_in_a_column_of_their_own(base: Path) -> None:
    stored = hashlib.md5(b"alice@r.example:r.example:secret").hexdigest()
    with sqlite3.connect(base) as database:
        database.execute("ALTER TABLE subscriber ADD ha1b")
        database.execute("UPDATE subscriber SET ha1b = ? WHERE domain = 'r.example'", [stored])
    with door(base, AVPS + 'modparam("auth_db", "password_column_2", "ha1b")\n') as server:
        for user in ("alice@r.example", "alice"):
            server.knock(credentials(server.challenge(), user=user))
            assert server.codes[-1] == "1"


CHECKS = """
    db_is_to_authorized("uri"); xlog("XL|to $rc\\n");
    db_is_from_authorized("uri"); xlog("XL|from $rc\\n");
"""


@pytest.mark.parametrize(("uri", "code"), [("sip:sales@x", "1"), ("sip:bob@x", "-9"), ("sip:x", "-4")])
def test_whose_uri_it_is(base: Path, uri: str, code: str) -> None:
    with door(base, more=CHECKS) as server:
        answer = credentials(server.challenge())
        text = make_request("INFO", "sip:x", call_id="n", headers=f"Authorization: {answer}\r\n")
        server.send(text.replace("To: <sip:bob@example.com>", f"To: <{uri}>"))
        assert f"to {code}" in server.xlog() and "from -9" in server.xlog()


def test_nobody_is_checked_who_was_not_authorised(base: Path) -> None:
    main = 'www_authorize("r.example", "subscriber");' + CHECKS + 'www_challenge("r.example");'
    params = f'loadmodule "db_sqlite.so"\nloadmodule "auth_db.so"\nmodparam("auth_db", "db_url", "sqlite://{base}")\n'
    with Door(main, params) as server:
        server.knock(credentials(server.challenge(), password="wrong"))
        assert server.xlog() == ["to -2", "from -2"] * 2


@pytest.mark.parametrize(("call", "codes"), [
    ('db_does_uri_exist("sip:carol@anywhere", "subscriber")', ["1"]),
    ('db_does_uri_exist("sip:nobody@anywhere", "subscriber")', ["-5"]),
    ('db_does_uri_exist("nonsense", "subscriber")', ["-1"]),
    ('db_get_auth_id("uri", "sip:sales@x", $avp(a), $var(b))', ["1 alice r.example"]),
    ('db_get_auth_id("uri", "sip:nobody@x", $avp(a), $var(b))', ["-4"]),
    ('db_get_auth_id("uri", "sip:x", $avp(a), $var(b))', ["-1"]),
    ('$avp(t) = "nowhere"; db_does_uri_exist("sip:carol@x", $avp(t))', ["-4"]),
    ('$avp(t) = "uri"; db_get_auth_id($avp(t), "sip:sales@x", $avp(a), $var(b))', ["1 alice r.example"]),
    ('$avp(t) = "subscriber"; db_does_uri_exist("sip:carol@x", $avp(t))', ["1"]),
])
def test_questions(base: Path, call: str, codes: list[str]) -> None:
    shown = " $avp(a) $var(b)" if codes == ["1 alice r.example"] else ""
    main = f'{call}; xlog("XL|$rc{shown}\\n");'
    params = f'loadmodule "db_sqlite.so"\nloadmodule "auth_db.so"\nmodparam("auth_db", "db_url", "sqlite://{base}")\n'
    with Door(main, params) as server:
        server.knock()
        assert server.xlog() == codes


def test_a_lost_database_is_answered_500(base: Path) -> None:
    with door(base) as server:
        answer = credentials(server.challenge())
        with sqlite3.connect(base) as database:
            database.execute("DROP TABLE subscriber")
        assert server.said(answer) == "500 Server Internal Error"
        assert server.codes == ["-4"]


def test_other_messages_are_served_while_a_query_waits(base: Path) -> None:
    with door(base) as server:
        answer = credentials(server.challenge())
        connection: Any = server.server.registry.get("auth_db")._connection
        order: list[str] = []
        query = connection.query

        async def slow(*args: Any) -> Any:
            data, socket = make_request("INFO", "sip:x", call_id="other").encode(), server.server.sockets.first("udp")
            server.server.workers.run(lambda: server.server.receiver.receive(data, "127.0.0.1", 5070, socket, None))
            order.append("other")
            return await query(*args)

        connection.query = slow
        server.knock(answer)
        assert order and server.codes == ["-4", "-4", "1"]


def test_a_missing_column_is_told_at_start(base: Path) -> None:
    with door(base, 'modparam("auth_db", "load_credentials", "nosuch")\n') as server:
        assert any("nosuch" in line and "load_credentials" in line for line in server.log)


def test_tables_are_checked(base: Path) -> None:
    with pytest.raises((ConfigError, ConfigErrors), match="version 7"):
        door(base, table="old")
    with door(base, AVPS + 'modparam("auth_db", "skip_version_check", 1)\n', table="old") as server:
        assert field(server.challenge(), "realm") == "r.example"


@pytest.mark.parametrize("params", [
    'modparam("auth_db", "load_credentials", "$var(x)=mail")', 'modparam("auth_db", "load_credentials", "a;;b")',
    'modparam("auth_db", "load_credentials", "$avp(x)=")',
])
def test_bad_parameters(base: Path, params: str) -> None:
    with pytest.raises((ConfigError, ConfigErrors)):
        door(base, params + "\n")


def test_a_database_is_needed(base: Path) -> None:
    with pytest.raises((ConfigError, ConfigErrors), match="no DB URL"):
        Door("exit;", 'loadmodule "auth_db.so"\n')
    assert MODULES
