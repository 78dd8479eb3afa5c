"""Judgements about a script as a whole, beside those that the compiler makes statement by statement.

The compiler finds unknown names, wrong numbers and kinds of arguments, functions in the wrong kind of route. Here are those
that need the sight of all routes: blocks defined twice, routes that nobody calls, and functions that a route calls although
it is itself called from a kind of route where they must not stand (allowed at start, found by OpenSIPS' check: a warning).
"""

from __future__ import annotations

from engine.errors import ConfigError
from engine.script import nodes
from engine.script.unit import KINDS, TITLES, Unit, title_of
from engine.script.usage import walk


def check_routes(unit: Unit) -> None:
    """Report what is wrong among the routes of a unit."""
    _twice(unit)
    _reached(unit)


def _twice(unit: Unit) -> None:
    """A block that is defined a second time."""
    seen: dict[tuple[str, str], nodes.Route] = {}
    for route in unit.tree.routes:
        first = seen.setdefault((route.kind, route.name), route)
        if first is not route:
            title = title_of(route.kind, route.name)
            place = f"{first.pos.file}:{first.pos.line}"
            unit.report(ConfigError(f"{title} is defined twice", hint=f"the first one is at {place}"), route.pos)


def _reached(unit: Unit) -> None:
    """Follow route() from the routes that are no request routes, and warn of functions that must not stand there."""
    by_name = {route.name or "0": route for route in unit.tree.routes if route.kind == "request"}
    calls: dict[str, list[nodes.Call]] = {
        name: [node for node in walk(route.body) if isinstance(node, nodes.Call)] for name, route in by_name.items()
    }
    said: set[tuple[int, str]] = set()
    for top in unit.tree.routes:
        if top.kind == "request":
            continue
        bit = KINDS[top.kind]
        waiting = list(unit.usage.edges.get((top.kind, top.name), ()))
        done: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in done or name not in by_name:
                continue
            done.add(name)
            waiting += unit.usage.edges.get(("request", name), ())
            for call in calls[name]:
                found = unit.registry.functions.get(call.name, [])
                if found and not any(decl.routes & bit for _, decl in found) and (id(call), top.kind) not in said:
                    said.add((id(call), top.kind))
                    unit.warn(
                        call.pos, f"{call.name}() may not stand in {TITLES[top.kind]}, but "
                        f"{title_of('request', '' if name == '0' else name)} is called from {title_of(top.kind, top.name)}",
                    )
