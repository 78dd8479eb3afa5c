"""usrloc in memory: order, matching, news, expiry, refresh events, ids, MI, keys, statistics."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import MiError
from engine.module import Var
from modules.usrloc.api import FL_PN_ON
from modules.usrloc.contact import aor_hash, keys_from_json, keys_to_json, pack_contact_id, q_text, unpack_contact_id
from modules.usrloc.matching import find_contact
from modules.usrloc.mi import parse_q
from tests.modules.parts import FakeClock, PartServer

EVENTS = (
    "E_UL_AOR_INSERT", "E_UL_AOR_DELETE", "E_UL_CONTACT_INSERT", "E_UL_CONTACT_UPDATE", "E_UL_CONTACT_DELETE",
    "E_UL_CONTACT_REFRESH", "E_UL_LATENCY_UPDATE",
)


def usrloc(**params: Any) -> tuple[PartServer, Any, Any]:
    """(server, module, table location), with all events heard."""
    server = PartServer()
    server.load_core_mi()
    module = server.load("usrloc", **params)
    server.init()
    server.listen(*EVENTS)
    return server, module, module.domain("location")


def add(server: PartServer, table: Any, uri: str, aor: str = "bob", **more: Any) -> Any:
    fields = {"contact": uri, "expires": int(server.wall()) + 600, "callid": "c1", "cseq": 1, **more}
    return table.insert(aor, fields)


def uris(table: Any, aor: str = "bob") -> list[str]:
    return [contact.contact for contact in table.get(aor).contacts]


async def mi(server: PartServer, name: str, *args: Any, **named: Any) -> Any:
    server.loop = asyncio.get_running_loop()
    return await server.mi.call(name, list(args) if args else named)


# ---------------------------------------------------------------- order and matching


def test_contacts_stand_by_q_and_equal_ones_in_order_of_arrival() -> None:
    server, _, table = usrloc()
    for uri, q in (("a", 200), ("b", 900), ("c", -1), ("d", 1000), ("e", 900), ("f", 0), ("g", -1)):
        add(server, table, f"sip:{uri}@h", q=q)
    assert [uri[4] for uri in uris(table)] == ["d", "b", "e", "a", "f", "c", "g"]
    record = table.get("bob")
    table.update(record, record.contacts[1], {"q": 900})
    assert [uri[4] for uri in uris(table)] == ["d", "b", "e", "a", "f", "c", "g"]
    table.update(record, record.contacts[0], {"q": 100})
    assert [uri[4] for uri in uris(table)] == ["b", "e", "a", "d", "f", "c", "g"]


def test_newest_first_ignores_q() -> None:
    server, _, table = usrloc(desc_time_order=1)
    for name, q in (("one", 900), ("two", 100), ("three", 500)):
        add(server, table, f"sip:{name}@h", q=q)
    assert uris(table) == ["sip:three@h", "sip:two@h", "sip:one@h"]
    record = table.get("bob")
    table.update(record, record.contacts[2], {"cseq": 2})
    assert uris(table) == ["sip:one@h", "sip:three@h", "sip:two@h"]


@pytest.mark.parametrize("stored, sent, mode, same", [
    ("sip:b@h", "sip:b@h", 0, True),
    ("sip:b@h", "sip:b@H", 0, True),
    ("sip:b@h", "sip:B@h", 0, False),
    ("sip:b@h", "sip:b@h:5060", 0, False),
    ("sip:b@h", "sip:b@h;transport=udp", 0, False),
    ("sip:b@h;x=1", "sip:b@h", 0, True),
    ("sip:b@h", "sip:b@h;pn-prid=1", 0, False),
    ("sip:b@h;tag=1", "sip:c@i;tag=1", "tag", True),
    ("sip:b@h;tag=1", "sip:b@h;tag=2", "tag", False),
    ("sip:b@h;pn-prid=1;pn-provider=x", "sip:c@i;PN-PROVIDER=x;pn-prid=1", ("pn-provider", "pn-prid"), True),
    ("sip:b@h", "sip:b@h;pn-prid=1", ("pn-prid",), False),
    ("sip:b@h", "sip:b@h;mine=1", ("mine",), True),
    ("sip:b@h", "no uri", 0, False),
])
def test_which_contact_is_meant(stored: str, sent: str, mode: Any, same: bool) -> None:
    server, _, table = usrloc()
    contact = add(server, table, stored)
    assert find_contact([contact], sent, "c1", mode) is (contact if same else None)


def test_matching_by_call_id_needs_both() -> None:
    server, _, table = usrloc(matching_mode=1)
    first, second = add(server, table, "sip:b@h", callid="1"), add(server, table, "sip:b@h", callid="2")
    record = table.get("bob")
    assert table.match(record, "sip:b@H", "2", 1) is second
    assert table.match(record, "sip:b@h", "1", 1) is first
    assert table.match(record, "sip:b@h", "3", 1) is None


# ---------------------------------------------------------------- news


def test_news_come_in_order_with_their_parameters() -> None:
    server, module, table = usrloc()
    told: list[tuple[str, str, Any]] = []
    for kind in ("insert", "update", "delete", "expire", "aor_insert", "aor_delete"):
        module.register(kind, lambda record, contact, kind=kind: told.append((kind, record.aor, contact and contact.contact)))
    contact = add(server, table, "sip:b@h", q=250, path="<sip:p;lr>", attr="gold", cflags=4)
    table.update(table.get("bob"), contact, {"q": -1, "cseq": 2, "path": ""})
    table.delete(table.get("bob"), contact)
    assert [kind for kind, _, _ in told] == ["aor_insert", "insert", "update", "delete", "aor_delete"]
    assert [name for name, _ in server.heard] == [
        "E_UL_AOR_INSERT", "E_UL_CONTACT_INSERT", "E_UL_CONTACT_UPDATE", "E_UL_CONTACT_DELETE", "E_UL_AOR_DELETE",
    ]
    inserted = server.heard[1][1]
    assert list(inserted.items()) == [
        ("domain", "location"), ("aor", "bob"), ("uri", "sip:b@h"), ("received", ""), ("path", "<sip:p;lr>"), ("qval", 250),
        ("user_agent", "n/a"), ("socket", ""), ("bflags", 4), ("expires", int(server.wall()) + 600), ("callid", "c1"),
        ("cseq", 1), ("attr", "gold"), ("latency", 0), ("shtag", ""),
    ]
    assert (server.heard[2][1]["qval"], server.heard[2][1]["path"]) == (-1, "")


def test_expiry_removes_at_the_timer_and_a_refresh_in_time_saves() -> None:
    server, module, table = usrloc(timer_interval=10)
    asyncio.run(module.child_init())
    start = int(server.wall())
    short, long = add(server, table, "sip:s@h", expires=start + 5), add(server, table, "sip:l@h", expires=start + 5)
    add(server, table, "sip:p@h", expires=0)
    table.update(table.get("bob"), long, {"expires": start + 100})
    expired: list[str] = []
    module.register("expire", lambda record, contact: expired.append(contact.contact))
    server.pass_time(10.2)
    assert (expired, uris(table), short.is_valid(server.wall())) == (["sip:s@h"], ["sip:l@h", "sip:p@h"], False)
    table.update(table.get("bob"), long, {"expires": start + 30})
    server.pass_time(30)
    assert (expired, uris(table), table.expired) == (["sip:s@h", "sip:l@h"], ["sip:p@h"], 2)
    assert server.heard[-1][0] == "E_UL_CONTACT_DELETE"
    assert server.stats.get("usrloc:location-expires").count == 2


def test_an_unanswered_refresh_event_comes_again() -> None:
    server, module, table = usrloc(contact_refresh_timer=1, contact_refresh_repeat=30)
    module.set_refresh_lead(100)
    asyncio.run(module.child_init())
    start = int(server.wall())
    contact = add(server, table, "sip:b@h;pn-prid=x", expires=start + 110, flags=FL_PN_ON)

    def count() -> int:
        return sum(name == "E_UL_CONTACT_REFRESH" for name, _ in server.heard)

    server.pass_time(11.2)
    assert count() == 1
    server.pass_time(30)
    assert count() == 2
    table.update(table.get("bob"), contact, {"expires": int(server.wall()) + 150, "flags": FL_PN_ON})
    server.pass_time(40)
    assert count() == 2
    server.pass_time(12)
    assert count() == 3
    server.pass_time(200)
    assert count() == 6


def test_refresh_events_come_once_per_registration_before_expiry() -> None:
    server, module, table = usrloc(contact_refresh_timer=1)
    module.set_refresh_lead(100)
    asyncio.run(module.child_init())
    start = int(server.wall())
    contact = add(server, table, "sip:b@h;pn-prid=x", expires=start + 110, flags=FL_PN_ON)
    add(server, table, "sip:plain@h", expires=start + 110)
    gone = add(server, table, "sip:gone@h", expires=start + 110, flags=FL_PN_ON)
    table.delete(table.get("bob"), gone)

    def refreshes() -> list[dict[str, Any]]:
        return [params for name, params in server.heard if name == "E_UL_CONTACT_REFRESH"]

    server.pass_time(9)
    assert not refreshes()
    server.pass_time(2.2)
    assert [(params["uri"], params["reason"], params["req_callid"]) for params in refreshes()] == [
        ("sip:b@h;pn-prid=x", "reg-refresh", ""),
    ]
    assert list(refreshes()[0]) == [
        "domain", "aor", "uri", "received", "user_agent", "socket", "bflags", "expires", "callid", "attr", "shtag", "reason",
        "req_callid",
    ]
    server.pass_time(20)
    assert len(refreshes()) == 1
    table.update(table.get("bob"), contact, {"expires": int(server.wall()) + 50, "flags": FL_PN_ON})
    server.pass_time(1.2)
    assert len(refreshes()) == 2


def test_latency_event_follows_the_parameters() -> None:
    server, module, table = usrloc(latency_event_min_us=500, latency_event_min_us_delta=100)
    contact = add(server, table, "sip:b@h")
    for latency in (10, 50, 200, 600):
        module.set_latency(table, contact, latency)
    assert [params["latency"] for name, params in server.heard if name == "E_UL_LATENCY_UPDATE"] == [200, 600]


# ---------------------------------------------------------------- ids, hash, texts


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, (1 << 14) - 1))
def test_contact_id_is_made_of_three_parts(hashed: int, record: int, contact: int) -> None:
    assert unpack_contact_id(pack_contact_id(hashed, record, contact)) == (hashed, record, contact)


def test_ids_stay_and_lead_back_to_the_contact() -> None:
    server, module, table = usrloc()
    contacts = [add(server, table, f"sip:{number}@h", aor=f"user{number % 3}") for number in range(9)]
    assert len({contact.contact_id for contact in contacts}) == 9
    for contact in contacts:
        record, found = module.by_contact_id(table, contact.contact_id)
        assert found is contact and record.aor == contact.aor
    table.delete_aor("user0")
    assert module.by_contact_id(table, contacts[0].contact_id) is None
    late = add(server, table, "sip:late@h", aor="user0")
    assert module.by_contact_id(table, late.contact_id)[1] is late
    assert late.contact_id >> 46 == aor_hash("user0") & 0xFFFF


def test_hash_is_that_of_opensips() -> None:
    # One word "bob" is 0x626f62: v ^ v >> 3, then the final fold.
    value = 0x626F62 ^ (0x626F62 >> 3)
    assert aor_hash("bob") == value + (value >> 11) + (value >> 13) + (value >> 23)
    assert aor_hash("") == 0
    assert 0 <= aor_hash("j\xf6rg@example.com") < 1 << 32


@pytest.mark.parametrize("q, text", [(-1, ""), (0, "0"), (1000, "1"), (500, "0.5"), (550, "0.55"), (5, "0.005"), (10, "0.01")])
def test_q_as_text(q: int, text: str) -> None:
    assert q_text(q) == text
    if q >= 0:
        assert parse_q(text) == q


@pytest.mark.parametrize("text", ["", "x", "1.001", "1.0001", "7", "-1", "0.5x"])
def test_bad_q(text: str) -> None:
    with pytest.raises(ValueError):
        parse_q(text)


@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_pairs_survive_the_table(pairs: dict[str, Any]) -> None:
    assert keys_from_json(keys_to_json(pairs)) == pairs


# ---------------------------------------------------------------- MI, functions, statistics


def test_mi_shows_adds_and_removes() -> None:
    async def body() -> None:
        server, _, table = usrloc()
        add(server, table, "sip:bob@192.0.2.1", q=500, methods=9, user_agent="Phone 1", received="sip:1.2.3.4", attr="x")
        shown = (await mi(server, "ul_show_contact", "location", "bob@anywhere"))["Contacts"][0]
        assert list(shown) == [
            "Contact", "ContactID", "Expires", "Q", "Callid", "Cseq", "User-agent", "Received", "State", "Flags", "Cflags",
            "Methods", "Attr",
        ]
        assert (shown["Expires"], shown["Q"], shown["State"], shown["Methods"]) == (600, "0.5", "CS_NEW", 9)
        assert await mi(server, "ul_add", "location", "bob", "sip:p@h", 0, "0.9", 0, 0, 4294967295) == "OK"
        assert await mi(server, "ul_add", "location", "bob", "sip:p@h", "10", "0.9", 0, 0, "1") == "OK"
        added = (await mi(server, "ul_show_contact", "location", "bob"))["Contacts"][0]
        assert [added[name] for name in ("Contact", "Expires", "Methods")] == ["sip:p@h", 10, 1]
        assert added["User-agent"] == "OpenSIPS MI Server"
        dump = await mi(server, "ul_dump", brief=1)
        assert dump == {"Domains": [{"name": "location", "hash_size": 512, "AORs": [{"AOR": "bob"}]}]}
        assert await mi(server, "ul_rm_contact", "location", "bob", "sip:p@H") == "OK"
        assert await mi(server, "ul_rm", "location", "bob") == "OK"
        assert await mi(server, "ul_rm", "location", "bob") == "OK"
        assert (await mi(server, "ul_dump"))["Domains"][0]["AORs"] == []

    asyncio.run(body())


@pytest.mark.parametrize("command, args, code, text", [
    ("ul_rm", ["nowhere", "bob"], 404, "Table not found"),
    ("ul_show_contact", ["location", "nobody"], 404, "AOR not found"),
    ("ul_rm_contact", ["location", "nobody", "sip:x@h"], 404, "AOR not found"),
    ("ul_rm_contact", ["location", "bob", "sip:x@h"], 404, "Contact not found"),
    ("ul_add", ["location", "bob", "sip:x@h", 0, "7", 0, 0, 1], 400, "Bad parameter value"),
    ("ul_sync", ["location"], 200, "Contacts already synced"),
    ("ul_cluster_sync", [], 400, "Clustering not enabled"),
])
def test_mi_errors(command: str, args: list[Any], code: int, text: str) -> None:
    async def body() -> None:
        server, _, table = usrloc()
        add(server, table, "sip:bob@h")
        with pytest.raises(MiError) as caught:
            await mi(server, command, *args)
        assert (caught.value.code, caught.value.message) == (code, text)

    asyncio.run(body())


def test_mi_wants_a_domain_with_use_domain() -> None:
    async def body() -> None:
        server, _, table = usrloc(use_domain=1)
        add(server, table, "sip:bob@h", aor="bob@example.com")
        with pytest.raises(MiError, match="Domain missing in AOR"):
            await mi(server, "ul_show_contact", "location", "bob")
        assert (await mi(server, "ul_show_contact", "location", "bob@example.com"))["AOR"] == "bob@example.com"

    asyncio.run(body())


def test_keys_live_on_the_record() -> None:
    server, module, table = usrloc(mi_dump_kv_store=1)
    assert module.ul_add_key(None, table, "bob", "color", "red") is False
    add(server, table, "sip:bob@h")
    assert module.ul_add_key(None, table, "bob", "size", "7") and module.ul_add_key(None, table, "bob", "color", "red")
    got: list[Any] = []
    variable = Var(lambda ctx: None, lambda ctx, value: got.append(value), "$var(x)")
    assert module.ul_get_key(None, table, "bob", "color", variable) and got == ["red"]
    assert not module.ul_get_key(None, table, "bob", "none", variable)
    shown = asyncio.run(mi(server, "ul_show_contact", "location", "bob"))
    assert list(shown)[-1] == "KV-Store" and shown["KV-Store"] == '{"color":"red","size":"7"}'
    assert module.ul_del_key(None, table, "bob", "color") and module.ul_del_key(None, table, "bob", "color")
    assert module.ul_add_key(None, table, "bob", "size")
    assert not table.get("bob").has_kv


def test_statistics_count_every_table() -> None:
    server, module, table = usrloc()
    other = module.domain("other")
    add(server, table, "sip:1@h"), add(server, table, "sip:2@h"), add(server, other, "sip:3@h")
    values = asyncio.run(mi(server, "get_statistics", ["usrloc:"]))
    assert values == {
        "usrloc:registered_users": 2, "usrloc:location-users": 1, "usrloc:location-contacts": 2, "usrloc:location-expires": 0,
        "usrloc:other-users": 1, "usrloc:other-contacts": 1, "usrloc:other-expires": 0,
    }


def test_deleting_while_going_through_all_does_no_harm() -> None:
    server, _, table = usrloc()
    for number in range(20):
        add(server, table, f"sip:{number}@h", aor=f"u{number}")
    for record in table.records():
        for contact in list(record.contacts):
            table.delete(record, contact)
            table.delete(record, contact)
    assert (table.record_count, table.contact_count) == (0, 0)


def test_two_servers_share_nothing() -> None:
    first, _, one = usrloc()
    _, _, two = usrloc()
    add(first, one, "sip:b@h")
    assert two.get("bob") is None
    assert isinstance(first.fake, FakeClock)
