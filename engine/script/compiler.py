"""A parsed script to compiled routes: one Python function per routing block.

    route[relay] {                          def relay(ctx):
        if (is_method("INVITE"))                try:
            t_on_failure("missed");                 ctx.rc = rc = 1 if f_is_method(ctx, methods) else -1
        if (!t_relay())                         except Exception as e:
            sl_reply_error();                       ctx.rc = rc = fault(ctx, e)
    }                                           if rc > 0:
                                                    ...

Everything with a name is resolved here: functions to bound methods, variables to getters and setters, literals through
their fixups, formats to f-strings. What only some scripts need ($route, $param, error_route, script_trace, recursion) costs
nothing in the others. All mistakes of a script are collected and raised together.
"""

from __future__ import annotations

from typing import Any

from engine.errors import ConfigError, ConfigErrors
from engine.registry import Registry
from engine.script import nodes
from engine.script.checker import check_routes
from engine.script.emit import Writer
from engine.script.flags import mention_flags
from engine.script.linemap import LineMap, compile_route
from engine.script.script import RouteFn, Script
from engine.script.settings import Settings
from engine.script.statements import Statements
from engine.script.unit import KINDS, Unit, title_of


class Compiler:
    """Compiles one script. known: route -> names of the modules loaded before it (all, when a route is missing there)."""

    def __init__(
        self, server: Any, registry: Registry, tree: nodes.Script, settings: Settings, *, live_params: bool = False,
        known: dict[int, frozenset[str]] | None = None, fixups: bool = True,
    ) -> None:
        self.script = Script(tree.file, registry.flag_names, registry.branch_flag_names)
        self.script.files = list(tree.files)
        self.unit = Unit(server, registry, self.script, tree, settings, live_params)
        self.unit.fixups = fixups
        self.known = known or {}
        self.tree = tree
        self.statements = Statements(self.unit)

    def compile(self) -> Script:
        """The Script. ConfigErrors: every mistake found, in the order of the text."""
        unit, script = self.unit, self.script
        routes = self.tree.routes
        names: dict[str, set[str]] = {kind: set() for kind in KINDS}
        for route in routes:
            names[route.kind].add(route.name or ("0" if route.kind == "request" else ""))
            unit.body_names[route.kind, route.name] = self._body_name(route)
        unit.registry.route_names = names
        mention_flags(routes, script.flag_names, script.branch_flag_names)
        check_routes(unit)
        bodies = [self._route(route) for route in routes]
        if unit.errors:
            raise ConfigErrors(in_order(unit.errors, self.tree))
        if not unit.fixups:
            return script  # it was to be judged only
        for route, (python, lines) in zip(routes, bodies, strict=True):
            self._place(route, python, lines)
        script.variables = unit.usage.variables
        script.has_forward = script.uses("forward")
        return script

    def _body_name(self, route: nodes.Route) -> str:
        """A global name for the body; the object comes later."""
        hint = title_of(route.kind, route.name)
        return self.unit.names.name("run", (route.kind, route.name), hint)

    def _route(self, route: nodes.Route) -> tuple[str, list[int]]:
        """The Python text of a route and the script's line of each of its lines."""
        unit = self.unit
        unit.route = route
        unit.known = self.known.get(id(route))
        writer = unit.writer = Writer(LineMap(route.pos.file, unit.places), unit.reads_rc)
        writer.at(route.pos)
        with writer.block(f"def {unit.body_names[route.kind, route.name]}(ctx):"):
            self.statements.body(route.body, need_rc=True)
            writer.at(route.end or route.pos)
            writer.line("return rc" if route.body else "return 1")
        return writer.text(), writer.numbers

    def _place(self, route: nodes.Route, python: str, lines: list[int]) -> None:
        """Compile the text and put the route where it belongs."""
        unit, script = self.unit, self.script
        title = title_of(route.kind, route.name)
        namespace = unit.names.globals
        made: dict[str, RouteFn] = {}
        exec(compile_route(python, lines, route.pos.file, title), namespace, made)  # noqa: S102 (our own text)
        body = made[title]
        namespace[unit.body_names[route.kind, route.name]] = body
        script.python.append((title, python))
        entry = unit.runtime.entry(body, title) if unit.tracked else body
        if route.kind == "request":
            unit.runtime.table[route.name or "0"] = body
            if route.name:
                script.routes[route.name] = entry
            else:
                script.request = entry
        elif route.kind == "onreply" and not route.name:
            script.onreply_default = entry
        elif route.kind == "error":
            unit.runtime.error_body = body
            script.error = entry
        elif route.kind == "timer":
            script.timers.append((route.name, route.interval, entry))
        elif route.kind == "local":
            script.local = entry
        elif route.kind == "startup":
            script.startup = entry
        else:
            script.named(route.kind)[route.name] = entry


def in_order(errors: list[ConfigError], tree: nodes.Script) -> list[ConfigError]:
    """Errors in the order of the text, files in the order they were read, those without a place last."""
    rank = {name: place for place, name in enumerate(tree.files)}
    return sorted(errors, key=lambda error: (not error.line, rank.get(error.file, len(rank)), error.line, error.column))


def show_python(script: Script) -> str:
    """The generated text of all routes, for --show-python."""
    return "\n".join([f"# {title}\n{python}" for title, python in script.python])
