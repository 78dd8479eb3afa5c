"""The core's functions: what they change and the codes they give."""

from __future__ import annotations

import pytest

from engine.db.cachedb import Cell
from engine.errors import ConfigError, ScriptError
from engine.script.context import NO_Q, ONREPLY, Branch
from engine.script.functions.forward import Hop, parse_hop, stateless_branch
from engine.script.functions.misc import TRACE
from engine.script.functions.via import ADD_LOCAL_RPORT, REPLY_TO_VIA
from engine.sip.message import Request, parse_message
from engine.transport.blacklists import SLOT
from tests.engine.script.kit import Kit, branch_like
from tests.helpers import make_reply, make_request


@pytest.fixture
def kit() -> Kit:
    return Kit()


# ---- Request-URI and destination


def test_uri(kit: Kit) -> None:
    for name, argument, uri in (
        ("setuser", "carol", "sip:carol@example.com"), ("sethost", "[2001:db8::9]", "sip:carol@[2001:db8::9]"),
        ("setport", "5090", "sip:carol@[2001:db8::9]:5090"), ("sethostport", "h:1", "sip:carol@h:1"),
        ("setuserpass", "dave:s", "sip:dave:s@h:1"), ("seturi", "sip:0049@h", "sip:0049@h"), ("strip", 2, "sip:49@h"),
        ("prefix", "+", "sip:+49@h"), ("strip_tail", 1, "sip:+4@h"), ("rewriteuser", "x", "sip:x@h"),
        ("rewritehostport", "k:2", "sip:x@k:2"),
    ):
        assert kit.call(name, argument) == 1
        assert kit.ctx.ruri == uri
    assert kit.call("revert_uri") == 1 and kit.ctx.ruri == "sip:bob@example.com"
    assert kit.call("isdsturiset") is False
    kit.call("setdsturi", "sip:d@h")
    assert kit.call("isdsturiset") is True and kit.ctx.dst_uri == "sip:d@h"
    kit.call("resetdsturi")
    assert kit.ctx.dst_uri is None


def test_a_broken_uri_refuses_parts(kit: Kit) -> None:
    kit.call("seturi", "not a uri")
    with pytest.raises(ScriptError):
        kit.call("setuser", "x")


def test_construct_uri(kit: Kit) -> None:
    result = kit.var("$avp(u)")
    assert kit.call("construct_uri", "sip", "u", "h", "5070", "transport=tcp", result) == 1
    assert kit.get("$avp(u)") == "sip:u@h:5070;transport=tcp"
    assert kit.call("construct_uri", "", "u", "h", None, None, result) == 1
    assert kit.get("$(avp(u)[*])") == "sip:u@h:5070;transport=tcp"
    kit.call("construct_uri", "sips", None, "h", "", "", result)
    assert kit.get("$avp(u)") == "sips:h"
    with pytest.raises(ConfigError):
        kit.call("construct_uri", "sip", "u", "h", None, None, kit.var("$var(u)"))


def test_is_myself(kit: Kit) -> None:
    kit.server.sockets.add_alias("my.alias", 5080)
    assert kit.call("is_myself", "127.0.0.1", 5060) and kit.call("is_myself", "127.0.0.1") and kit.call("is_myself", "MY.alias")
    assert not kit.call("is_myself", "127.0.0.1", 5061) and not kit.call("is_myself", "elsewhere")


# ---- flags


def test_flags(kit: Kit) -> None:
    assert kit.call("isflagset", "F") == -1
    assert kit.call("setflag", "F") == 1 and kit.call("isflagset", "F") == 1
    assert kit.call("resetflag", "F") == 1 and kit.ctx.flags == 0
    assert kit.call("setbflag", "B") == 1 and kit.call("isbflagset", "B", 0) == 1 and kit.get("$bf") == "B"
    assert kit.call("setbflag", "B", 1) == -1 and kit.call("isbflagset", "B", 1) == -1 and kit.call("resetbflag", "B", 1) == -1
    kit.ctx.branches = [Branch("sip:a@h")]
    assert kit.call("setbflag", "B", 1) == 1 and kit.ctx.branches[0].flags == kit.ctx.branch_flags
    assert kit.call("resetbflag", "B", 1) == 1 and kit.call("isbflagset", "B", 1) == -1


# ---- branches


def uris(kit: Kit) -> str:
    return str(kit.get("$(msg.branch.uri[*])")).replace("sip:", "")


