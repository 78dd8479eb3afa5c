"""sipmsgops and textops through whole scripts: what leaves is what was asked for. The recordings cover every function."""

from __future__ import annotations

import json

import pytest
from engine.errors import ConfigErrors
from tests.helpers import Harness, make_request

MODULES = """
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "signaling.so"
loadmodule "sipmsgops.so"
loadmodule "textops.so"
"""


def test_edits_show_on_the_wire_and_not_to_reads() -> None:
    script = MODULES + """route {
        remove_hf("X-Old");
        append_hf("X-New: 1\\r\\n");
        subst("/^X-Swap: (.*)$/X-Swap: was \\1/");
        if (is_present_hf("X-Old")) xlog("XL|still readable\\n");
        $du = "sip:127.0.0.1:5099";
        forward();
    }""".replace("\\\\", "\\")
    with Harness(script) as harness:
        sent = harness.send(make_request("OPTIONS", headers="X-Old: a\r\nX-Swap: b\r\n"))
        assert harness.xlog() == ["still readable"]
        assert sent[0].header("X-Old") is None
        assert sent[0].header("X-New") == "1"
        assert sent[0].header("X-Swap") == "was b"


def test_a_misspelt_method_in_a_list_is_told() -> None:
    with pytest.raises(ConfigErrors) as caught:
        Harness(MODULES + 'route { if (is_method("INVITE|REGISTR")) exit; }')
    assert "REGISTR" in str(caught.value)
    assert "REGISTER" in caught.value.errors[0].hint


def test_a_message_as_json() -> None:
    with Harness(MODULES + 'route { if (sip_to_json($var(j))) xlog("XL|$(var(j){s.len})|$var(j)\\n"); }') as harness:
        harness.send(make_request("MESSAGE", headers='X-A: a/"b"\r\nx-a: c\r\nContent-Type: text/plain\r\n', body="one\ttwo"))
        size, _, text = harness.xlog()[0].partition("|")
    document = json.loads(text)
    assert int(size) == len(text)
    assert document["first_line"].startswith("MESSAGE ") and document["first_line"].endswith("\r\n")
    assert document["headers"]["X-A"] == ['a/"b"', "c"]
    assert "x-a" not in document["headers"]
    assert document["body"] == "one\ttwo"


@pytest.mark.parametrize(("steps", "types", "body"), [
    ('remove_body_part(); add_body_part("new", "text/x", "X-P: 1\\r\\n");', ["text/x", "1"], "new"),
    ('remove_body_part(); add_body_part("a", "text/x"); remove_body_part(); add_body_part("b", "text/y");', ["text/y"], "b"),
    ('add_body_part("a", "text/x"); remove_body_part("text/x");', ["text/plain"], None),
    ("remove_body_part();", [], ""),
])
def test_one_content_type_whatever_was_removed_and_added(steps: str, types: list[str], body: str | None) -> None:
    script = MODULES + f'route {{ {steps} $du = "sip:127.0.0.1:5099"; forward(); }}'
    with Harness(script) as harness:
        sent, = harness.send(make_request("MESSAGE", headers="Content-Type: text/plain\r\n", body="old"))
        found = [line.partition(": ")[2] for line in sent.text.split("\r\n") if line.startswith(("Content-Type", "X-P"))]
        if body is None:
            assert len(found) == 2 and found[0].startswith("multipart/mixed")    # the header, and that of the part
        else:
            assert (found, sent.text.partition("\r\n\r\n")[2]) == (types, body)
