"""Writing $ru, $du and their parts."""

from __future__ import annotations

import pytest

from engine.errors import ScriptError
from tests.engine.script.kit import Kit


@pytest.fixture
def kit() -> Kit:
    return Kit()


def test_request_uri(kit: Kit) -> None:
    kit.set("$ru", "sip:new:pw@h:5070;transport=tcp?h=1")
    kit.set("$rU", "user")
    kit.set("$rd", "k")
    kit.set("$rp", 5090)
    assert kit.get("$ru") == "sip:user:pw@k:5090;transport=tcp?h=1"
    kit.set("$rp", None)
    assert kit.get("$ru") == "sip:user:pw@k;transport=tcp?h=1"
    kit.set("$rU", None)
    assert kit.get("$ru") is None
    kit.set("$ru", "not a uri")
    assert kit.get("$ru") is None and kit.get("$rd") is None
    with pytest.raises(ScriptError):
        kit.set("$rU", "x")
    kit.set("$ru", "sip:ok@h")
    with pytest.raises(ScriptError):
        kit.set("$ru", None)
    assert kit.get("$ru") == "sip:ok@h"


def test_q(kit: Kit) -> None:
    kit.set("$ru_q", 2000)
    assert kit.get("$ru_q") == 1000
    for value in ("300", None):
        with pytest.raises(ScriptError):
            kit.set("$ru_q", value)
    kit.set("$ru", "sip:x@y")
    assert kit.get("$ru_q") == -1


def test_destination(kit: Kit) -> None:
    kit.set("$du", "sips:host.example")
    assert kit.text("$du $dd $dp $dP") == "sips:host.example host.example 5061 tls"
    kit.set("$dd", "5.6.7.8")
    kit.set("$dp", "5099")
    assert kit.get("$du") == "sips:5.6.7.8:5099"
    kit.set("$du", "garbage")
    assert kit.text("$du $dd") == "garbage <null>"
    kit.set("$du", "")
    assert kit.get("$du") is None
    with pytest.raises(ScriptError):
        kit.set("$dd", "h")


def test_redirect_set(kit: Kit) -> None:
    assert kit.get("$ds") is None
    kit.set("$branch", "sip:a@h")
    kit.set("$(branch(q)[0])", 300)
    assert kit.get("$ds") == "Contact: <sip:a@h>;q=0.3"
    kit.set("$ru", "sip:new@h")
    assert kit.get("$ds") == "Contact: <sip:new@h>, <sip:a@h>;q=0.3"
    kit.ctx.path = "<sip:p;lr>"
    assert kit.get("$path") == "<sip:p;lr>"
