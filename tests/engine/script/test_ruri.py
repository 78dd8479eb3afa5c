"""URIs changed part by part."""

from __future__ import annotations

import pytest

from engine.errors import ScriptError, SipParseError
from engine.script import ruri
from engine.script.context import NO_Q
from tests.engine.script.kit import Kit


@pytest.fixture
def kit() -> Kit:
    return Kit()


def test_odd_users_are_read() -> None:
    uri = ruri.read_uri('sip:a <b>":p w@h:5;x')
    assert (uri.user, uri.password, uri.host, uri.port, uri.params) == ('a <b>"', "p w", "h", 5, "x")
    for text in ("<sip:a@h>", "sip:a@h h", "http://h", "sip:u@", ""):
        with pytest.raises(SipParseError):
            ruri.read_uri(text)


def test_parts(kit: Kit) -> None:
    ctx = kit.ctx
    ruri.set_ruri(ctx, "sip:u:p@h:5070;maddr=1.2.3.4;x=1?h=2")
    ruri.set_user(ctx, "new")
    assert ctx.ruri == "sip:new:p@h:5070;maddr=1.2.3.4;x=1?h=2"
    ruri.set_host(ctx, "k")
    assert ctx.ruri == "sip:new:p@k:5070;x=1?h=2"
    ruri.set_hostport(ctx, "k:1")
    ruri.set_userpass(ctx, "only")
    assert ctx.ruri == "sip:only@k:1;x=1?h=2"
    ruri.set_port(ctx, "")
    ruri.set_user(ctx, "")
    assert ctx.ruri == "sip:k;x=1?h=2"
    ruri.prefix(ctx, "+49")
    ruri.strip(ctx, 1)
    ruri.strip_tail(ctx, 1)
    assert ctx.ruri == "sip:4@k;x=1?h=2"
    ruri.strip(ctx, 9)
    assert ctx.ruri == "sip:k;x=1?h=2"


def test_the_whole(kit: Kit) -> None:
    ctx = kit.ctx
    ctx.q = 500
    ruri.set_ruri(ctx, "anything at all")
    assert (ctx.ruri, ctx.q) == ("anything at all", NO_Q)
    with pytest.raises(ScriptError):
        ruri.set_user(ctx, "x")
    ruri.set_ruri(ctx, "")
    assert ctx.ruri == "sip:bob@example.com"
    with pytest.raises(ScriptError):
        ruri.set_ruri(ctx, "sip:" + "x" * 2000)


def test_destination(kit: Kit) -> None:
    ctx = kit.ctx
    with pytest.raises(ScriptError):
        ruri.set_destination_host(ctx, "h")
    ctx.dst_uri = "sip:a.example;transport=tcp"
    ruri.set_destination_host(ctx, "10.0.0.1")
    ruri.set_destination_port(ctx, "5070")
    assert ctx.dst_uri == "sip:10.0.0.1:5070;transport=tcp"
