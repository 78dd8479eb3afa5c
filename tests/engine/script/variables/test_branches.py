"""$msg.branch.* and $branch."""

from __future__ import annotations

import pytest

from engine.errors import ScriptError
from engine.script.branches import MAX_BRANCHES
from engine.script.values import print_of
from tests.engine.script.kit import Kit


@pytest.fixture
def kit() -> Kit:
    made = Kit()
    made.set("$msg.branch", "sip:one@h")
    made.set("$branch", "sip:two@h")
    return made


def test_indexes_count_the_request_uri(kit: Kit) -> None:
    assert kit.text("$(msg.branch.uri[0]) $(msg.branch.uri[1]) $msg.branch.uri $(msg.branch.uri[-3]) $(msg.branch.uri[3])") == (
        "sip:bob@example.com sip:one@h sip:two@h sip:bob@example.com <null>")
    assert kit.get("$msg.branch.last_idx") == 2
    assert kit.get("$(msg.branch.duri[*])") == ", , "


def test_old_names_do_not(kit: Kit) -> None:
    assert kit.text("$branch $(branch(uri)[0]) $(branch(uri)[-1]) $(branch(uri)[2])") == "sip:one@h sip:one@h sip:two@h <null>"
    assert kit.get("$(branch(uri)[*])") == "sip:one@h, sip:two@h"
    assert kit.var("$branch").deprecated


def test_fields(kit: Kit) -> None:
    kit.script.branch_flag_names.bit("F")
    for field, value, shown in (
        ("uri", "sip:uno@h", "sip:uno@h"), ("duri", "sip:10.0.0.2", "sip:10.0.0.2"), ("q", 100, "0.1"),
        ("path", "<sip:p;lr>", "<sip:p;lr>"),
        ("flags", "F nobody", "F"), ("socket", "udp:127.0.0.1:5060", "udp:127.0.0.1:5060"),
    ):
        for place in (0, 1):
            kit.set(f"$(msg.branch.{field}[{place}])", value)
            assert kit.get(f"$(msg.branch.{field}[{place}])") == shown
    assert kit.ctx.ruri == "sip:uno@h" and kit.ctx.dst_uri == "sip:10.0.0.2" and kit.ctx.send_socket is not None
    for field in ("duri", "q", "path", "flags", "socket"):
        kit.set(f"$(msg.branch.{field}[1])", None)
        assert not kit.get(f"$(msg.branch.{field}[1])")


@pytest.mark.parametrize(("text", "value"), [
    ("$(msg.branch.uri[9])", "sip:x@h"), ("$(msg.branch.uri[1])", None), ("$(msg.branch.uri[1])", ""),
    ("$(msg.branch.q[1])", "x"),
    ("$(msg.branch.uri[*])", "sip:x@h"), ("$(msg.branch.socket[1])", "udp:9.9.9.9:9"), ("$msg.branch", None),
    ("$(branch(uri)[7])", "sip:x@h"),
    ("$(branch(uri)[*])", "sip:x@h"), ("$(msg.branch.flag(F)[1])", "x"),
])
def test_refused(kit: Kit, text: str, value: str | None) -> None:
    with pytest.raises(ScriptError):
        kit.set(text, value)


def test_flags_and_attributes(kit: Kit) -> None:
    kit.set("$(msg.branch.flag(F)[1])", 1)
    assert print_of(kit.get("$(branch.flag(F)[1])")) == "true" and print_of(kit.get("$(msg.branch.flag(F)[0])")) == "false"
    kit.set("$(msg.branch.flag(F)[0])", 1)
    assert kit.get("$bf") == "F"
    kit.set("$(msg.branch.attr(size)[1])", 7)
    kit.set("$(msg.branch.attr(color)[0])", "red")
    assert kit.text("$(msg.branch.attr(size)[1]) $(msg.branch.attr(color)[0]) $(msg.branch.attr(size)[0])") == "7 red <null>"
    kit.set("$(msg.branch.attr(size)[1])", None)
    assert kit.get("$(msg.branch.attr(size)[1])") is None


def test_there_is_a_limit(kit: Kit) -> None:
    for number in range(MAX_BRANCHES - 3):
        kit.set("$msg.branch", f"sip:{number}@h")
    with pytest.raises(ScriptError):
        kit.set("$msg.branch", "sip:toomany@h")


def test_a_request_uri_that_is_no_uri_is_still_a_branch() -> None:
    kit = Kit()
    kit.set("$ru", "text")
    assert (kit.get("$ru"), kit.get("$(msg.branch.uri[0])"), kit.get("$(msg.branch.uri[*])")) == (None, "text", "text")
