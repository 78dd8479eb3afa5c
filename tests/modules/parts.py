"""A server made of real parts, without sockets and script: for tests of modules that need neither."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from engine.log import LogRoot
from engine.server.core import Server


class FakeClock:
    """A clock the test turns. Monotonic and wall time are the same."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self.time = start

    def __call__(self) -> float:
        return self.time


class KeptLog(LogRoot):
    """A log whose lines go into a list."""

    __slots__ = ("lines",)

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def write(self, level: int, module: str, function: str, text: str, facility: int | None = None) -> None:
        self.lines.append(f"{module}: {text}")


class PartServer(Server):
    """load() modules with parameters, then `async with`. Log lines are kept in `lines`; events in `heard`."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.fake = clock or FakeClock()
        self.lines: list[str] = []
        super().__init__(clock=self.fake, log=KeptLog(self.lines))
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def wall(self) -> float:
        return self.fake.time

    def load(self, name: str, **params: Any) -> Any:
        """Load a module and set its parameters; a list is set value by value."""
        instance = self.registry.load(f"{name}.so")
        for key, value in params.items():
            for one in value if isinstance(value, list) else [value]:
                self.registry.set_param(name, key, one)
        return instance

    def load_core_mi(self) -> None:
        """The core's MI commands."""
        from engine.mi import CORE_MODULES

        self.registry.load_core(CORE_MODULES)

    def init(self) -> None:
        """mod_init of everything."""
        self.registry.resolve()
        self.registry.init_all()

    def listen(self, *names: str) -> None:
        """Keep what is raised under these names in `heard`."""
        for name in names:
            self.events.define(name).subscribe(lambda event, params: self.heard.append((event.name, dict(params))))

    async def __aenter__(self) -> PartServer:
        self.loop = asyncio.get_running_loop()
        self.init()
        await self.registry.start_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.registry.stop_all()

    def pass_time(self, seconds: float) -> None:
        """Let that many seconds go by; timers run on the way."""
        end = self.fake.time + seconds
        while self.fake.time < end:
            self.fake.time = min(end, self.fake.time + 0.1)
            self.timers.advance()


def run(test: Callable[[], Any]) -> Any:
    """Run an async test body."""
    return asyncio.run(test())  # type: ignore[arg-type]
