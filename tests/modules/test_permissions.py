"""permissions: addresses by group, rule files, MI."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, ConfigErrors, MiError
from modules.permissions.addresses import AddressTable, Entry, read_address, read_row
from modules.permissions.rules import allows, parse_rules
from tests.helpers import Harness, make_request
from tests.modules.small_parts import script, show
from tests.modules.table_parts import add, change, database


def address(ip: str, mask: int = 32, grp: int = 1, **more: Any) -> dict[str, Any]:
    return {"ip": ip, "mask": mask, "grp": grp, "context_info": f"{ip}/{mask}", **more}


def served(folder: Path, rows: list[dict[str, Any]], body: str, params: dict[str, Any] | None = None) -> Harness:
    url = database(folder / "p.sqlite", address=rows)
    return Harness(script("db_sqlite permissions", body, {"permissions.db_url": url, **(params or {})}))


def said(server: Harness, request: str = "", **more: Any) -> list[str]:
    server.send(request or make_request(**more))
    found = [line.strip() for line in server.xlog()]
    server.log.clear()
    return found


def checks(*calls: str) -> str:
    """Statements that print code and context information of check_address() calls."""
    return "".join(f'$var(i) = "-"; check_address({call.replace("?", "$var(i)")}); ' + show("$rc $var(i)") for call in calls)


# ---------------------------------------------------------------- addresses


def test_groups_ports_and_protocols(tmp_path: Path) -> None:
    rows = [address("192.0.2.1"), address("192.0.2.2", port=5070, proto="udp"), address("192.0.2.2", port=5080, grp=2),
            address("192.0.2.3", proto="none"), address("2001:db8::1", 128)]
    body = checks(
        '1, "192.0.2.1", 1, "tls", ?', '1, "192.0.2.2", 5070, "UDP", ?', '1, "192.0.2.2", 5070, "tcp", ?',
        '1, "192.0.2.2", 5071, "udp", ?', '1, "192.0.2.2", 0, "any", ?', '0, "192.0.2.2", 5080, "udp", ?',
        '2, "192.0.2.1", 0, "any", ?', '9, "192.0.2.1", 0, "any", ?', '1, "192.0.2.3", 0, "any", ?',
        '1, "[2001:DB8:0::1]", 0, "", ?', '1, "nonsense", 0, "any", ?', '1, "192.0.2.1", 0, "$rU", ?',
    )
    with served(tmp_path, rows, body) as server:
        assert said(server) == [
            "1 192.0.2.1/32", "1 192.0.2.2/32", "-1 -", "-1 -", "1 192.0.2.2/32", "1 192.0.2.2/32", "-1 -", "-2 -", "-1 -",
            "1 2001:db8::1/128", "-1 -", "-1 -",
        ]


def test_networks_the_widest_first_an_exact_address_before_them(tmp_path: Path) -> None:
    rows = [address("10.0.0.0", 8), address("10.1.0.0", 16, port=5070), address("10.1.1.1"), address("10.1.1.0", 24),
            address("10.1.1.1", context_info="newer"), address("2001:db8::", 32), address("0.0.0.0", 0, 3)]
    body = checks('1, "10.1.1.2", 0, "any", ?', '1, "10.1.1.1", 0, "any", ?', '1, "10.1.1.0", 0, "any", ?',
                  '1, "11.1.1.1", 0, "any", ?', '1, "2001:db8:9::9", 0, "any", ?', '3, "8.8.8.8", 0, "any", ?',
                  '3, "::1", 0, "any", ?')
    with served(tmp_path, rows, body) as server:
        assert said(server) == ["1 10.0.0.0/8", "1 newer", "1 10.1.1.0/24", "-1 -", "1 2001:db8::/32", "1 0.0.0.0/0", "-1 -"]


def test_patterns_are_globs_for_a_text_of_the_script(tmp_path: Path) -> None:
    rows = [address("192.0.2.1", pattern="al?ce*"), address("192.0.2.2", pattern="")]
    body = checks('1, "192.0.2.1", 0, "any", ?, "alice@x"', '1, "192.0.2.1", 0, "any", ?, "bob"', '1, "192.0.2.1", 0, "any", ?',
                  '1, "192.0.2.2", 0, "any", ?, "anything"')
    with served(tmp_path, rows, body) as server:
        assert said(server) == ["1 192.0.2.1/32", "-1 -", "1 192.0.2.1/32", "1 192.0.2.2/32"]


def test_where_a_request_came_from(tmp_path: Path) -> None:
    url = database(tmp_path / "two.sqlite", more__as__address=[address("127.0.0.0", 8, 6)])
    rows = [address("127.0.0.1", grp=9, port=5070, context_info=None), address("127.0.0.0", 24, 4, proto="tcp")]
    body = "".join((
        '$avp(i) = "-"; check_source_address(9, $avp(i));', show("$rc [$avp(i)]"), "check_source_address(4);", show("$rc"),
        'check_source_address(6, $avp(i), , "two");', show("$rc $avp(i)"), "get_source_group($var(g));", show("$rc $var(g)"),
        '$var(p) = "two"; get_source_group($var(g), "$var(p)");', show("$rc $var(g)"),
    ))
    with served(tmp_path, rows, body, {"permissions.partition": f"two: db_url = {url}; table_name=more"}) as server:
        assert said(server) == ["1 []", "-1", "1 127.0.0.0/8", "1 4", "1 6"]
        server.send(make_request(), ("192.0.2.9", 5070))
        assert [line.strip() for line in server.xlog()] == ["-1 [-]", "-1", "-1 -", "-1 6", "-1 6"]


def test_rows_that_are_no_good_are_left_out(tmp_path: Path) -> None:
    rows = [address("nonsense"), address("192.0.2.1", 33), address("192.0.2.2", proto="smoke"), address("192.0.2.3", grp=-1),
            address("192.0.2.4")]
    with served(tmp_path, rows, "exit;") as server:
        (listed,) = server.mi("address_dump")["Partitions"]
        assert [one["ip"] for one in listed["Destinations"]] == ["192.0.2.4"]
        assert sum("is left out" in line for line in server.log) == 4


NETWORKS = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 7, 8, 16, 24, 31, 32]), st.integers(1, 3))


@given(st.lists(NETWORKS, max_size=12), st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_the_index_finds_what_a_walk_over_all_rows_finds(rows: list[tuple[int, int, int]], number: int, group: int) -> None:
    table = AddressTable()
    entries = []
    for value, mask, its_group in rows:
        entry = read_row((str(ipaddress.IPv4Address(value)), its_group, mask, 0, "any", None, None))
        assert entry is not None
        table.add(entry)
        entries.append(entry)
    wanted = ipaddress.IPv4Address(rows[0][0] ^ (number & 0xFF) if rows else number)
    matching = [entry for entry in entries if wanted in entry.network and group in (0, entry.group)]
    found = table.find(group, read_address(str(wanted)), 0, "", None)
    assert (found in matching) if matching else found is None
    if found is not None and group == 0:
        assert found.group == min(entry.group for entry in matching)


def test_ten_thousand_rows_are_no_reason_to_look_at_many() -> None:
    looked = 0

    class Counted(Entry):
        def fits(self, port: int, proto: str, text: str | None) -> bool:
            nonlocal looked
            looked += 1
            return super().fits(port, proto, text)

    table = AddressTable()
    for number in range(10_000):
        network = ipaddress.ip_network(f"10.{number >> 8}.{number & 255}.0/{24 + number % 9}", False)
        table.add(Counted(number % 500 + 1, network, 0, "", "", ""))
    for number in range(0, 10_000, 97):
        host = read_address(f"10.{number >> 8}.{number & 255}.0")
        found = table.find(0, host, 0, "", None)
        assert found is not None and found.group == number % 500 + 1
        assert table.find(number % 500 + 1, host, 0, "", None) is found
    assert looked < 104 * 6


# ---------------------------------------------------------------- files


RULES = """
# comment: ALL : ALL
ALL : "^sip:vip@" EXCEPT "^sip:vip@example.net", other   # and so on
"^sip:al:ice@", ^sip:boss@ EXCEPT nobody : ALL
broken
also broken :
x : "("
"a,b" : c
"""


def test_rules() -> None:
    wrong: list[int] = []
    rules = parse_rules(RULES, lambda line, text: wrong.append(line))
    assert wrong == [5, 6, 7]
    for left, right, good in (
        ("sip:x@y", "sip:VIP@example.org", True), ("sip:x@y", "sip:vip@example.net", False),
        ("sip:x@y", "sip:vip@other.org", False),
        ("sip:al:ice@y", "sip:x@y", True), ("sip:boss@y", "sip:x@y", True), ("sip:boss@nobody", "sip:x@y", False),
        ("sip:xa,by@z", "sip:c@z", True), ("sip:x@y", "sip:z@y", False),
    ):
        assert allows(rules, left, right) is good, (left, right)


@given(st.text(alphabet='aA:," #\\.*()[EXCPTL\n', max_size=60))
def test_any_text_is_read(text: str) -> None:
    parse_rules(text, lambda line, complaint: None)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "calls.allow").write_text('ALL : "^sip:vip@"\n"^sip:boss@" : ALL\n')
    (tmp_path / "calls.deny").write_text('ALL : "^sip:bad@", "@evil.example$"\nALL EXCEPT "example.com$" : ALL\n')
    (tmp_path / "permissions.deny").write_text('ALL : "^sip:example.org$"\n')
    return tmp_path


def test_calls(files: Path) -> None:
    body = ('if ($hdr(X-Branch)) append_msg_branch("$hdr(X-Branch)");'
            + "".join(f"allow_routing({name}); " + show("$rc") for name in ("", f'"{files}/calls"', '"nothere"')))
    with Harness(script("permissions sipmsgops", body), folder=str(files)) as server:
        for uri, caller, branch, codes in (
            ("sip:vip@x", "sip:a@example.net", "", "1 1 1"), ("sip:bad@x", "sip:a@example.com", "", "1 -1 1"),
            ("sip:bad@x", "sip:boss@example.com", "", "1 1 1"), ("sip:bob@x", "sip:a@example.net", "", "1 -1 1"),
            ("sip:bob@x;p=1", "sip:a@example.com", "sip:bad@x;q=1", "1 -1 1"),
            ("sip:bob@x", "sip:a@example.com", "sip:vip@evil.example:5070", "1 1 1"),
            ("sip:example.org", "sip:a@b", "", "-1 -1 1"),
        ):
            request = make_request(uri=uri, headers=f"X-Branch: {branch}\r\n" if branch else "")
            found = said(server, request.replace("sip:alice@example.com", caller))
            assert " ".join(found) == codes, (uri, caller, branch)


def test_only_the_request_uri_when_the_script_says_so(files: Path) -> None:
    body = 'append_msg_branch("sip:bad@x"); allow_routing("calls"); ' + show("$rc")
    with Harness(script("permissions sipmsgops", body, {"permissions.check_all_branches": 0}), folder=str(files)) as server:
        assert said(server) == ["1"]


def test_registrations_and_uris(files: Path) -> None:
    body = 'allow_register("calls"); ' + show("$rc") + 'allow_uri("calls", "$hdr(X-Uri)"); ' + show("$rc")
    with Harness(script("permissions sipmsgops", body), folder=str(files)) as server:
        for contact, uri, codes in (
            ("<sip:bob@x>", "sip:bad@x", "1 -1"), ("<sip:bob@x>, <sip:bad@x:5070;a=b>", "sip:vip@x;any=thing", "-1 1"),
            ("*", "sip:q", "1 1"), ("", "sip:q", "1 1"), ("<nonsense>", "sip:q", "-1 1"),
        ):
            headers = (f"Contact: {contact}\r\n" if contact else "") + f"X-Uri: {uri}\r\n"
            assert " ".join(said(server, method="REGISTER", headers=headers)) == codes, contact


def test_suffixes(tmp_path: Path) -> None:
    (tmp_path / "x.yes").write_text("ALL : vip\n")
    (tmp_path / "x.no").write_text("ALL : ALL\n")
    params = {"permissions.allow_suffix": ".yes", "permissions.deny_suffix": ".no"}
    with Harness(script("permissions", 'allow_uri("x", "$ru"); ' + show("$rc"), params), folder=str(tmp_path)) as server:
        assert said(server, uri="sip:vip@x") + said(server, uri="sip:bob@x") == ["1", "-1"]


# ---------------------------------------------------------------- MI


def test_dumps_and_reloads(tmp_path: Path) -> None:
    rows = [address("192.0.2.1", pattern="p", port=5070, proto="UDP"), address("10.0.0.9", 8, 2), address("2001:db8::", 48, 3)]
    params = {"permissions.partition": "two: table_name = address"}
    with served(tmp_path, rows, 'check_address(1, "192.0.2.7", 0, "any"); ' + show("$rc"), params) as server:
        (first, second) = server.mi("address_dump")["Partitions"]
        assert (first["name"], second["name"]) == ("default", "two")
        assert first["Destinations"] == [{
            "grp": 1, "ip": "192.0.2.1", "mask": "32", "port": 5070, "proto": "udp", "pattern": "p",
            "context_info": "192.0.2.1/32",
        }]
        found = server.mi("subnet_dump", ["two"])
        assert found["part"] == "two"
        assert [(one["ip"], one["mask"]) for one in found["Destinations"]] == [
            ("10.0.0.0", "255.0.0.0"), ("2001:DB8:0:0:0:0:0:0", "FFFF:FFFF:FFFF:0:0:0:0:0")]
        assert said(server) == ["-1"]
        add(tmp_path / "p.sqlite", "address", address("192.0.2.7"))
        assert server.mi("address_reload", ["two"]) == "OK" and said(server) == ["-1"]
        assert server.mi("address_reload") == "OK" and said(server) == ["1"]
        change(tmp_path / "p.sqlite", "DROP TABLE address")
        for command, wrong in (
            ("address_reload", []), ("address_reload", ["two"]), ("address_reload", ["x"]), ("address_dump", ["x"]),
            ("subnet_dump", ["x"]),
        ):
            with pytest.raises(MiError):
                server.mi(command, wrong)
        assert said(server) == ["1"]


def test_allow_uri_over_mi(files: Path) -> None:
    with Harness(script("permissions", 'allow_uri("calls", "$ru");'), folder=str(files)) as server:
        assert server.mi("allow_uri", ["calls", "sip:a@example.com", "sip:x@y"]) == "OK"
        for wrong in (
            ["calls", "sip:a@example.com", "sip:bad@x"], ["other", "sip:a@b", "sip:c@d"], ["", "a", "b"], ["calls", "", "b"],
        ):
            with pytest.raises(MiError):
                server.mi("allow_uri", wrong)


def test_mistakes_stop_the_start(tmp_path: Path) -> None:
    url = database(tmp_path / "x.sqlite", address=[])
    change(tmp_path / "x.sqlite", "UPDATE version SET table_version = 4")
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"permissions.db_url": url}, "exit;"), ({"permissions.partition": "a"}, "exit;"),
        ({"permissions.partition": "a: colour = red"}, "exit;"), ({"permissions.db_url": "mysql://x/y"}, "exit;"),
        ({}, 'check_address(1, "1.2.3.4", 0, "smoke");'), ({}, 'check_source_address(1, , , "none");'),
        ({}, "check_source_address(1, $si);"),
    )
    for params, body in cases:
        with pytest.raises((ConfigError, ConfigErrors)):
            Harness(script("db_sqlite permissions", body, params))


def test_without_a_table_addresses_are_unknown() -> None:
    with Harness(script("permissions", "check_source_address(1); " + show("$rc"))) as server:
        assert said(server) == ["-1"]
