"""MI over HTTP: statuses, bodies, paths; httpd on its own."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from engine.errors import ConfigError
from modules.httpd.api import HttpReply, HttpRequest
from tests.modules.parts import PartServer

PWD = '{"jsonrpc":"2.0","method":"pwd","id":1}'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server(port: int) -> PartServer:
    made = PartServer()
    made.load_core_mi()
    made.load("httpd", ip="127.0.0.1", port=port)
    made.load("mi_http")
    return made


async def ask(
    port: int, body: str = "", path: str = "/mi", method: str = "POST", kind: str = "application/json",
) -> tuple[int, str, str]:
    """(status, Content-Type, body)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = body.encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\nConnection: close\r\n"
    writer.write((head + (f"Content-Type: {kind}\r\n" if kind else "") + "\r\n").encode() + data)
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, text = answer.partition("\r\n\r\n")
    lines = head.split("\r\n")
    content = next((line.partition(": ")[2] for line in lines if line.lower().startswith("content-type:")), "")
    return int(lines[0].split()[1]), content, text


@pytest.mark.parametrize("args, status, kind", [
    ({"body": PWD}, 200, "application/json"), ({"body": PWD, "path": "/mi/"}, 200, "application/json"),
    ({"body": PWD, "kind": "application/json; charset=utf-8"}, 200, "application/json"),
    ({"body": '{"jsonrpc":"2.0","method":"pwd"}'}, 202, "application/json"),
    ({"body": ""}, 400, "application/json"), ({"body": PWD, "kind": "text/plain"}, 400, "application/json"),
    ({"body": PWD, "kind": ""}, 400, "application/json"), ({"body": PWD, "path": "/mi/more"}, 400, "application/json"),
    ({"method": "GET"}, 405, "application/json"), ({"body": PWD, "path": "/other"}, 400, "text/html"),
    ({"body": PWD, "path": "/"}, 400, "text/html"), ({"body": "x" * (1 << 20) + "x"}, 413, "text/html"),
])
def test_statuses(args: dict[str, str], status: int, kind: str) -> None:
    async def body() -> None:
        port = free_port()
        async with server(port):
            found = await ask(port, **args)
        assert found[:2] == (status, kind)
        if status == 200:
            assert json.loads(found[2])["id"] == 1
        elif kind == "application/json":
            assert found[2] == ""

    asyncio.run(body())


def test_other_modules_have_paths_of_their_own() -> None:
    async def body() -> None:
        port = free_port()
        made = server(port)
        made.init()
        httpd = made.registry.modules["httpd"]

        async def handler(request: HttpRequest) -> HttpReply:
            if request.query.get("fail"):
                raise ValueError("broken")
            return HttpReply(200, "text/plain; version=0.0.4", f"{request.method} {request.path} {request.peer}".encode())

        httpd.add_path("/metrics", handler, "mine")
        with pytest.raises(ConfigError, match="wanted by two"):
            httpd.add_path("metrics", handler)
        await httpd.child_init()
        assert await ask(port, path="/metrics/a/b", method="GET") == (200, "text/plain; version=0.0.4", "GET /a/b 127.0.0.1")
        assert (await ask(port, path="/metrics?fail=1", method="GET"))[0] == 500
        assert any("broken" in line for line in made.lines)
        assert httpd.list_root_path() == [{"http_root": "mi", "module": "mi_http"}, {"http_root": "metrics", "module": "mine"}]
        assert httpd.process_titles() == [f"HTTPD 127.0.0.1:{port}"]
        await httpd.destroy()

    asyncio.run(body())


def test_a_taken_port_refuses_the_start() -> None:
    async def body() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            made = server(taken.getsockname()[1])
            with pytest.raises(ConfigError, match="cannot listen"):
                async with made:
                    raise AssertionError("it started")

    asyncio.run(body())


def test_certificate_and_key_belong_together() -> None:
    made = PartServer()
    made.load("httpd", tls_cert_file="/nowhere.pem")
    with pytest.raises(Exception, match="belong together"):
        made.init()
