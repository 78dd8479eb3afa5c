"""Sockets, clocks, colours."""

from __future__ import annotations

import pytest

from engine.errors import ScriptError
from engine.script.values import NumberText, TextNumber, text_of
from tests.engine.script.kit import Kit
from tests.helpers import EPOCH


@pytest.fixture
def kit() -> Kit:
    return Kit()


def test_sockets(kit: Kit) -> None:
    assert kit.text("$si $src_ip $sp $socket_in $socket_in(ip) $socket_in(PORT) $socket_in(proto) $socket_in(af)") == (
        "127.0.0.1 127.0.0.1 5070 udp:127.0.0.1:5060 127.0.0.1 5060 udp INET")
    anycast = kit.get("$socket_in(anycast)")
    assert isinstance(anycast, NumberText) and text_of(anycast) is None
    assert kit.text("$socket_out $socket_out(forced)") == "udp:127.0.0.1:5060 <null>"
    kit.set("$socket_out", "tcp:127.0.0.1:5060")
    assert kit.text("$socket_out $socket_out(forced) $socket_out(proto)") == "tcp:127.0.0.1:5060 tcp:127.0.0.1:5060 tcp"
    kit.set("$socket_out", "udp:9.9.9.9:99")
    assert kit.get("$socket_out") == "tcp:127.0.0.1:5060"
    kit.set("$socket_out", None)
    assert kit.get("$socket_out(forced)") is None
    for text, value in (("$socket_out", ""), ("$socket_out(ip)", "udp:127.0.0.1:5060")):
        with pytest.raises(ScriptError):
            kit.set(text, value)


def test_names_of_old_releases(kit: Kit) -> None:
    assert kit.text("$Ri $Rp $pr $proto $af $fs $rT") == "127.0.0.1 5060 udp udp INET <null> request_route"
    kit.set("$fs", "tcp:127.0.0.1:5060")
    assert kit.get("$fs") == "tcp:127.0.0.1:5060"
    assert kit.var("$Ri").deprecated == "$socket_in(ip)"


def test_time(kit: Kit) -> None:
    assert kit.get("$Ts") == int(EPOCH) and kit.get("$Tsm") == 0
    assert isinstance(kit.get("$Tf"), TextNumber) and kit.get("$time(%%x)") == "%x"
    assert isinstance(kit.get("$pp"), int)
    first = kit.get("$mi")
    assert kit.get("$mi") == first
    kit.ctx = kit.run_on(kit.ctx.msg.text)
    assert kit.get("$mi") != first


def test_colours(kit: Kit) -> None:
    kit.server.settings.xlog_force_color = True
    assert kit.get("$C(xx)") == "\x1b[0;39;49m" and kit.get("$C(Gs)") == "\x1b[1;32;40m"
    assert Kit(compat="3.1").get("$C(rw)") == "\x1b[0;31;47m"
