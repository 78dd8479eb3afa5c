"""A server without script for tests of variables, transformations and functions: bind texts, make runs, call functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from engine.module import Module
from engine.script.context import REQUEST, Context
from engine.script.functions import CORE_MODULES as FUNCTIONS
from engine.script.script import Script
from engine.script.values import Value, print_of
from engine.script.variables import CORE_MODULES as VARIABLES
from engine.script.variables.binder import Binder, BoundVar
from engine.script.varspec import parse_format
from engine.sip.message import parse_message
from engine.workers import in_worker
from tests.helpers import HarnessServer, Sent, Wire, make_request


class Kit:
    """Everything core, one UDP socket 127.0.0.1:5060, one run on a request."""

    def __init__(self, request: str | None = None, *, compat: str = "3.6") -> None:
        self.sent: list[Sent] = []
        self.server = HarnessServer(self.sent, compat)
        registry = self.server.registry
        registry.load_core([*VARIABLES, *FUNCTIONS])
        self.server.sockets.enable(Wire("udp", self.sent))
        self.server.sockets.enable(Wire("tcp", self.sent))
        for spec in ({"proto": "udp"}, {"proto": "tcp"}):
            self.server.sockets.add(spec["proto"], "127.0.0.1", 5060)
        self.script = Script("test.cfg", registry.flag_names, registry.branch_flag_names)
        self.server.script = self.script
        registry.init_all()
        self.binder = Binder(registry, self.script)
        self.ctx = self.run_on(request or make_request())

    @property
    def lines(self) -> list[str]:
        """What was logged."""
        self.server.log.flush()
        return self.server.log.lines  # type: ignore[attr-defined,no-any-return]

    def run_on(self, text: str, kind: int = REQUEST) -> Context:
        """A run on a message."""
        msg = parse_message(text)
        ctx = Context(self.server, self.script, kind, msg)
        ctx.ruri = msg.request_uri if msg.is_request else None  # type: ignore[union-attr]
        ctx.src_ip, ctx.src_port = "127.0.0.1", 5070
        ctx.socket = self.server.sockets.first("udp")
        return ctx

    def var(self, text: str) -> BoundVar:
        """A bound variable."""
        return self.binder.bind_text(text)

    def get(self, text: str) -> Value:
        """Value of a variable."""
        return self.var(text).get(self.ctx)

    def set(self, text: str, value: Value) -> None:
        """`text = value`."""
        setter = self.var(text).set
        assert setter is not None
        setter(self.ctx, value)

    def text(self, text: str) -> str:
        """An expanded format."""
        parts = parse_format(text)
        return "".join([part if isinstance(part, str) else print_of(self.binder.bind(part).get(self.ctx)) for part in parts])

    def function(self, name: str) -> Callable[..., Any]:
        """A script function as compiled code calls it, fixups left to the caller."""
        instance, decl = self.server.registry.functions[name][0]
        return getattr(instance, decl.attr)  # type: ignore[no-any-return]

    def call(self, name: str, *args: Any) -> Any:
        """Call a function with all fixups done, missing parameters filled in."""
        instance, decl = self.server.registry.functions[name][0]
        given: list[Any] = []
        for place, param in enumerate(decl.params):
            value = args[place] if place < len(args) else param.default
            if value is not None and param.fixup is not None:
                fixup = getattr(instance, param.fixup) if isinstance(param.fixup, str) else param.fixup
                value = fixup(value)
            given.append(value)
        return getattr(instance, decl.attr)(self.ctx, *given)

    def in_worker(self, call: Callable[[], Any]) -> Any:
        """Result of call() in a worker, where it may wait."""
        return asyncio.run(in_worker(self.server.workers, call))


def module_of(kit: Kit, kind: type[Module]) -> Module:
    """The instance of a core class."""
    return next(instance for instance in kit.server.registry.core if isinstance(instance, kind))


def branch_like(**fields: Any) -> Any:
    """An object with the fields of tm's client branch that contexts read."""
    return SimpleNamespace(**fields)
