"""dispatcher: choosing, failover, states, partitions, MI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, ConfigErrors, MiError
from engine.sip.uri import parse_uri
from engine.transport.address import Target
from modules.dispatcher.choosing import settle, text_hash, uri_hash
from modules.dispatcher.destinations import ACTIVE, INACTIVE, Data, Destination, DestinationSet
from modules.dispatcher.partitions import parse_blacklist, parse_partition
from tests.helpers import Harness, make_request
from tests.modules.small_parts import script, show
from tests.modules.table_parts import add, asked, change, database

ONE, TWO, THREE = "sip:192.0.2.1", "sip:192.0.2.2:5070", "sip:192.0.2.3;transport=tcp"


def row(destination: str, setid: int = 1, **more: Any) -> dict[str, Any]:
    return {"setid": setid, "destination": destination, **more}


def rows(*uris: str, setid: int = 1) -> list[dict[str, Any]]:
    return [row(uri, setid) for uri in uris]


class Served(Harness):
    """A server with a table; .path is its file."""

    def __init__(
        self, folder: Path, table: list[dict[str, Any]], body: str, params: dict[str, Any] | None = None, more: str = "",
        modules: str = "sl tm",
    ) -> None:
        self.table_path = folder / "ds.sqlite"
        url = database(self.table_path, dispatcher=table)
        params = {"dispatcher.db_url": url, **(params or {})}
        super().__init__(script(f"db_sqlite {modules} dispatcher", body, params, more), preamble=True)

    def __enter__(self) -> Served:
        return self

    def said(self) -> list[str]:
        """What was printed since the last call."""
        found = [line.strip() for line in self.xlog()]
        self.log.clear()
        return found

    def ask(self, method: str = "MESSAGE", **more: Any) -> list[str]:
        """Send a request; what was printed."""
        self.send(make_request(method, **more))
        return self.said()

    def states(self, partition: str = "default") -> dict[str, str]:
        """URI -> state of all destinations."""
        (found,) = self.mi("ds_list", {"partition": partition})["PARTITIONS"]
        return {one["URI"]: one["state"] for group in found.get("SETS", ()) for one in group["Destinations"]}


# ---------------------------------------------------------------- choosing


def test_what_of_a_uri_is_hashed() -> None:
    assert text_hash("") == 1
    found = parse_uri("sip:alice@example.com:5060;transport=udp")
    assert uri_hash(found, False) == text_hash("alice", "example.com") != uri_hash(found, True)
    assert uri_hash(parse_uri("sip:alice@example.com:5070"), False) == text_hash("alice", "example.com:5070")
    assert uri_hash(parse_uri("sips:alice@example.com:5061"), False) == text_hash("alice", "example.com")


def group_of(weights: list[int], states: list[int]) -> DestinationSet:
    return DestinationSet(1, [
        Destination(parse_uri(f"sip:192.0.2.{number}"), [], state=state, weight=weight)
        for number, (weight, state) in enumerate(zip(weights, states, strict=True))
    ])


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([ACTIVE, INACTIVE])), min_size=1, max_size=8),
    st.integers(0, 2**32 - 1), st.booleans(), st.booleans(),
)
def test_whatever_the_number_an_active_one_is_chosen_when_there_is_one(
    members: list[tuple[int, int]], number: int, use_default: bool, first: bool,
) -> None:
    group = group_of([weight for weight, _ in members], [state for _, state in members])
    place = settle(group, 0 if first else None, 0 if first else number, use_default)
    active = [at for at, (_, state) in enumerate(members) if state == ACTIVE]
    if not active:
        assert place is None
        return
    assert place in active
    if use_default and active != [len(members) - 1]:
        assert place != len(members) - 1


def test_a_failure_moves_only_those_who_had_the_failed_one() -> None:
    before = group_of([1, 2, 1, 0], [ACTIVE] * 4)
    after = group_of([1, 2, 1, 0], [ACTIVE, INACTIVE, ACTIVE, ACTIVE])
    chosen = {number: settle(before, None, number, False) for number in range(1, 400)}
    assert {place for place in chosen.values()} == {0, 1, 2}
    for number, place in chosen.items():
        assert settle(after, None, number, False) == place or place == 1


def test_round_robin_by_weight_skips_the_inactive(tmp_path: Path) -> None:
    table = [row(ONE), row(TWO, weight="2"), row("sip:192.0.2.9", state=1), row(THREE)]
    with Served(tmp_path, table, "ds_select_dst(1, 4);" + show("$du")) as server:
        found = [server.ask(call_id=f"c{n}")[0] for n in range(9)]
        assert found == [ONE, TWO, TWO, THREE, ONE, TWO, TWO, THREE, ONE]


def test_priority_goes_before_the_order_of_the_table(tmp_path: Path) -> None:
    table = [row(ONE), row(TWO, priority=5), row(THREE, priority=5)]
    body = 'ds_select_dst(1, 8, "f");' + show("$(avp(ds_dst_failover)[*]) $avp(ds_cnt_failover)")
    with Served(tmp_path, table, body) as server:
        assert server.ask() == [f"{TWO}, {THREE}, {ONE} 3"]


@pytest.mark.parametrize(("algorithm", "same", "other"), [
    (0, {"from_tag": "zz"}, {"call_id": "another"}), (3, {"call_id": "x"}, {"uri": "sip:carol@example.com"}),
    (7, {"call_id": "x"}, {"method": "OPTIONS"}),
])
def test_hashes_depend_on_what_they_are_about(tmp_path: Path, algorithm: int, same: Any, other: Any) -> None:
    table = rows(*[f"sip:192.0.2.{number}" for number in range(1, 100)])
    with Served(tmp_path, table, f"ds_select_dst(1, {algorithm});" + show("$du"), {"dispatcher.hash_pvar": "$rm $fU"}) as server:
        first = server.ask()
        assert server.ask(**same) == first != server.ask(**other)


def test_from_and_to_hashes_and_user_only(tmp_path: Path) -> None:
    table = rows(*[f"sip:192.0.2.{number}" for number in range(1, 200)])
    body = "".join(f'ds_select_dst(1, {n}, "{flags}");' + show("$du") for n in (1, 2) for flags in ("", "u"))
    with Served(tmp_path, table, body) as server:
        first = server.ask()
        changed = make_request("MESSAGE").replace("alice@example.com", "alice@other.org")
        server.send(changed)
        found = server.said()
        assert found[0] != first[0] and found[1:] == first[1:]


def test_credentials_choose_else_the_last_one_stays(tmp_path: Path) -> None:
    table = rows(*[f"sip:192.0.2.{number}" for number in range(1, 100)])
    with Served(tmp_path, table, "ds_select_dst(1, 5);" + show("$du")) as server:
        digest = 'Digest username="{}", realm="r", nonce="n", uri="sip:x", response="0"'
        with_bob = server.ask(headers=f"Proxy-Authorization: {digest.format('bob@x')}\r\n")
        assert server.ask(headers=f"Authorization: {digest.format('bob')}\r\n") == with_bob
        assert server.ask(headers=f"Authorization: {digest.format('carol')}\r\n") != with_bob


def test_random_reaches_all_that_weigh_something(tmp_path: Path) -> None:
    table = [row(ONE), row(TWO), row("sip:192.0.2.9", weight="0")]
    body = "$var(i) = 0; while ($var(i) < 60) { ds_select_dst(1, 6); " + show("$du") + " $var(i) = $var(i) + 1; }"
    with Served(tmp_path, table, body) as server:
        assert set(server.ask()) == {ONE, TWO}


def test_the_least_load_by_a_variable(tmp_path: Path) -> None:
    body = (f'$avp({ONE}_1) = 5; $avp({TWO}_1) = "2"; $avp({THREE}_1) = 9; ds_select_dst(1, 9, "f");'
            + show("$du $(avp(ds_dst_failover)[*])"))
    with Served(tmp_path, rows(ONE, TWO, THREE), body, {"dispatcher.pvar_algo_pattern": "$avp(%u_%i)"}) as server:
        assert server.ask() == [f"{TWO} {TWO}, {ONE}, {THREE}"]


def test_a_route_ranks_and_refuses(tmp_path: Path) -> None:
    route = (f'route[rank] {{ if ($param(dst_uri) == "{ONE}") return(7); if ($param(1) == "{TWO}") return(-1);'
             ' if ($param(attrs) == "best") return(0); return(7); }')
    table = [row(ONE), row(TWO), row(THREE), row("sip:192.0.2.4", attrs="best"), row("sip:192.0.2.5", state=1)]
    body = 'ds_select_dst(1, 10, "f");' + show("$rc $du $(avp(ds_dst_failover)[*]) $avp(ds_cnt_failover)")
    with Served(tmp_path, table, body, {"dispatcher.algo_route": "rank"}, route) as server:
        assert server.ask() == [f"1 sip:192.0.2.4 sip:192.0.2.4, {ONE}, {THREE} 3"]


def test_a_rank_route_that_is_not_there(tmp_path: Path) -> None:
    params = {"dispatcher.algo_route": "gone"}
    with Served(tmp_path, rows(ONE), "ds_select_dst(1, 10); " + show("$rc"), params) as server:
        assert any("algorithm route <gone> not found" in line for line in server.log)
        assert server.ask() == ["-1"]


def test_tables_of_text_files_serve_too(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("table_name(string) table_version(int)\ndispatcher:9\n")
    (tmp_path / "dispatcher").write_text(
        "id(int,auto) setid(int) destination(string) socket(string,null) state(int) probe_mode(int) weight(string) priority(int) "
        "attrs(string,null) description(string,null)\n1:1:sip\\:192.0.2.1::0:0:2:0::\n")
    params = {"dispatcher.db_url": f"text://{tmp_path}"}
    with Harness(script("db_text dispatcher", "ds_select_dst(1, 4); " + show("$rc $du"), params)) as server:
        server.send(make_request())
        assert [line.strip() for line in server.xlog()] == [f"1 {ONE}"]
        server.mi("ds_set_state", ["i", "1", ONE])
        server.advance(31)
        server.mi("dbt_dump")
    assert "1:1:sip\\:192.0.2.1::1:" in (tmp_path / "dispatcher").read_text()


def test_a_load_that_cannot_be_read_leaves_a_destination_out(tmp_path: Path) -> None:
    body = 'ds_select_dst(1, 9);' + show("$rc $du")
    with Served(tmp_path, rows(ONE), body, {"dispatcher.pvar_algo_pattern": "$ci"}) as server:
        assert server.ask() == ["-1 <null>"]


def test_unknown_sets_and_algorithms(tmp_path: Path) -> None:
    body = "ds_select_dst(9, 4);" + show("$rc") + "ds_select_dst(1, 55);" + show("$rc $du") + "ds_select_dst(1, 7);" + show("$rc")
    with Served(tmp_path, rows(ONE, TWO), body) as server:
        assert server.ask() == ["-1", f"1 {ONE}", "-1"]


# ---------------------------------------------------------------- destinations and failover


def test_what_du_and_the_request_uri_become(tmp_path: Path) -> None:
    table = [row("sip:user:pw@192.0.2.1:5080;transport=tcp;x=1?h=v", socket="udp:127.0.0.1:5060")]
    body = ("ds_select_dst(1, 8);" + show("$du $socket_out") + "ds_select_domain(1, 8);" + show("$ru"))
    with Served(tmp_path, table, body) as server:
        assert server.ask(uri="sip:bob@example.com:99;p=2") == [
            "sip:192.0.2.1:5080;transport=tcp;x=1 udp:127.0.0.1:5060", "sip:bob@192.0.2.1:5080;transport=tcp;x=1;p=2"]


def test_failover_takes_the_list_one_by_one(tmp_path: Path) -> None:
    table = [row("sip:127.0.0.1:5090", attrs="a"), row("sip:127.0.0.1:5091", attrs="b"), row("sip:127.0.0.1:5092")]
    body = 'ds_select_dst(1, 8, "f"); t_on_failure("next"); t_relay();'
    more = ('failure_route[next] { ds_next_dst(); ' + show("$rc $avp(at)") + ' if ($du) { t_on_failure("next"); t_relay(); } }')
    with Served(tmp_path, table, body, {"dispatcher.attrs_avp": "$avp(at)"}, more) as server:
        (sent,) = server.send(make_request("MESSAGE"))
        for port in (5090, 5091, 5092):
            assert sent.port == port
            answer = sent.text.partition("\r\n\r\n")[0].split("\r\n")[1:]
            reply = "\r\n".join(["SIP/2.0 500 No", *[line for line in answer if not line.startswith("Max-")], "", ""])
            sent = server.send(reply, (sent.ip, sent.port))[-1]
        assert sent.first_line.startswith("SIP/2.0 500")
        assert server.said() == ["1 b", "1", "-1 <null>"]


def test_flags_default_append_and_the_number_of_results(tmp_path: Path) -> None:
    listed = "$rc $(avp(ds_dst_failover)[*]) $avp(ds_cnt_failover)"
    table = rows(ONE, TWO, THREE, "sip:192.0.2.4") + rows("sip:192.0.2.5", setid=2)
    body = "".join((
        'ds_select_dst(1, 8, "F", , 2);', show(listed), 'ds_select_dst(1, 8, "f d", "default", 2);', show(listed),
        'ds_select_dst(2, 8, "fa");', show(listed), 'ds_next_domain();', show("$rc $ru"),
    ))
    with Served(tmp_path, table, body) as server:
        assert server.ask() == [
            f"1 {ONE}, {TWO} 2", f"1 {ONE}, {TWO}, sip:192.0.2.4 3", f"1 sip:192.0.2.5, {ONE}, {TWO}, sip:192.0.2.4 1",
            "1 sip:bob@192.0.2.1",
        ]


def test_the_default_is_used_when_all_others_are_gone(tmp_path: Path) -> None:
    table = [row(ONE, state=1), row(TWO, state=2), row(THREE)]
    body = "".join(f'ds_select_dst(1, {n}, "d");' + show("$du") for n in (0, 4, 8))
    with Served(tmp_path, table, body) as server:
        assert server.ask() == [THREE] * 3


# ---------------------------------------------------------------- states


def test_marking_counting_and_the_event(tmp_path: Path) -> None:
    body = 'ds_select_dst(1, 8, "f"); ds_mark_dst("$rU"); ds_count(1, "aI", $var(n)); ds_count(1, "p", $var(p));' + show(
        "$var(n) $var(p)")
    event = "event_route[E_DISPATCHER_STATUS] { " + show(
        "$param(partition) $param(group) $param(address) $param(status): $param(reason)") + " }"
    with Served(tmp_path, rows(ONE, TWO), body, {"dispatcher.ds_probing_threshhold": 2}, event) as server:
        assert server.ask(uri="sip:i@x") == ["2 0", f"<null> 1 {ONE} inactive: script function ds_mark()"]
        assert server.ask(uri="sip:p@x") == ["2 0"]
        assert server.ask(uri="sip:2@x") == ["1 1", f"<null> 1 {TWO} inactive: script function ds_mark()"]
        assert server.mi("ds_set_state", ["a", "1", TWO.upper()]) == "OK"
        assert server.said() == [f"<null> 1 {TWO} active: MI command"]
        assert server.mi("ds_set_state", ["p", "1", ONE]) == "OK"
        assert server.states() == {ONE: "Probing", TWO: "Active"}
        assert server.server.status_reports.groups["dispatcher"]["default;events"].reports[0].text == (
            f"DESTINATION <{ONE}>, set 1 switched to [inactive] due to script function ds_mark()\n")


def test_marks_without_a_list(tmp_path: Path) -> None:
    body = 'ds_mark_dst(); ' + show("$rc") + 'ds_select_dst(1, 8, "f"); ds_mark_dst("x"); ' + show("$rc") + \
        'ds_mark_dst("ii");' + show("$rc") + "ds_next_dst(); ds_next_dst();" + show("$rc")
    with Served(tmp_path, rows(ONE), body) as server:
        assert server.ask() == ["-1", "-1", "-1", "-1"]


def test_states_are_written_back_and_survive_a_reload(tmp_path: Path) -> None:
    with Served(tmp_path, rows(ONE, TWO), "exit;") as server:
        server.mi("ds_set_state", ["i", "1", ONE])
        server.mi("ds_push_script_attrs", ["mine", "192.0.2.2", 5070, 1])
        server.mi("ds_reload")
        assert server.states() == {ONE: "Inactive", TWO: "Active"}
        assert asked(server.table_path, "SELECT state FROM dispatcher") == [(0,), (0,)]
        server.advance(31)
        assert asked(server.table_path, "SELECT state FROM dispatcher") == [(1,), (0,)]
        server.mi("ds_set_state", ["a", "1", ONE])
        change(server.table_path, "UPDATE dispatcher SET state = 2 WHERE id = 2")
        add(server.table_path, "dispatcher", row(THREE, attrs="new"))
        server.mi("ds_reload", {"inherit_state": "n"})
        assert server.states() == {ONE: "Inactive", TWO: "Probing", THREE: "Active"}
        server.mi("ds_set_state", ["i", "1", THREE])
    assert asked(tmp_path / "ds.sqlite", "SELECT state FROM dispatcher") == [(1,), (2,), (1,)]


def test_a_table_that_cannot_be_read_any_more_leaves_what_was_there(tmp_path: Path) -> None:
    with Served(tmp_path, rows(ONE), "exit;") as server:
        change(server.table_path, "DROP TABLE dispatcher")
        with pytest.raises(MiError):
            server.mi("ds_reload")
        assert server.states() == {ONE: "Active"}
        assert server.server.status_reports.check("dispatcher", "default") == 1


def test_without_persistent_state_the_table_is_left_alone(tmp_path: Path) -> None:
    with Served(tmp_path, [row(ONE, state=1)], "exit;", {"dispatcher.persistent_state": 0}) as server:
        assert server.states() == {ONE: "Active"}
        server.mi("ds_set_state", ["p", "1", ONE])
        server.advance(31)
    assert asked(tmp_path / "ds.sqlite", "SELECT state FROM dispatcher") == [(1,)]


def test_rows_that_are_no_good_are_left_out(tmp_path: Path) -> None:
    table = [
        row("nonsense"), row("sip:gateway.invalid"), row(ONE, weight="heavy"), row(ONE, weight="fs://:pw@192.0.2.1"),
        row(TWO, state=7, socket="udp:9.9.9.9:1"), row(""),
    ]
    with Served(tmp_path, table, "exit;") as server:
        assert server.states() == {ONE: "Active", TWO: "Active"}
        reports = server.server.status_reports.groups["dispatcher"]["default"].reports
        assert reports[-1].text == "2 destinations loaded (4 discarded)"


# ---------------------------------------------------------------- lists and attributes


def test_is_in_list(tmp_path: Path) -> None:
    table = [row(ONE, attrs="a=1"), row("sip:[2001:db8::1]:5080", 2, state=1), row(ONE, 3, attrs="b=1")]
    calls = (
        '"192.0.2.1", 5060', '"192.0.2.1", 0, 1', '"192.0.2.1", 5061', '"192.0.2.1", 5060, 2', '"2001:DB8:0::1", 5080',
        '"[2001:db8::1]", 5080, -1, , 1', '"192.0.2.1", 5060, , , 0, "a=?"', '"192.0.2.1", 5060, 1, , 0, "b*"', '"none", 0',
    )
    body = "".join(f"$var(s) = 0; ds_is_in_list({call}); " + show("$rc $var(s)") for call in calls)
    with Served(tmp_path, table, body, {"dispatcher.setid_pvar": "$var(s)"}) as server:
        assert server.ask() == ["1 3", "1 0", "-1 0", "-1 0", "1 2", "-1 0", "1 1", "-1 0", "-1 0"]


def test_script_attributes(tmp_path: Path) -> None:
    body = "".join((
        'ds_push_script_attrs("x", "192.0.2.1", 0);', f'ds_get_script_attrs("{ONE}", 1, , $var(a));', show("$rc $var(a)"),
        f'ds_get_script_attrs("{TWO}", -1, "default", $var(a));', show("$rc [$var(a)]"),
        f'ds_get_script_attrs("{TWO}", 7, , $var(a));', show("$rc"), 'ds_push_script_attrs("x", "y", 0, 1);', show("$rc"),
        "ds_select_dst(1, 8);", show("$avp(sa)"),
    ))
    with Served(tmp_path, rows(ONE, TWO), body, {"dispatcher.script_attrs_avp": "$avp(sa)"}) as server:
        assert server.ask() == ["1 x", "1 []", "-1", "-1", "x"]


def test_a_set_may_be_a_blacklist(tmp_path: Path) -> None:
    params = {"dispatcher.ds_define_blacklist": "gateways = 1, 3"}
    with Served(tmp_path, rows(ONE, TWO) + rows(THREE, setid=2), "exit;", params) as server:
        (listed,) = server.mi("list_blacklists")["Lists"]
        assert (listed["name"], listed["owner"]) == ("gateways", "dispatcher")
        assert [(rule["IP"], rule["Port"], rule["Proto"]) for rule in listed["Rules"]] == [
            ("192.0.2.1", 5060, "udp"), ("192.0.2.2", 5070, "udp")]
        add(server.table_path, "dispatcher", row("sip:192.0.2.7", 3))
        server.mi("ds_reload")
        assert server.mi("check_blacklists", ["udp", "192.0.2.7", 5060]) == ["gateways"]


# ---------------------------------------------------------------- partitions and MI


def test_partitions(tmp_path: Path) -> None:
    url = database(tmp_path / "p.sqlite", trunks__as__dispatcher=[row(TWO, 4, state=1, attrs="t")])
    params = {
        "dispatcher.partition": [f"trunks: db_url = {url}; table_name=trunks; persistent_state = off",
                                 f"more: db_url={url}; table_name = trunks; dst_avp = $avp(mine); grp_avp=$avp(g)"],
        "dispatcher.attrs_avp": "$avp(at)",
    }
    body = 'ds_select_dst(4, 8, "f", "trunks");' + show("$rc $du $avp(ds_dst_failover_trunks) $avp(at_trunks)") + \
        '$var(p) = "more"; ds_select_dst(4, 8, "f", "$var(p)");' + show("$rc") + \
        'ds_count(4, "i", $var(n), "more");' + show("$var(n)")
    with Served(tmp_path, rows(ONE), body, params) as server:
        assert server.ask() == [f"1 {TWO} {TWO} t", "-1", "1"]
        assert [one["name"] for one in server.mi("ds_list")["PARTITIONS"]] == ["trunks", "more", "default"]
        assert server.states("trunks") == {TWO: "Active"}
        assert server.mi("ds_set_state", ["i", "trunks:4", TWO]) == "OK"
        assert server.states("trunks") == {TWO: "Inactive"} and server.states() == {ONE: "Active"}
        assert server.mi("ds_reload", {"partition": "more"}) == "OK"


def test_another_partition_may_be_the_default_one(tmp_path: Path) -> None:
    params = {"dispatcher.partition": ["trunks: table_name = dispatcher", "default: trunks"]}
    with Served(tmp_path, rows(ONE), "ds_select_dst(1, 8);" + show("$du"), params) as server:
        assert server.ask() == [ONE]
        assert [one["name"] for one in server.mi("ds_list")["PARTITIONS"]] == ["trunks"]


def test_mi_refuses(tmp_path: Path) -> None:
    with Served(tmp_path, rows(ONE), "exit;") as server:
        for command, given in (
            ("ds_set_state", ["x", "1", ONE]), ("ds_set_state", ["i", "x", ONE]), ("ds_set_state", ["i", "p:1", ONE]),
            ("ds_set_state", ["i", "1", TWO]), ("ds_set_state", ["i", "2", ONE]), ("ds_list", {"partition": "x"}),
            ("ds_reload", {"partition": "x"}), ("ds_push_script_attrs", ["", "192.0.2.1", 0, 1]),
            ("ds_push_script_attrs", ["a", "x", 0, 1]), ("ds_push_script_attrs", ["a", "192.0.2.1", 0, 1, "x"]),
        ):
            with pytest.raises(MiError):
                server.mi(command, given)
        (listed,) = server.mi("ds_list", {"full": 1})["PARTITIONS"][0]["SETS"][0]["Destinations"]
        assert listed == {
            "URI": ONE, "state": "Active", "first_hit_counter": 0, "weight": 1, "priority": 0,
            "resolved_addresses": ["192.0.2.1:5060"],
        }


def test_mistakes_stop_the_start(tmp_path: Path) -> None:
    url = database(tmp_path / "x.sqlite", dispatcher=[])
    change(tmp_path / "x.sqlite", "CREATE TABLE old AS SELECT * FROM dispatcher")
    change(tmp_path / "x.sqlite", "INSERT INTO version VALUES ('old', 8)")
    good = {"dispatcher.db_url": url}
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "exit;"), ({**good, "dispatcher.table_name": "old"}, "exit;"), ({**good, "dispatcher.table_name": "none"}, "exit;"),
        ({**good, "dispatcher.cluster_id": 1}, "exit;"), ({**good, "dispatcher.fetch_freeswitch_stats": 1}, "exit;"),
        ({**good, "dispatcher.ds_ping_interval": 5}, "exit;"), ({**good, "dispatcher.setid_pvar": "$ci"}, "exit;"),
        ({**good, "dispatcher.attrs_avp": "$var(x)"}, "exit;"), ({**good, "dispatcher.options_reply_codes": "20x"}, "exit;"),
        ({**good, "dispatcher.ds_probing_sock": "udp:9.9.9.9:1"}, "exit;"),
        ({**good, "dispatcher.partition": "default: gone"}, "exit;"),
        ({**good, "dispatcher.partition": "a: colour = red"}, "exit;"),
        ({**good, "dispatcher.ds_define_blacklist": "a = b"}, "exit;"),
        (good, 'ds_select_dst(1, 4, "z");'), (good, 'ds_select_dst(1, 4, , "none");'), (good, 'ds_count(1, "a", $ci);'),
    )
    for params, body in cases:
        with pytest.raises((ConfigError, ConfigErrors)):
            Harness(script("db_sqlite dispatcher", body, params))


@pytest.mark.parametrize("text", ["a", ": x=1", "a: db_url", "a: db_url=", "a: x = 1"])
def test_bad_partitions(text: str) -> None:
    with pytest.raises(ValueError, match="partition|form"):
        parse_partition(text)


def test_partition_lines() -> None:
    found = parse_partition(
        "a: db_url = mysql://u:p@h/d; script_attrs = $avp(x);\n ds_define_blacklist = l = 1,2; ds_define_blacklist = m = 3;")
    assert found.properties == {"db_url": "mysql://u:p@h/d", "script_attrs_avp": "$avp(x)"}
    assert [parse_blacklist(text) for text in found.blacklists] == [("l", (1, 2)), ("m", (3,))]


def test_finding_an_address_does_not_depend_on_the_number_of_destinations() -> None:
    data = Data([
        (number % 7, Destination(parse_uri(f"sip:10.0.{number // 250}.{number % 250}"),
                                 [Target("udp", f"10.0.{number // 250}.{number % 250}", 5060)]))
        for number in range(5000)
    ])
    assert [found.id for found, _ in data.at("10.0.3.4", 5060, -1)] == [754 % 7]
    assert data.at("10.0.3.4", 5061, -1) == data.at("10.9.9.9", 0, -1) == []
