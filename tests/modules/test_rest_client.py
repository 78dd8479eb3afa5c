"""rest_client: requests to a server on the loopback, codes, headers, limits, the asynchronous form."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigErrors
from modules.rest_client.transfer import escape, headers_of, readable_url
from tests.helpers import Harness, make_request
from tests.modules.small_parts import script, settle, show


async def answer(request: web.Request) -> web.StreamResponse:
    """What the tests ask for."""
    if request.path == "/slow":
        await asyncio.sleep(30)
    if request.path == "/half":
        stream = web.StreamResponse(headers={"Content-Type": "text/half"})
        await stream.prepare(request)
        await stream.write(b"first")
        await asyncio.sleep(30)
    if request.path == "/moved":
        return web.Response(status=302, headers={"Location": "/hello"}, body=b"elsewhere")
    if request.path == "/big":
        return web.Response(body=b"x" * 5000)
    if request.path == "/headers":
        names = sorted(name for name in request.headers if name not in ("Host", "Content-Length"))
        return web.Response(text=" ".join(f"{name}={request.headers[name]}" for name in names))
    body = await request.read()
    return web.Response(
        status=201 if request.method != "GET" else 200, body=f" {request.method} {request.raw_path} ".encode() + body + b"\r\n",
        headers={"Content-Type": request.headers.get("Content-Type", "text/plain")},
    )


@contextmanager
def running(body: str, params: dict[str, Any] | None = None, more: str = "",
    modules: str = "rest_client") -> Iterator[tuple[Harness, str]]:
    """A server of SIP and one of HTTP in one loop; HTTP in the script is the latter's address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        with Harness(script(modules, body.replace("HTTP", host), params, more)) as server:
            runner = web.AppRunner(web.Application(handler_args={}), shutdown_timeout=0.1)
            runner.app.router.add_route("*", "/{path:.*}", answer)
            server.loop.run_until_complete(runner.setup())
            server.loop.run_until_complete(web.SockSite(runner, listening).start())
            yield server, host
            server.loop.run_until_complete(runner.cleanup())


def lines(server: Harness) -> list[str]:
    """What the route printed."""
    return [line.strip() for line in server.xlog()]


def test_methods_and_codes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
    body = " ".join([
        'rest_get("http://HTTP/a?b=$rm", $var(b), $var(t), $var(c));', show("$rc [$var(b)] $var(t) $var(c)"),
        'rest_post("http://HTTP/p", "x=$rm", , $var(b), $var(t), $var(c));', show("$rc [$var(b)] $var(t) $var(c)"),
        'rest_put("http://HTTP/p", "\xe4", "text/x", $var(b), $var(t));', show("$rc [$var(b)] $var(t)"),
        'rest_get("HTTP/moved", $var(b), , $var(c));', show("$rc $var(b) $var(c)"),
        f'$var(b) = "old"; rest_get("http://127.0.0.1:{closed}/", $var(b), , $var(c));', show("$rc $var(b) $var(c)"),
        'rest_get("ftp://HTTP/", $var(b), , $var(c));', show("$rc $var(c)"),
        'rest_get("http://HTTP/big", $var(b), , $var(c));', show("$rc $var(b) $var(c)"), 'rest_get("http://HTTP/a", $ci);',
        show("$rc"),
    ])
    with running(body, {"rest_client.max_transfer_size": 4}) as (server, _):
        server.send(make_request())
        settle(server, 8)
        assert lines(server) == [
            "1 [GET /a?b=OPTIONS] text/plain 200", "1 [POST /p x=OPTIONS] application/x-www-form-urlencoded 201",
            "1 [PUT /p \xe4] text/x", "1 elsewhere 302", "-1 old 0", "-10 0", "-10 old 200", "-1",
        ]


def test_headers_are_for_the_next_request_only() -> None:
    body = " ".join([
        'rest_append_hf("X-One: 1"); rest_append_hf("Accept:"); rest_append_hf("X-Empty;");',
        'rest_append_hf("Content-Type: text/own");',
        'rest_post("http://HTTP/headers", "x", "text/given", $var(b));', show("$var(b)"),
        'rest_get("http://HTTP/headers", $var(b));',
        show("$var(b)"), 'rest_append_hf("X: 1\\r\\nY: 2");', show("$rc"),
    ])
    with running(body) as (server, _):
        server.send(make_request())
        settle(server, 3)
        assert lines(server) == ["Content-Type=text/own X-Empty= X-One=1", "Accept=*/*", "-1"]


