"""The envelope: ids, errors, notifications, text that is not ASCII."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import MiError
from engine.mi.jsonrpc import answer, encode, inside


class Echo:
    """Gives back what it is called with; "fail" fails."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    async def call(self, name: str, params: Any) -> Any:
        self.calls.append((name, params))
        if name == "fail":
            raise MiError(404, "AOR not found", "more")
        return params


def ask(data: bytes | dict[str, Any], echo: Echo | None = None) -> bytes | None:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return asyncio.run(answer(echo or Echo(), text))  # type: ignore[arg-type]


@pytest.mark.parametrize("ident, shown", [(1, b"1"), ("a", b'"a"'), (None, b"null"), (2.5, b"2")])
def test_the_id_comes_back(ident: Any, shown: bytes) -> None:
    assert ask({"jsonrpc": "2.0", "method": "m", "id": ident, "params": [1]}) == b'{"jsonrpc":"2.0","result":[1],"id":%s}' % shown


def test_errors_carry_data_and_a_notification_is_silent() -> None:
    assert ask({"jsonrpc": "2.0", "method": "fail", "id": 1}) == (
        b'{"jsonrpc":"2.0","error":{"code":404,"message":"AOR not found","data":"more"},"id":1}'
    )
    echo = Echo()
    assert ask({"jsonrpc": "2.0", "method": "m"}, echo) is None
    assert ask({"jsonrpc": "2.0", "method": "fail"}, echo) is None
    assert [name for name, _ in echo.calls] == ["m", "fail"]


@pytest.mark.parametrize("request_, ident", [
    ({"method": "m", "id": 1}, 1), ({"jsonrpc": "1.0", "method": "m", "id": 1}, 1), ({"jsonrpc": "2.0", "id": 7}, 7),
    ({"jsonrpc": "2.0", "method": 5, "id": 7}, 7), ({"jsonrpc": "2.0", "method": "m", "id": 7, "params": "x"}, 7),
    ([{"jsonrpc": "2.0", "method": "m", "id": 1}], None), ({"jsonrpc": "2.0", "method": "m", "id": [1]}, None),
    ({"jsonrpc": "2.0", "method": "m", "id": True}, None), (7, None),
])
def test_what_is_no_request(request_: Any, ident: Any) -> None:
    assert json.loads(ask(json.dumps(request_).encode()) or b"") == {
        "jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": ident,
    }


@pytest.mark.parametrize("data", [b"no", b"{", b'{"jsonrpc":"2.0","id":NaN,"method":"m"}', b"[" * 100_000, b'"\\ud800"'])
def test_what_is_no_json(data: bytes) -> None:
    assert ask(data) == b'{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"},"id":null}'


def test_text_is_bytes_inside() -> None:
    echo = Echo()
    for data in ('{"jsonrpc":"2.0","method":"m","id":1,"params":["Jörg"]}'.encode(),
                 b'{"jsonrpc":"2.0","method":"m","id":1,"params":["J\\u00f6rg"]}'):
        assert json.loads(ask(data, echo) or b"")["result"] == ["Jörg"]
        assert echo.calls.pop()[1] == ["J\xc3\xb6rg"]
    assert encode("\u2013") == '"\u2013"'.encode()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_in_and_out_is_the_same(value: Any) -> None:
    assert json.loads(encode(inside(value))) == value


@given(st.binary())
def test_any_bytes_get_an_answer_or_none(data: bytes) -> None:
    found = ask(data)
    assert found is None or json.loads(found)["jsonrpc"] == "2.0"


def test_pretty_printing() -> None:
    assert encode({"a": [1]}, pretty=True) == b'{\n\t"a":\t[\n\t\t1\n\t]\n}'