def test_append(kit: Kit) -> None:
    kit.ctx.dst_uri, kit.ctx.q = "sip:d", 700
    assert kit.call("append_msg_branch", "sip:one") == 1
    assert kit.call("append_msg_branch", "sip:two", "0.5") == 1
    assert kit.call("append_msg_branch", "sip:three", None, "inherite") == 1
    assert kit.call("append_msg_branch", "") == -1
    assert kit.get("$(msg.branch.q[*])") == "0.7, , 0.5, 0.7" and kit.get("$(msg.branch.duri[*])") == "sip:d, , , sip:d"
    assert kit.call("append_branch", "sip:old") == 1
    assert kit.call("append_branch_old") == 1
    assert kit.get("$(msg.branch.q[*])") == ", , 0.5, 0.7, , 0.7" and kit.ctx.dst_uri is None and kit.ctx.q == NO_Q
    with pytest.raises(ConfigError):
        kit.call("append_msg_branch", "sip:x", "2.5")
    with pytest.raises(ConfigError):
        kit.call("append_msg_branch", "sip:x", None, "nosuch")


def test_move_swap_remove(kit: Kit) -> None:
    assert kit.call("swap_msg_branches", 0, 1) == -1
    for uri in ("sip:a", "sip:b", "sip:c", "sip:d"):
        kit.call("append_msg_branch", uri)
    kit.call("swap_msg_branches", 0, 1)
    assert uris(kit) == "bob@example.com, b, a, c, d"
    kit.call("move_msg_branch", 3, 1)
    assert uris(kit) == "bob@example.com, b, d, c"
    kit.call("move_msg_branch", 1, 0, "keep")
    assert uris(kit) == "bob@example.com, d, d, c"
    assert kit.call("remove_msg_branch", 0) == 1 and kit.call("remove_msg_branch", 9) == -1
    kit.call("swap_branches", None, 1)
    assert kit.ctx.branches is not None and [branch.uri for branch in kit.ctx.branches] == ["sip:d", "sip:bob@example.com"]
    assert kit.ctx.ruri == "sip:c"
    kit.call("move_branch", 0)
    assert kit.ctx.ruri == "sip:d" and len(kit.ctx.branches) == 1


def test_one_group_after_the_other(kit: Kit) -> None:
    kit.ctx.q = 500
    for uri, q in (("sip:high", "0.9"), ("sip:low", "0.1"), ("sip:same", "0.5"), ("sip:low2", "0.1")):
        kit.call("append_msg_branch", uri, q)
    assert kit.call("serialize_branches", 1) == 1 and kit.ctx.branches is None
    seen = []
    for code in (1, 1, 2, -1):
        kit.ctx.branches = None
        assert kit.call("next_branches") == code
        if code > 0:
            seen.append([kit.ctx.ruri, *[branch.uri for branch in kit.ctx.branches or []]])
    assert seen == [["sip:high"], ["sip:bob@example.com", "sip:same"], ["sip:low", "sip:low2"]]


def test_serialize_leaves_equal_branches_alone(kit: Kit) -> None:
    kit.call("append_msg_branch", "sip:a")
    assert kit.call("serialize_branches", 0) == 1 and kit.ctx.branches is not None
    kit.call("serialize_branches", 0, 1)
    kit.ctx.transaction = branch_like(slots={})
    assert (kit.call("next_branches"), kit.ctx.ruri) == (1, "sip:bob@example.com")
    later = kit.run_on(make_request())
    later.transaction = kit.ctx.transaction
    kit.ctx = later
    assert (kit.call("next_branches"), kit.ctx.ruri) == (2, "sip:a")


def test_a_path_leads(kit: Kit) -> None:
    kit.ctx.branches = [Branch("sip:a", q=100, path="<sip:edge;lr>, <sip:core;lr>")]
    kit.call("serialize_branches", 1)
    kit.call("next_branches")
    assert kit.ctx.dst_uri == "sip:edge;lr" and kit.ctx.path == "<sip:edge;lr>, <sip:core;lr>"


# ---- Via and sockets


def test_via(kit: Kit) -> None:
    assert kit.call("force_rport") == 1 and kit.ctx.force_rport
    assert kit.call("set_via_handling", "add-local-rport, reply-to-via") == 1
    assert kit.ctx.via_handling == ADD_LOCAL_RPORT | REPLY_TO_VIA
    with pytest.raises(ConfigError):
        kit.call("set_via_handling", "nosuch")
    assert kit.call("force_tcp_alias") == 1
    assert kit.call("set_advertised_address", "a.b") == 1 and kit.call("set_advertised_port", "5999") == 1
    assert kit.call("set_advertised_port", "x") == -1 and kit.ctx.advertised_port == 5999
    assert kit.call("force_send_socket", "tcp:127.0.0.1:5060") == 1 and kit.get("$socket_out(proto)") == "tcp"
    with pytest.raises(ConfigError):
        kit.call("force_send_socket", "udp:9.9.9.9:1")


# ---- sending


