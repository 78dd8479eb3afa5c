"""Scripts of one route: what they print."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.helpers import Harness, make_request


def script(modules: str, body: str, params: dict[str, Any] | None = None, more: str = "") -> str:
    """A script that loads modules (names in one text), sets parameters {"module.name": value or list} and has one route."""
    lines = [f'loadmodule "{name}.so"' for name in modules.split()]
    for key, value in (params or {}).items():
        module, _, name = key.partition(".")
        for one in value if isinstance(value, list) else [value]:
            lines.append(f'modparam("{module}", "{name}", {one if isinstance(one, int) else chr(34) + one + chr(34)})')
    return "\n".join([*lines, f"route {{ {body}\nexit; }}", more])


def settle(server: Harness, count: int) -> list[str]:
    """What the script printed, when it is so many lines: what it does in the background needs a moment of real time."""

    async def wait() -> None:
        for _ in range(500):
            if len(server.xlog()) >= count:
                return
            await asyncio.sleep(0.01)

    server.loop.run_until_complete(wait())
    return [line.strip() for line in server.xlog()]


def printed(
    modules: str, body: str, params: dict[str, Any] | None = None, more: str = "", requests: int = 1, count: int = 0,
) -> list[str]:
    """What xlog("XL|...") of the route printed for each request, without the blank behind the bar. count: lines to wait for."""
    with Harness(script(modules, body, params, more)) as server:
        for number in range(1, requests + 1):
            server.send(make_request("OPTIONS", call_id=f"call-{number}", cseq=number))
        return settle(server, count)


def show(*formats: str) -> str:
    """Statements that print formats, one line each."""
    return " ".join([f'xlog("XL| {one}\\n");' for one in formats])
