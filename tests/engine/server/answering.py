"""answering: a module of the tests: sends what it is told to and keeps a diary."""

from __future__ import annotations

import asyncio

from engine.module import ALL_ROUTES, Context, Module, event, function, modparam
from engine.sip.builder import reply
from engine.transport.address import Target


class Answering(Module):
    """answer(code), slow(), fail(), note(text), shout()."""

    greeting = modparam(str, "OK")
    E_SHOUTED = event("who", "times")

    def mod_init(self) -> None:
        self.diary: list[str] = []
        self.server.pre_request.append(self.judge)
        self.server.post_request.append(lambda ctx: self.diary.append("post"))
        self.server.response_handlers.append(self.claim)

    async def child_init(self) -> None:
        self.diary.append("child_init")

    async def destroy(self) -> None:
        self.diary.append("destroy")

    def judge(self, ctx: Context) -> bool:
        return ctx.msg.call_id != "swallowed"

    def claim(self, ctx: Context) -> bool:
        self.diary.append(f"response {ctx.msg.text[8:11]}")
        return ctx.msg.call_id == "claimed"

    @function(ALL_ROUTES)
    def answer(self, ctx: Context, code: int) -> int:
        """Answer the request."""
        text = reply(ctx.msg, code, self.greeting, to_tag="tag")  # type: ignore[arg-type]
        target = Target(ctx.proto, ctx.src_ip, ctx.src_port)
        self.server.sockets.send(text.encode("latin-1"), target, ctx.socket, ctx.connection.id if ctx.connection else 0)
        return 1

    @function(ALL_ROUTES)
    async def slow(self, ctx: Context, seconds: int) -> int:
        """Wait."""
        await asyncio.sleep(seconds / 1000)
        return 7

    @function(ALL_ROUTES)
    def fail(self, ctx: Context) -> int:
        """Break."""
        raise KeyError("broken on purpose")

    @function(ALL_ROUTES)
    def note(self, ctx: Context, text: str) -> int:
        """Write into the diary."""
        self.diary.append(text)
        return 1

    @function(ALL_ROUTES)
    def forward(self, ctx: Context) -> int:
        """Its name alone lets replies be forwarded statelessly."""
        return 1

    @function(ALL_ROUTES)
    def shout(self, ctx: Context, who: str) -> int:
        """Raise the event."""
        self.E_SHOUTED.emit(who=who, times=2)
        self.diary.append("shouted")
        return 1


exports = Answering
