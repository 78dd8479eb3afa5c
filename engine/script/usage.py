"""What a script uses, found in one walk before anything is compiled.

Most features of the language cost something only in scripts that use them: the route stack is kept when $route is read or a
route may recurse, parameters are saved around route() when somebody reads $param, and so on. This walk finds out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from engine.errors import ConfigError
from engine.script import nodes
from engine.script.varspec import VarSpec, parse_format

MAX_CHAIN: Final = 90
"""A chain of route() calls this long is watched at run time."""


def walk(item: Any) -> Iterator[Any]:
    """Every node below (and with) a node or a list of nodes, in the order of the text."""
    stack = [item]
    while stack:
        node = stack.pop()
        if node is None or node.__class__ in _LEAVES:
            continue
        if node.__class__ is list:
            stack.extend(reversed(node))
            continue
        yield node
        fields = getattr(node, "__slots__", ())
        stack.extend([getattr(node, name) for name in reversed(fields) if name not in ("pos", "end", "value_pos")])


_LEAVES: Final = frozenset((str, int, nodes.Pos, VarSpec))


def specs_of(spec: VarSpec) -> Iterator[VarSpec]:
    """A variable and those inside it: names, indexes, arguments of transformations."""
    yield spec
    if spec.inner_var is not None:
        yield from specs_of(spec.inner_var)
    if isinstance(spec.index, VarSpec):
        yield from specs_of(spec.index)
    for item in spec.transformations:
        for arg in item.args:
            if isinstance(arg, VarSpec):
                yield from specs_of(arg)
            elif "$" in arg:
                yield from format_specs(arg)


def format_specs(text: str) -> Iterator[VarSpec]:
    """The variables of a text, should it be a format; none when it is not a good one."""
    if "$" not in text:
        return
    try:
        parts = parse_format(text)
    except ConfigError:
        return
    for part in parts:
        if isinstance(part, VarSpec):
            yield from specs_of(part)


class Usage:
    """The findings."""

    __slots__ = ("functions", "async_functions", "variables", "evaluates", "dynamic_routes", "edges", "routes")

    def __init__(self, routes: list[nodes.Route]) -> None:
        self.routes = routes
        self.functions: set[str] = set()
        self.async_functions: set[str] = set()
        self.variables: set[str] = set()
        self.evaluates = False
        """{s.eval} stands somewhere: any variable may be read."""
        self.dynamic_routes = False
        """route($var) stands somewhere."""
        self.edges: dict[tuple[str, str], set[str]] = {}
        """(kind, name) of a route -> names of the routes it calls by constant name."""
        for route in routes:
            self._scan(route)

    def _scan(self, route: nodes.Route) -> None:
        called = self.edges.setdefault((route.kind, route.name), set())
        for node in walk(route.body):
            if isinstance(node, nodes.Var):
                self._note(specs_of(node.spec))
            elif isinstance(node, nodes.Const):
                if isinstance(node.value, str):
                    self._note(format_specs(node.value))
            elif isinstance(node, nodes.Call):
                self.functions.add(node.name)
            elif isinstance(node, nodes.Async | nodes.Launch):
                self.async_functions.add(node.call.name)
            elif isinstance(node, nodes.RouteCall):
                name = constant_route(node)
                if name is None:
                    self.dynamic_routes = True
                else:
                    called.add(name)

    def _note(self, specs: Iterator[VarSpec]) -> None:
        for spec in specs:
            self.variables.add(spec.name)
            if any(item.cls == "s" and item.func == "eval" for item in spec.transformations):
                self.evaluates = True

    def reads(self, *names: str) -> bool:
        """One of these variables may be read."""
        return self.evaluates or not self.variables.isdisjoint(names)

    @property
    def reads_stack(self) -> bool:
        """$route, $route.name or $route.type may be read."""
        return self.reads("route", "route.name", "route.type")

    @property
    def may_recurse(self) -> bool:
        """A route may reach itself, or calls nest so deep that the limit matters."""
        if self.dynamic_routes:
            return True
        depths: dict[str, int] = {}

        def depth(name: str, path: tuple[str, ...]) -> int:
            if name in path or len(path) > MAX_CHAIN:
                return MAX_CHAIN + 1
            found = depths.get(name)
            if found is None:
                found = 1 + max((depth(other, (*path, name)) for other in self.edges.get(("request", name), ())), default=0)
                depths[name] = found
            return found

        tops = {name for called in self.edges.values() for name in called}
        return any(depth(name, ()) > MAX_CHAIN for name in tops)


def constant_route(node: nodes.RouteCall) -> str | None:
    """The name that route() is called with, None when it is only known at run time. The main route is "0"."""
    target = node.target
    if isinstance(target, nodes.Var) or (target.is_string and "$" in str(target.value)):
        return None
    return str(target.value) or "0"