def test_forward(kit: Kit) -> None:
    kit.ctx.ruri = "sip:new@10.0.0.1:5070"
    assert kit.call("forward") == 1
    kit.ctx.dst_uri = "sip:10.0.0.2;transport=tcp"
    assert kit.call("forward") == 1
    assert kit.call("forward", "10.0.0.3:5090") == 1
    first, second, third = kit.sent
    assert (first.ip, first.port, first.proto) == ("10.0.0.1", 5070, "udp")
    assert first.first_line == "OPTIONS sip:new@10.0.0.1:5070 SIP/2.0"
    assert (second.ip, second.port, second.proto) == ("10.0.0.2", 5060, "tcp")
    assert (third.ip, third.port) == ("10.0.0.3", 5090)
    via = first.text.split("\r\n")[1]
    assert via == f"Via: SIP/2.0/UDP 127.0.0.1:5060;branch={stateless_branch(kit.ctx.msg)}"  # type: ignore[arg-type]
    assert kit.server.stats.get("fwd_requests").count == 3


def test_forward_fails(kit: Kit) -> None:
    kit.ctx.ruri = "no uri"
    assert kit.call("forward") == -476
    kit.ctx.ruri = "sip:h@[::1]"
    assert kit.call("forward") == -1
    kit.ctx = kit.run_on(make_reply(make_request(), 200), ONREPLY)
    assert kit.call("forward") == -1
    assert kit.sent == []


def test_copies_of_a_request_get_the_same_branch() -> None:
    def branch(text: str) -> str:
        msg = parse_message(text)
        assert isinstance(msg, Request)
        return stateless_branch(msg)

    assert branch(make_request()) == branch(make_request(headers="X: y\r\n"))
    assert branch(make_request()) != branch(make_request(call_id="other"))
    old = make_request(via="SIP/2.0/UDP h")
    assert branch(old).startswith("z9hG4bK") and branch(old) != branch(make_request(via="SIP/2.0/UDP h", from_tag="x"))


def test_send(kit: Kit) -> None:
    kit.ctx.ruri = "sip:changed@h"
    assert kit.call("send", "udp:10.0.0.1:5070", "X-Extra: one\r\n") == 1
    assert kit.sent[0].text == kit.ctx.msg.text.replace("SIP/2.0\r\n", "SIP/2.0\r\nX-Extra: one\r\n", 1)
    assert kit.call("send", "") == -1


@pytest.mark.parametrize(("text", "hop"), [
    ("h", Hop("", "h", 0)), ("h:5070", Hop("", "h", 5070)), ("TCP:h:1", Hop("tcp", "h", 1)),
    ("udp:[::1]:5", Hop("udp", "::1", 5)), ("", None),
])
def test_destinations(text: str, hop: Hop | None) -> None:
    found = parse_hop(text)
    assert found == hop or (found is not None and hop is not None and found._replace(host=found.host.strip("[]")) == hop)


# ---- blacklists


def test_blacklists(kit: Kit) -> None:
    lists = kit.server.blacklists
    lists.define("dyn", ("expire",))
    lists.define("fixed", ("readonly",))
    assert kit.call("add_blacklist_rule", "dyn", "10.0.0.0/8", 5060, "udp") is True
    assert kit.call("check_blacklist_rule", "dyn", "10.1.2.3", 5060, "udp") is True
    assert kit.call("check_blacklist_rule", "dyn", "10.1.2.3", 5061, "udp") is False
    assert kit.call("check_blacklist_rule", "all", "10.1.2.3", 5060, "udp") is False
    kit.call("use_blacklist", "dyn")
    assert kit.call("check_blacklist_rule", "all", "10.1.2.3", 5060, "udp") is True
    kit.ctx.ruri = "sip:10.9.9.9"
    assert kit.call("forward") == -1 and kit.sent == []
    kit.call("unuse_blacklist", "all")
    assert kit.call("forward") == 1
    assert kit.call("del_blacklist_rule", "dyn", "10.0.0.0/8", 5060, "udp") is True
    assert kit.call("del_blacklist_rule", "dyn", "10.0.0.0/8", 5060, "udp") is False
    assert kit.call("add_blacklist_rule", "fixed", "10.0.0.1") is False
    assert kit.call("add_blacklist_rule", "dyn", "!10.0.0.0/8", None, None, None, 10) is True
    assert kit.call("check_blacklist_rule", "dyn", "11.0.0.1") is True
    kit.server.timers.advance(11)
    assert kit.call("check_blacklist_rule", "dyn", "11.0.0.1") is False
    for name, *args in (("use_blacklist", "nosuch"), ("check_blacklist_rule", "dyn", "host"), ("add_blacklist_rule", "dyn", "x")):
        with pytest.raises(ConfigError):
            kit.call(name, *args)
    kit.call("use_blacklist", "all")
    assert kit.ctx.slots is not None and kit.ctx.slots[SLOT] == -1


