"""What the parts of the compiler share while they work on one script.

A Unit is made per reading of a script and forgotten when the Script is there: the tables, the names of bound objects, the
errors found so far, and the route that is being written.
"""

from __future__ import annotations

import re
from typing import Any, Final

from engine.errors import ConfigError, UnknownName
from engine.module import FunctionDecl, Module
from engine.registry import CORE, Registry
from engine.script import nodes, operators
from engine.script.context import (
    BRANCH, ERROR, EVENT, FAILURE, LOCAL, ONREPLY, REQUEST, STARTUP, TIMER,
)
from engine.script.emit import Namespace, Writer
from engine.script.linemap import LineMap, Places
from engine.script.nodes import ConfigWarning, Pos
from engine.script.runtime import LiveParams, Runtime
from engine.script.script import Script
from engine.script.settings import Settings
from engine.script.suspension import Suspension, code_of
from engine.script.usage import Usage
from engine.script.values import NULL_TEXT
from engine.script.variables.binder import Binder, BoundVar
from engine.script.variables.storage import stored
from engine.script.varspec import VarSpec
from engine.similar import nearest

KINDS: Final = {
    "request": REQUEST, "failure": FAILURE, "onreply": ONREPLY, "branch": BRANCH, "error": ERROR, "local": LOCAL,
    "startup": STARTUP, "timer": TIMER, "event": EVENT,
}
"""Kind of a route -> bit, as functions declare where they may stand."""

TITLES: Final = {
    "request": "route", "failure": "failure_route", "onreply": "onreply_route", "branch": "branch_route",
    "error": "error_route", "local": "local_route", "startup": "startup_route", "timer": "timer_route", "event": "event_route",
}
"""Kind of a route -> the word it begins with."""


_OPERAND: Final = re.compile(r"[\w.]+(?:\([^()]*\))?(?:\[[^\[\]]*\])?")
"""An expression that needs no parentheses wherever it is pasted."""


_RC: Final = re.compile(r"\$\(?(?:rc|retcode)\b")
"""$rc in the value of a module parameter."""


def title_of(kind: str, name: str) -> str:
    """What a route is called in $route, tracebacks and messages: "route[relay]"."""
    return f"{TITLES[kind]}[{name}]" if name else TITLES[kind]


class Unjudged(ConfigError):
    """Whether it is a mistake only the initialised module could say: never reported."""