def test_a_transfer_that_takes_too_long_leaves_what_came() -> None:
    body = 'rest_get("http://HTTP/half", $var(b), $var(t), $var(c)); ' + show("$rc $var(b) $var(t) $var(c)")
    with running(body, {"rest_client.curl_timeout": 1, "rest_client.connection_timeout": 1}) as (server, _):
        server.send(make_request())
        settle(server, 1)
        assert lines(server) == ["-3 first text/half 200"]


def test_async_sets_script_variables_and_limits_transfers() -> None:
    body = ('$avp(k) = $cs; if ($cs == "1") async(rest_get("http://HTTP/x", $var(b), , $var(c)), done); '
            'else async(rest_get("http://HTTP/y", $var(b), , $var(c)), done);')
    done = "route[done] { " + show("$avp(k) $rc [$(var(b){s.trim})] $var(c)") + " }"
    for most in (100, 0):
        with running(body, {"rest_client.max_async_transfers": most}, done, "sl tm rest_client") as (server, _):
            server.send(make_request(call_id="a", cseq=1))
            server.send(make_request(call_id="b", cseq=2))
            settle(server, 2)
            assert sorted(lines(server)) == ["1 1 [GET /x] 200", "2 1 [GET /y] 200"]
            assert any("max_async_transfers" in line for line in server.log) == (most == 0)


def test_one_connection_attempt_at_a_time() -> None:
    body = 'rest_get("http://HTTP/hello", $var(b)); ' + show("$rc")
    with running(body, {"rest_client.no_concurrent_connects": 1}) as (server, host):
        module: Any = server.server.registry.get("rest_client")
        module._connecting.add(host.partition(":")[0])
        server.send(make_request(call_id="a"))
        module._connecting.clear()
        server.send(make_request(call_id="b"))
        settle(server, 2)
        assert lines(server) == ["-4", "1"] and not module._connecting
        module.curl_conn_lifetime = 60
        server.send(make_request(call_id="c"))
        settle(server, 3)
        module._connecting.add("127.0.0.1")
        server.send(make_request(call_id="d"))
        settle(server, 4)
        assert lines(server)[2:] == ["1", "1"]


@given(st.text(st.characters(max_codepoint=255)))
def test_escape_and_back(text: str) -> None:
    module: Any = __import__("modules.rest_client", fromlist=["RestClient"]).RestClient
    escaped = escape(text)
    assert escaped.isascii() and module.unescape.call(None, escaped) == text


def test_transformations() -> None:
    body = show("$(ru{rest.escape}) $(var(none){rest.escape})") + ' $var(x) = "1%2B1%3d2%zz"; ' + show("$(var(x){rest.unescape})")
    with Harness(script("rest_client", body)) as server:
        server.send(make_request())
        assert lines(server) == ["sip%3Abob%40example.com <null>", "1+1=2%zz"]


def test_urls_and_headers() -> None:
    assert str(readable_url(" http://h/a b?c=\xe4%20")) == "http://h/a%20b?c=%E4%20"
    for bad in ("", "http://", "file:///etc/passwd"):
        with pytest.raises(ValueError):
            readable_url(bad)
    assert headers_of([], None) == ([("Accept", "*/*")], {"User-Agent", "Accept-Encoding", "Content-Type"})


@pytest.mark.parametrize(("name", "value"), [("curl_http_version", 5), ("curl_http_version", 9), ("ssl_capath", "/none/at/all")])
def test_what_cannot_be_had_stops_the_start(name: str, value: str | int) -> None:
    with pytest.raises(ConfigErrors):
        Harness(script("rest_client", "exit;", {f"rest_client.{name}": value}))


def test_tls_domains_need_their_module() -> None:
    with pytest.raises(ConfigErrors, match="tls_mgm"):
        Harness(script("rest_client", 'rest_init_client_tls("dom"); rest_get("https://x", $var(b));'))