# ---- caches


class Store:
    """A store of dicts; add() answers later, as a network one does."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def store(self, key: str, value: str, expire: int) -> None:
        self.values[key] = value

    def fetch(self, key: str) -> str | None:
        return self.values.get(key)

    def remove(self, key: str) -> None:
        self.values.pop(key, None)

    async def add(self, key: str, step: int, expire: int) -> int:
        text = self.values.get(key, "0")
        if not text.lstrip("-").isdigit():
            raise ScriptError("no number")
        self.values[key] = str(int(text) + step)
        return int(text) + step

    def counter(self, key: str) -> int | None:
        return int(self.values[key]) if key in self.values else None

    def raw_query(self, query: str, columns: int) -> list[list[Cell]]:
        return [["a", 1], ["b", None]]


def test_caches(kit: Kit) -> None:
    kit.server.caches.register("test", Store())
    result = kit.var("$var(x)")
    assert kit.call("cache_store", "test", "k", "v") == 1
    assert kit.call("cache_fetch", "test", "k", result) == 1 and kit.get("$var(x)") == "v"
    assert kit.call("cache_fetch", "test", "missing", result) == -2 and kit.get("$var(x)") == "v"
    assert kit.call("cache_remove", "test", "k") == 1 and kit.call("cache_remove", "test", "k") == 1
    assert kit.in_worker(lambda: kit.call("cache_add", "test", "n", 5, 0, result)) == 1 and kit.get("$var(x)") == 5
    assert kit.in_worker(lambda: kit.call("cache_sub", "test", "n", 7, 0, result)) == 1 and kit.get("$var(x)") == -2
    assert kit.call("cache_counter_fetch", "test", "n", result) == 1
    assert kit.call("cache_counter_fetch", "test", "m", result) == -2
    assert kit.call("cache_raw_query", "test", "all", "$avp(a); $avp(b)") == 1
    assert kit.get("$(avp(a)[*])") == "a, b" and kit.get("$(avp(b)[*])") == "1"
    for args in (("nosuch", "k", "v"), ("test", "", "v")):
        with pytest.raises(ScriptError):
            kit.call("cache_store", *args)
    with pytest.raises(ConfigError):
        kit.call("cache_raw_query", "test", "all", "$var(a)")


# ---- events, output, status


def test_raise_event(kit: Kit) -> None:
    heard: list[dict[str, object]] = []
    assert kit.call("raise_event", "E_TEST") == 1
    kit.server.events.define("E_TEST").subscribe(lambda event, params: heard.append(dict(params)))
    for value in ("v2", "v1"):
        kit.set("$avp(vals)", value)
    for name in ("n2", "n1"):
        kit.set("$avp(names)", name)
    names, values = kit.var("$avp(names)"), kit.var("$avp(vals)")
    assert kit.call("raise_event", "E_TEST", names, values) == 1
    assert kit.call("raise_event", "E_TEST", None, values) == 1
    assert kit.call("raise_event", "E_TEST", names) == 1
    assert heard == [{"n1": "v1", "n2": "v2"}, {"1": "v1", "2": "v2"}, {}]
    kit.set("$avp(vals)", "v0")
    assert kit.call("raise_event", "E_TEST", names, values) == -1
    with pytest.raises(ConfigError):
        kit.call("raise_event", "E_TEST", None, kit.var("$var(x)"))
    assert kit.call("subscribe_event", "E_TEST", "nosuch:1") == -1


def test_output(kit: Kit) -> None:
    assert kit.call("pv_printf", kit.var("$var(x)"), "5") == 1 and kit.get("$var(x)") == "5"
    kit.set("$avp(a)", 1)
    kit.server.log.root.set_level(3)
    assert kit.call("avp_print") == 1 and "$avp(a) = 1" in kit.lines[-1]


def test_script_trace(kit: Kit) -> None:
    assert kit.call("script_trace", 1) == -6
    assert kit.call("script_trace", 1, "$rm $var(none)", "info") == 1
    assert kit.ctx.slots is not None
    level, text, info = kit.ctx.slots[TRACE]
    assert (level, text(kit.ctx), info) == (1, "OPTIONS <null>", "info")
    assert kit.call("script_trace") == 1 and TRACE not in kit.ctx.slots


def test_status_and_time(kit: Kit) -> None:
    assert kit.call("get_timestamp", kit.var("$avp(s)"), kit.var("$avp(u)")) == 1
    assert kit.get("$avp(s)") == kit.get("$Ts")
    assert kit.call("sr_check_status", "core") == -1
    kit.server.status_reports.set("core", 1)
    assert kit.call("sr_check_status", "core", "main") == 1 and kit.call("sr_check_status", "nosuch") == -1