class Unit:
    """One script being compiled."""

    def __init__(
        self, server: Any, registry: Registry, script: Script, tree: nodes.Script, settings: Settings, live_params: bool = False,
    ) -> None:
        self.server = server
        self.registry = registry
        self.script = script
        self.tree = tree
        self.settings = settings
        self.live_params = live_params
        """3.1: $param() of a variable reads it anew each time."""
        self.usage = Usage(tree.routes)
        self.binder = Binder(registry, script)
        self.runtime = Runtime(server, script, settings.xlog_buf_size, settings.abort_on_assert)
        self.places: Places = {}
        self.errors: list[ConfigError] = []
        self.body_names: dict[tuple[str, str], str] = {}
        """(kind, name) of a route -> global name of its body."""
        self.known: frozenset[str] | None = None
        """Modules loaded before the route being compiled; None: all."""
        self.fixups = True
        """Fixups run: the modules are initialised."""
        self.route: nodes.Route = nodes.Route(Pos("", 0, 0), "request", "", [])
        self.last_line = 0
        """Where the command ends that is being written: its $cfg_line; 0 for other statements."""
        self.writer = Writer(LineMap("", self.places))
        self.names = Namespace(self._fixed_names())
        usage = self.usage
        self.tracked = usage.reads_stack or usage.may_recurse or "script_trace" in usage.functions
        self.reads_rc = usage.reads("rc", "retcode") or any(
            isinstance(item, nodes.ModParam) and isinstance(item.value, str) and _RC.search(item.value) for item in tree.modules
        )
        self.reads_params = usage.reads("param")
        self.reads_returned = usage.reads("return") or registry.reads_returned
        self.traces = "script_trace" in usage.functions
        self.has_error_route = any(route.kind == "error" for route in tree.routes)

    def _fixed_names(self) -> dict[str, Any]:
        runtime, suspension = self.runtime, Suspension(self.runtime)
        logged = operators.Operators(self.server.log)
        names: dict[str, Any] = {
            "PLACES": self.places, "NULL_TEXT": NULL_TEXT, "V": self.server.script_vars, "LOG": self.server.log,
            "LOOPS": range(self.settings.max_while_loops), "LiveParams": LiveParams, "code_of": code_of,
            "compare_number": logged.number, "compare_text": logged.text, "compare": logged.values, "compare_net": logged.net,
        }
        for call in (
            runtime.fault, runtime.assign_fault, runtime.xlog, runtime.xlog_level, runtime.plain_log, runtime.error_statement,
            runtime.call_route, runtime.find_route, runtime.error_route, runtime.failed_assert, runtime.loop_limit,
            runtime.no_list, runtime.write_iterator, runtime.trace, suspension.start_async, suspension.launch, logged.calculate,
            operators.add, operators.add_number, operators.subtract_number, operators.bracket_truth, operators.case_number,
            operators.combine, operators.invert, operators.matches, operators.number_argument, operators.outcome_value,
            operators.pattern_argument, operators.return_code, operators.returned_value, operators.same_text,
            operators.text_argument, operators.too_long, operators.without_text, stored,
        ):
            names[call.__name__] = call
        return names

    # ------------------------------------------------------------------------------------------------------- errors
    def report(self, error: ConfigError, pos: Pos | None = None) -> None:
        """Note an error; the place is added when it has none. The same one is noted once."""
        if isinstance(error, Unjudged):
            return
        if pos is not None and not error.line:
            error.file, error.line, error.column, error.end_column = pos.file, pos.line, pos.column, pos.end_column
        key = (error.file, error.line, error.column, error.message)
        if all((one.file, one.line, one.column, one.message) != key for one in self.errors):
            self.errors.append(error)

    def warn(self, pos: Pos, message: str) -> None:
        """Note something accepted that the author may want to change."""
        self.script.warnings.append(ConfigWarning(pos, message))

    # ----------------------------------------------------------------------------------------------------- variables
    def bind(self, spec: VarSpec, pos: Pos) -> BoundVar:
        """The bound variable; errors carry the place."""
        entry = self.registry.pvars.get(spec.name)
        if entry is not None and not self.is_known(entry[0]):
            raise error_at(UnknownName(
                f"unknown variable ${spec.name}", hint=f'loadmodule "{entry[0].name}.so" stands further down',
            ), pos)
        try:
            bound = self.binder.bind(spec, pos)
        except ConfigError as error:
            raise error_at(error, pos) from None
        except Exception as error:
            if self.fixups:
                raise
            raise Unjudged(str(error)) from None
        if bound.deprecated:
            self.warn(pos, f"{bound.text} is deprecated, write {bound.deprecated}")
        return bound

    def is_known(self, instance: Module) -> bool:
        """The module was loaded before the route that is being compiled."""
        return self.known is None or instance.name == CORE or instance.name in self.known

    def read(self, spec: VarSpec, pos: Pos) -> str:
        """The Python expression that reads a variable."""
        if spec.name == "cfg_line" or spec.name == "cfg_file":
            if self.last_line:
                pos = pos._replace(line=self.last_line)
            if not spec.transformations:
                return repr(pos.line if spec.name == "cfg_line" else pos.file)
            fixed = self.binder_with_place(spec, pos)
            return f"{self.names.name('v', fixed.get, spec.name)}(ctx)"
        bound = self.bind(spec, pos)
        if bound.inline is not None:
            grouped = _OPERAND.fullmatch(bound.inline) or bound.inline.startswith("(") and bound.inline.endswith(")")
            return bound.inline if grouped else f"({bound.inline})"
        return f"{self.names.name('v', bound.get, spec.raw)}(ctx)"

    def binder_with_place(self, spec: VarSpec, pos: Pos) -> BoundVar:
        """$(cfg_line{...}): the transformations over the place of this very statement."""
        value = pos.line if spec.name == "cfg_line" else pos.file
        argument = VarSpec("cfg_line", f"{spec.raw} at {pos.file}:{pos.line}", transformations=spec.transformations)
        bound = Binder(_OnePlace(self.registry, value), self.script).bind(argument, pos)
        return bound

    # ----------------------------------------------------------------------------------------------------- functions
    def function(self, node: nodes.Call, is_async: bool) -> tuple[Module, FunctionDecl]:
        """The function a call means: of a module loaded before, for that form of call, allowed in this route."""
        found = [entry for entry in self.registry.functions.get(node.name, ()) if self.is_known(entry[0])]
        if not found:
            later = self.registry.functions.get(node.name)
            hint = f'loadmodule "{later[0][0].name}.so" stands further down' if later else nearest(
                node.name, [name for name, list_ in self.registry.functions.items() if any(self.is_known(e[0]) for e in list_)],
            )
            raise error_at(UnknownName(f"unknown command <{node.name}>, missing loadmodule?", hint=hint), node.pos)
        fitting = [entry for entry in found if (entry[1].async_ok if is_async else entry[1].plain)]
        if not fitting:
            if is_async:
                raise error_at(ConfigError(f"command <{node.name}> cannot be called in async() or launch()"), node.pos)
            raise error_at(ConfigError(
                f"command <{node.name}> can be called in async() or launch() only",
                hint=f"write async({node.name}(...), resume_route)",
            ), node.pos)
        allowed = [entry for entry in fitting if entry[1].routes & KINDS[self.route.kind]]
        if not allowed:
            raise error_at(ConfigError(
                f"Command <{node.name}> cannot be used in the block",
                hint=f"it may stand in {_where(fitting[0][1].routes)}, not in {TITLES[self.route.kind]}",
            ), node.pos)
        count = len(node.args)
        return next((entry for entry in allowed if entry[1].required <= count <= len(entry[1].params)), allowed[0])


class _OnePlace:
    """A registry in which $cfg_line has one value."""

    def __init__(self, registry: Registry, value: int | str) -> None:
        from engine.module import pvar

        self.server = registry.server
        self.transformations = registry.transformations
        decl = pvar("cfg_line")(lambda _module, _ctx: value)
        self.pvars = {**registry.pvars, "cfg_line": (registry.core[0] if registry.core else Module(), decl)}


def error_at(error: ConfigError, pos: Pos) -> ConfigError:
    """The error with a place, unless it has one."""
    if not error.line:
        error.file, error.line, error.column, error.end_column = pos.file, pos.line, pos.column, pos.end_column
    return error


def _where(routes: int) -> str:
    """The kinds of a mask, for a hint."""
    return ", ".join(TITLES[kind] for kind, bit in KINDS.items() if routes & bit)
