"""Binding: names, indexes, contexts, errors."""

from __future__ import annotations

import pytest

from engine.errors import ConfigError, ScriptError, UnknownName
from engine.module import Context, Module, pvar, transformation
from engine.script.context import FAILURE, ONREPLY
from engine.script.values import Value
from engine.script.variables.binder import Binder, constant
from engine.script.varspec import parse_variable
from engine.sip.message import parse_message
from tests.engine.script.kit import Kit, branch_like
from tests.helpers import make_reply, make_request

PLACE = ("r.cfg", 7, 3, 9)


class Extra(Module):
    """What a module exports."""

    @pvar("ctime")
    def clock(self, ctx: Context, name: str) -> Value:
        return f"clock {name}"

    @transformation("extra.cut")
    def cut(self, value: str, count: int, filler: str = ".") -> str:
        return value[:count] + filler


@pytest.fixture
def kit() -> Kit:
    return Kit()


def test_same_text_same_object(kit: Kit) -> None:
    assert kit.var("$avp(x)") is kit.var("$avp(x)")
    bound = kit.var("$(avp(x)[1]{s.len})")
    assert (bound.text, bound.name, bound.inner, bound.index) == ("$(avp(x)[1]{s.len})", "avp", "x", 1)
    assert bound.set is None and bound.assign is None


@pytest.mark.parametrize(("text", "kind", "hint"), [
    ("$nosuch", UnknownName, ""), ("$RM", UnknownName, "$rm"), ("$avpp(x)", UnknownName, "$avp"), ("$var()", ConfigError, ""),
    ("$var", ConfigError, ""), ("$ru(x)", ConfigError, ""), ("$(var(x)[0])", ConfigError, ""),
    ("$(avp(x)[first])", ConfigError, ""),
    ("$socket_in(nosuch)", ConfigError, ""), ("$ct.fields(nosuch)", ConfigError, ""), ("$(<nosuch>ru)", UnknownName, "request"),
    ("$hdr($nosuch)", UnknownName, ""), ("$(hdr(X)[$nosuch])", UnknownName, ""), ("$C(zz)", ConfigError, ""),
    ("$hdr( )", ConfigError, ""),
])
def test_mistakes(kit: Kit, text: str, kind: type[ConfigError], hint: str) -> None:
    with pytest.raises(kind) as caught:
        kit.binder.bind(parse_variable(text, PLACE), PLACE)
    assert (caught.value.file, caught.value.line, caught.value.column) == ("r.cfg", 7, 3)
    assert hint in caught.value.hint


def test_inline_equals_the_getter(kit: Kit) -> None:
    ctx, V = kit.ctx, kit.server.script_vars
    kit.set("$var(it's)", "v")
    kit.set("$avp(a)", "one")
    ctx.dst_uri = "sip:x"
    for text in ("$rc", "$retcode", "$si", "$sp", "$du", "$ci", "$avp(a)", "$avp(none)", "$var(it's)", "$var(none)"):
        bound = kit.var(text)
        assert bound.inline is not None
        assert eval(bound.inline, {"ctx": ctx, "V": V}) == bound.get(ctx)
    for text in ("$(avp(a)[0])", "$(avp(a){s.len})", "$(<reply>si)", "$avp($var(n))"):
        assert kit.var(text).inline is None


def test_dynamic_name_and_index(kit: Kit) -> None:
    kit.set("$avp(a)", "old")
    kit.set("$avp(a)", "new")
    kit.set("$var(n)", "a")
    kit.set("$var(i)", -1)
    assert kit.get("$(avp($var(n))[$var(i)])") == "old"
    kit.set("$(avp($var(n))[$var(i)])", "changed")
    assert kit.get("$(avp(a)[*])") == "new, changed"
    kit.set("$var(i)", "text")
    assert kit.get("$(avp(a)[$var(i)])") is None
    with pytest.raises(ScriptError):
        kit.set("$(avp(a)[$var(i)])", 1)
    kit.set("$var(n)", None)
    assert kit.get("$avp($var(n))") is None
    with pytest.raises(ScriptError):
        kit.set("$avp($var(n))", 1)
    kit.set("$var(n)", "nosuch")
    assert kit.get("$ct.fields($var(n))") is None


def test_values_one_by_one(kit: Kit) -> None:
    for value in ("c", "b", "a"):
        kit.set("$avp(l)", value)
    at = kit.var("$(avp(l)[*]{s.len})").at
    assert at is not None
    assert [at(kit.ctx, place) for place in range(4)] == ["a", "b", "c", None]
    assert kit.var("$avp(l)").at is None


def test_constants_are_numbers_without_text(kit: Kit) -> None:
    assert kit.var("$ru").text_only and not kit.var("$var(x)").text_only
    with pytest.raises(ScriptError):
        kit.set("$ru", constant(5))
    with pytest.raises(ScriptError):
        kit.set("$rU", constant(5))
    kit.set("$rU", 5)
    assert kit.get("$ru") == "sip:5@example.com"
    kit.set("$var(x)", constant(5))
    assert type(kit.get("$var(x)")) is int


def test_request_and_reply_contexts(kit: Kit) -> None:
    assert kit.get("$(<request>ru)") is None and kit.get("$(<reply>rs)") is None
    kit.ctx.transaction = branch_like()
    assert kit.get("$(<request>ru)") == "sip:bob@example.com"
    request = make_request("INVITE")
    reply = parse_message(make_reply(request, 486, "Busy"))
    failed = kit.run_on(request, FAILURE)
    failed.reply = reply
    assert kit.var("$(<reply>rs)").get(failed) == 486
    answered = kit.run_on(make_reply(request, 180, "Ringing"), ONREPLY)
    answered.transaction = branch_like(request=parse_message(request), flags=0, ruri="sip:relayed@example.com")
    answered.avps = {"a": ["x"]}
    answered.branch = branch_like(uri="sip:branch@example.com", dst_uri=None, flags=0)
    assert kit.var("$(<request>ru)").get(answered) == "sip:relayed@example.com"
    assert kit.var("$(<request>avp(a))").get(answered) == "x"
    assert kit.var("$(<request>rm)").get(answered) == "INVITE"


def test_what_modules_export(kit: Kit) -> None:
    kit.server.registry.load_core([Extra])
    binder = Binder(kit.server.registry)
    assert binder.bind_text("$ctime(x)").get(kit.ctx) == "clock x"
    kit.set("$var(n)", 2)
    assert binder.bind_text("$(rm{extra.cut,$var(n)})").get(kit.ctx) == "OP."
    assert binder.bind_text("$(rm{extra.cut,3,!})").get(kit.ctx) == "OPT!"
    with pytest.raises(ConfigError):
        binder.bind_text("$(rm{extra.cut})")
    with pytest.raises(UnknownName):
        binder.bind_text("$(rm{extra.cat})")


def test_formats_of_the_moment(kit: Kit) -> None:
    assert kit.binder.print_text(kit.ctx, "$rm $$ $avp(none)") == "OPTIONS $ <null>"
    assert kit.binder.print_text(kit.ctx, "$nosuch") is None
    assert kit.binder.print_text(kit.ctx, "a lone $") is None


def test_prefixes_of_avps_are_told(kit: Kit) -> None:
    for text in ("$avp(i:5)", "$avp(i:5)", "$avp(5)"):
        kit.binder.bind(parse_variable(text), PLACE)
    assert [(warning.pos.line, warning.message.partition(" is ")[0]) for warning in kit.script.warnings] == [(7, "the prefix 'i:'")]
