"""Warnings about what is legal but looks like a mistake: a route nobody calls, a statement nobody reaches, a misspelt variable.

They never stop a start. Every rule has a short name (RULES) that editors show and docs/script.md explains; a rule that cannot be
sure, because names are only known at run time, says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from engine.registry import Registry
from engine.script import nodes
from engine.script.nodes import ConfigWarning, Pos
from engine.script.spellings import FUNCTIONS
from engine.script.unit import title_of
from engine.script.usage import Usage, constant_route, format_specs, specs_of, walk
from engine.script.varspec import VarSpec
from engine.similar import nearest

RULES: Final[dict[str, str]] = {
    "unused-route": "a named route that nothing calls, arms or resumes",
    "unreachable": "statements behind exit, drop, return or break",
    "never-set": "a $var that is read but set nowhere",
    "never-read": "a $var that is set but read nowhere",
    "lookup-code": "with push notification lookup() gives 2 when all devices sleep; only its truth is looked at",
    "unused-module": "a module of which nothing is used",
    "old-name": "a function that has another name in this release",
    "no-event": "an event_route for an event that nothing here raises",
}
"""Name of a rule -> what it warns of."""

_SUPERFLUOUS: Final = frozenset({"never-read", "unused-module"})
_JUMPS: Final = (nodes.Exit, nodes.Drop, nodes.Return, nodes.Break)
_ALWAYS_RUN: Final = frozenset({"error", "local", "startup", "timer", "event"})
_ARMED_BY: Final = {"failure": "t_on_failure", "branch": "t_on_branch", "onreply": "t_on_reply"}
_WORKS_ALONE: Final = ("proto_", "mi_", "db_", "cachedb_", "event_", "tls_", "auth_aka")


def lint(tree: nodes.Script, registry: Registry, compat: str = "3.6") -> list[ConfigWarning]:
    """All warnings about a script that compiles, in the order of the text."""
    checker = _Lint(tree, registry, compat)
    checker.routes()
    for route in tree.routes:
        checker.unreachable(route.body)
    checker.script_variables()
    checker.lookup_codes()
    checker.modules()
    checker.old_names()
    checker.events()
    place = {file: number for number, file in enumerate(tree.files)}
    checker.warnings.sort(key=lambda warning: (place.get(warning.pos.file, 0), warning.pos.line, warning.pos.column))
    return checker.warnings


class _Lint:
    """The rules, on one script."""

    def __init__(self, tree: nodes.Script, registry: Registry, compat: str) -> None:
        self.tree = tree
        self.registry = registry
        self.release = tuple(int(part) for part in compat.split(".")[:2])
        self.usage = Usage(tree.routes)
        self.warnings: list[ConfigWarning] = []
        self.calls = [node for route in tree.routes for node in walk(route.body) if isinstance(node, nodes.Call)]

    def warn(self, code: str, pos: Pos, message: str) -> None:
        """Add a warning of a rule; what is merely superfluous is an information."""
        self.warnings.append(ConfigWarning(pos, message, "info" if code in _SUPERFLUOUS else "warning", code))

    def texts(self) -> set[str]:
        """Whole texts that functions and module parameters are given: names of routes may be among them."""
        found = {str(arg.value) for call in self.calls for arg in call.args if isinstance(arg, nodes.Const)}
        found |= {str(item.value) for item in self.tree.modules if isinstance(item, nodes.ModParam)}
        return found

    # ----------------------------------------------------------------------------------------------------------- routes
    def routes(self) -> None:
        """Named routes that nothing reaches."""
        texts = self.texts()
        for kind, armer in _ARMED_BY.items():
            if any(isinstance(arg, nodes.Var) or "$" in str(arg.value) for call in self.calls if call.name == armer
                   for arg in call.args[:1] if arg is not None):
                continue
            for route in self.tree.routes:
                if route.kind == kind and route.name and route.name not in texts:
                    title = title_of(kind, route.name)
                    self.warn("unused-route", route.pos, f'{title} is never used: nothing calls {armer}("{route.name}")')
        self._request_routes(texts)

    def _request_routes(self, texts: set[str]) -> None:
        if self.usage.dynamic_routes:
            return
        named = {route.name: route for route in self.tree.routes if route.kind == "request" and route.name}
        called: dict[tuple[str, str], set[str]] = {}
        for route in self.tree.routes:
            names = called.setdefault((route.kind, route.name), set())
            for node in walk(route.body):
                if isinstance(node, nodes.RouteCall):
                    names.add(constant_route(node) or "")
                elif isinstance(node, nodes.Async | nodes.Launch) and node.route is not None:
                    names.add(str(node.route.value))
        waiting = [name for name in named if name in texts]
        for (kind, name), names in called.items():
            if kind != "request" or not name:
                waiting += names
        reached: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += called.get(("request", name), ())
        for name, route in named.items():
            if name not in reached:
                self.warn("unused-route", route.pos, f"route[{name}] is never called")

    # ------------------------------------------------------------------------------------------------------- statements
    def unreachable(self, body: list[Any]) -> None:
        """Statements behind one that never goes on. A jump behind a jump (`exit; break;`) is a habit, not a mistake."""
        for place, statement in enumerate(body[:-1]):
            rest = body[place + 1:]
            if _ends(statement) and not all(isinstance(one, _JUMPS) for one in rest):
                first = next(one for one in rest if not isinstance(one, _JUMPS))
                self.warn("unreachable", first.pos, f"this is never reached: {_word(statement)} stands before it")
                break
        for statement in body:
            for inner in _bodies(statement):
                self.unreachable(inner)

    # -------------------------------------------------------------------------------------------------------- variables
    def script_variables(self) -> None:
        """$var(name) by name: set here, read there."""
        read, written, both = self._uses()
        if self.usage.evaluates:
            return
        for name, pos in read.items():
            if name not in written and name not in both:
                near = nearest(name, written)
                self.warn("never-set", pos, f"$var({name}) is read but never set" + (f": {near}" if near else ""))
        for name, pos in written.items():
            if name not in read and name not in both:
                self.warn("never-read", pos, f"$var({name}) is set but never read")

    def _uses(self) -> tuple[dict[str, Pos], dict[str, Pos], set[str]]:
        """Names read and written, each with its first place, and those that may be either."""
        read: dict[str, Pos] = {}
        written: dict[str, Pos] = {}
        both: set[str] = set()
        targets: set[int] = set()
        for item in self.tree.modules:
            if isinstance(item, nodes.ModParam) and isinstance(item.value, str):
                both.update(_names(format_specs(item.value)))
        for route in self.tree.routes:
            for node in walk(route.body):
                if isinstance(node, nodes.Assign):
                    self._assigned(node, written, both, targets)
                elif isinstance(node, nodes.For):
                    both.update(_names(iter([node.iterator.spec])))
                elif isinstance(node, nodes.Call):
                    self._passed(node, both)
                elif isinstance(node, nodes.Var):
                    specs = list(specs_of(node.spec))[1:] if id(node) in targets else specs_of(node.spec)
                    for name in _names(iter(specs)):
                        read.setdefault(name, node.pos)
                elif isinstance(node, nodes.Const) and isinstance(node.value, str):
                    for name in _names(format_specs(node.value)):
                        read.setdefault(name, node.pos)
        return read, written, both

    @staticmethod
    def _assigned(node: nodes.Assign, written: dict[str, Pos], both: set[str], targets: set[int]) -> None:
        for name in _names(iter([node.target.spec])):
            if node.op in ("=", ":="):
                targets.add(id(node.target))
                if not isinstance(node.value, nodes.Null):
                    written.setdefault(name, node.target.pos)
                else:
                    both.add(name)
            else:
                both.add(name)

    def _passed(self, call: nodes.Call, both: set[str]) -> None:
        """Variables that a function may fill."""
        decls = [decl for _, decl in self.registry.functions.get(call.name, [])]
        for place, arg in enumerate(call.args):
            kinds = {decl.params[place].kind for decl in decls if place < len(decl.params)}
            if isinstance(arg, nodes.Var) and kinds != {"str"} and kinds != {"int"}:
                both.update(_names(iter([arg.spec])))
            elif isinstance(arg, nodes.Const) and isinstance(arg.value, str) and kinds != {"str"}:
                both.update(_names(format_specs(arg.value)))

    # ------------------------------------------------------------------------------------------------ push notification
    def lookup_codes(self) -> None:
        """lookup() as a mere condition although it may say 2: nobody to call yet, wait."""
        for call_name, module in self._waking_lookups():
            text = (f"{call_name}() gives 2 when all devices sleep (pn_enable of {module} is set): the call waits for them; "
                    "look at $rc to tell it from 1")
            for route in self.tree.routes:
                if any(spec.name in ("rc", "retcode") for spec in _specs(route.body)):
                    continue
                for node in walk(route.body):
                    if isinstance(node, nodes.If | nodes.While):
                        for call in walk(node.cond):
                            if isinstance(call, nodes.Call) and call.name == call_name:
                                self.warn("lookup-code", call.pos, text)

    def _waking_lookups(self) -> Iterator[tuple[str, str]]:
        for module, function in (("registrar", "lookup"), ("mid_registrar", "mid_registrar_lookup")):
            instance = self.registry.modules.get(module)
            if instance is not None and bool(getattr(instance, "pn_enable", False)):
                yield function, module

    # ---------------------------------------------------------------------------------------------------------- modules
    def modules(self) -> None:
        """Modules whose functions, variables, transformations and events nobody uses, and that nothing else needs."""
        registry = self.registry
        functions = self.usage.functions | self.usage.async_functions
        transformations = {
            f"{item.cls}.{item.func}" if item.func else item.cls
            for route in self.tree.routes for spec in _specs(route.body) for item in spec.transformations
        }
        events = {route.name for route in self.tree.routes if route.kind == "event"}
        wanted = {
            dependency.module for instance in [*registry.core, *registry.modules.values()]
            for dependency in registry.exports[id(instance)].dependencies.values()
        }
        patterns = [item.modules for item in self.tree.modules if isinstance(item, nodes.ModParam)]
        for name, instance in registry.modules.items():
            exports = registry.exports[id(instance)]
            pos = registry.places.get(name)
            if pos is None or name in wanted or name.startswith(_WORKS_ALONE) or name in patterns:
                continue
            if not exports.functions and not exports.pvars and not exports.transformations:
                continue  # it works by being there
            used = (
                any(decl.name in functions for decl in exports.functions)
                or any(text in self.usage.variables for variable in exports.pvars for text in variable.names)
                or any(item.name in transformations for item in exports.transformations)
                or any(event.name in events for event in exports.events.values())
            )
            if not used:
                self.warn("unused-module", pos, f"nothing of module {name} is used")

    # --------------------------------------------------------------------------------------------------- names, events
    def old_names(self) -> None:
        """Functions that the release in use calls otherwise."""
        for call in self.calls:
            old = FUNCTIONS.get(call.name)
            if old is None or not old.since or call.name not in self.registry.functions:
                continue
            if self.release >= tuple(int(part) for part in old.since.split(".")):
                self.warn("old-name", call.pos, f"{call.name}() is an old name, write {old.new}")

    def events(self) -> None:
        """Event routes that never run."""
        raised: set[str] = set()
        for call in self.calls:
            if call.name in ("raise_event", "subscribe_event") and call.args:
                first = call.args[0]
                if not isinstance(first, nodes.Const) or "$" in str(first.value):
                    return
                raised.add(str(first.value))
        known = set(raised)
        for instance in [*self.registry.core, *self.registry.modules.values()]:
            known.update(event.name for event in self.registry.exports[id(instance)].events.values())
        bus = self.registry.server.events
        for route in self.tree.routes:
            if route.kind == "event" and route.name not in known and bus.find(route.name) is None and route.name != "E_CORE_LOG":
                near = nearest(route.name, known)
                self.warn("no-event", route.pos, f"nothing raises {route.name}" + (f": {near}" if near else ""))


def _ends(statement: Any) -> bool:
    """What follows the statement is never reached."""
    if isinstance(statement, _JUMPS):
        return True
    return (
        isinstance(statement, nodes.If) and statement.orelse is not None and _block_ends(statement.then)
        and _block_ends(statement.orelse)
    )


def _block_ends(body: list[Any]) -> bool:
    return any(_ends(statement) for statement in body)


def _word(statement: Any) -> str:
    if isinstance(statement, nodes.If):
        return "an if whose branches both end"
    return str(type(statement).__name__).lower()


def _bodies(statement: Any) -> Iterator[list[Any]]:
    """The blocks inside a statement."""
    if isinstance(statement, nodes.If):
        yield statement.then
        if statement.orelse is not None:
            yield statement.orelse
    elif isinstance(statement, nodes.While | nodes.For):
        yield statement.body
    elif isinstance(statement, nodes.Switch):
        for case in statement.cases:
            yield case.body
        if statement.default is not None:
            yield statement.default


def _specs(body: list[Any]) -> Iterator[VarSpec]:
    """Every variable in some statements, those of texts included."""
    for node in walk(body):
        if isinstance(node, nodes.Var):
            yield from specs_of(node.spec)
        elif isinstance(node, nodes.Const) and isinstance(node.value, str):
            yield from format_specs(node.value)


def _names(specs: Iterator[VarSpec]) -> Iterator[str]:
    """The names of the $var among some variables."""
    for spec in specs:
        if spec.name == "var" and spec.inner:
            yield spec.inner
