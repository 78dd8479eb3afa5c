"""JSON texts: three ways of writing, what is read, RFC 7396."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.shared.jsontext import COMPACT, PRETTY, SPACED, Real, merge, parse, shortest, write

TEXT = st.text(st.characters(max_codepoint=255))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12,
)


@given(DOCUMENTS, st.sampled_from([SPACED, COMPACT, PRETTY]))
def test_what_is_written_is_read_again(document: object, style: int) -> None:
    text = write(document, style)
    assert parse(text) == document
    assert parse(" " + text + " tail") == document


@given(st.text(st.characters(max_codepoint=255)))
def test_any_text_is_json_or_refused(text: str) -> None:
    try:
        write(parse(text))
    except ValueError:
        pass


def test_styles() -> None:
    document = {"a": [1, Real("2.50"), True, None], "b": {}, "c": [], "d/e": 'x"\n/'}
    assert write(document) == '{ "a": [ 1, 2.50, true, null ], "b": { }, "c": [ ], "d\\/e": "x\\"\\n\\/" }'
    assert write(document, COMPACT, slashes=False) == '{"a":[1,2.50,true,null],"b":{},"c":[],"d/e":"x\\"\\n/"}'
    assert write({"a": [1, {"b": 2}], "c": {}}, PRETTY) == '{\n  "a":[\n    1,\n    {\n      "b":2\n    }\n  ],\n  "c":{}\n}'


def test_utf_8_stays_byte_for_byte() -> None:
    name = "M\u00fcller \u20ac".encode().decode("latin-1")
    assert parse(f'"{name}"') == name
    assert parse('"M\\u00fcller \\u20ac"') == name
    assert write(name) == f'"{name}"'
    assert parse('"\xff"') == "\xff"
    assert parse('"\\ud800"') == "?"


@pytest.mark.parametrize("text", ["", "{broken", "[1", "nul", "[" * 100000, "'x'"])
def test_broken(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_large_integers_are_cut() -> None:
    assert parse("[99999999999999999999, -99999999999999999999]") == [2**64 - 1, -(2**63)]


def test_a_document_in_itself() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contains itself"):
        write(loop)


@pytest.mark.parametrize(("target", "patch", "result"), [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'), ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'), ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'), ('["a"]', '{"a":1.50}', '{"a":1.5}'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'), ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
])
def test_merge_patch(target: str, patch: str, result: str) -> None:
    assert json.loads(write(shortest(merge(parse(target), parse(patch))), COMPACT)) == json.loads(result)


@pytest.mark.parametrize(("text", "value"), [
    ("{'a': 'it\"s', 'b': [1, 2,],}", {"a": 'it"s', "b": [1, 2]}),
    ('/* c */ {"a": TRUE, // x\n}', {"a": True}), ("[007, -05] tail", [7, -5]),
    ("[00]", [0]), ('"plain"', "plain"),
])
def test_what_json_c_takes_besides(text: str, value: object) -> None:
    assert parse(text, lenient=True) == value
    with_comma = "[1,,2]"
    for broken in (with_comma, "[,]", "{a:1}", "[1 2]", "[-]", "[nul]", '["a'):
        with pytest.raises(ValueError):
            parse(broken, lenient=True)
