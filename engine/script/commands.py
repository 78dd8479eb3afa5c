"""Commands: function calls, assignments, route(), return, xlog, assert, async and launch, to Python text.

Each leaves its code in `ctx.rc` and in the local `rc`. What raises while a statement runs is logged with the statement's
place, and the statement's code is negative; the script goes on.
"""

from __future__ import annotations

from typing import Final

from engine.errors import ConfigError, UnknownName
from engine.script import nodes
from engine.script.calls import Calls
from engine.script.conditions import Conditions
from engine.script.runtime import level_of
from engine.script.unit import Unit, error_at, title_of
from engine.script.usage import constant_route
from engine.script.valuecode import Values, with_constant
from engine.script.varspec import VarSpec, parse_format
from engine.similar import nearest

_TRACE_WORDS: Final = {
    "=": "equal", ":=": "colon-eq", "+=": "plus-eq", "-=": "minus-eq", "/=": "div-eq", "*=": "mult-eq", "%=": "modulo-eq",
    "&=": "b-and-eq", "|=": "b-or-eq", "^=": "b-xor-eq",
}
_CORE_WORDS: Final = {
    nodes.If: "if", nodes.While: "while", nodes.For: "for-each", nodes.Switch: "switch", nodes.Break: "break",
    nodes.Return: "return", nodes.Exit: "exit", nodes.Drop: "drop", nodes.Xlog: "xlog", nodes.Xdbg: "xdbg", nodes.Log: "log",
    nodes.ErrorStmt: "error", nodes.Assert: "assert",
}


class Commands:
    """Writes the commands of a unit's routes."""

    __slots__ = ("unit", "conditions", "values", "calls")

    def __init__(self, unit: Unit, conditions: Conditions, values: Values) -> None:
        self.unit = unit
        self.conditions = conditions
        self.values = values
        self.calls = Calls(unit)

    def _guarded(self, *lines: str, handler: str = "fault") -> None:
        """Lines that may raise; the handler gives the code then."""
        writer = self.unit.writer
        writer.line("try:")
        for text in lines:
            writer.line(f"    {text}")
        writer.line("except Exception as e:")
        writer.line(f"    ctx.rc = rc = {handler}(ctx, e)")

    def _stop(self) -> None:
        """A 0 ends the script."""
        self.unit.writer.line("if rc == 0:")
        self.unit.writer.line("    return 0")

    # ------------------------------------------------------------------------------------------------------------- calls
    def call(self, node: nodes.Call) -> None:
        """A function."""
        decl, name, arguments = self.calls.bound(node, is_async=False)
        code = f"{name}({', '.join(['ctx', *arguments])})"
        if decl.waits:
            self._guarded(f"ctx.rc = rc = code_of(ctx.wait({code}))")
            self._stop()
        elif decl.returns == "bool":
            self._guarded(f"ctx.rc = rc = 1 if {code} else -1")
        elif decl.returns == "none":
            self._guarded(code, "ctx.rc = rc = 1")
        else:
            self._guarded(f"ctx.rc = rc = {code}")
            self._stop()

    # ------------------------------------------------------------------------------------------------------- assignments
    def assign(self, node: nodes.Assign) -> None:
        """`target op value`."""
        unit = self.unit
        spec = node.target.spec
        if spec.transformations:
            raise error_at(ConfigError(
                f"{node.target.raw} cannot be assigned to", hint="a variable on the left side takes no transformation",
            ), node.target.pos)
        target = unit.bind(spec, node.target.pos)
        setter = target.assign if node.op == ":=" else target.set
        if setter is None:
            raise error_at(ConfigError(f"read only variable {node.target.raw} on the left side"), node.target.pos)
        if node.op in ("=", ":="):
            value = self.values.assigned(node.value, target.text_only)
        else:
            if isinstance(node.value, nodes.Null):
                raise error_at(ConfigError(f"NULL cannot stand behind {node.op}", hint="use = or :="), node.pos)
            right = self.values.value(node.value)
            left = unit.read(spec, node.target.pos)
            if isinstance(node.value, nodes.Const):
                value = with_constant(node.op[:-1], left, node.value.value, f"combine({node.op[:-1]!r}, x, {right})")
            else:
                value = f"combine({node.op[:-1]!r}, {left}, {right})"
            if target.text_only:
                value = f"without_text({value})"
        if target.inline == f"V.get({target.inner!r})" and _is_plain(node.value) and (node.op in ("=", ":=")):
            # $var = constant or the result of an operator: nothing to convert, and a constant cannot fail.
            place = f"V[{target.inner!r}]"
            if isinstance(node.value, nodes.Const):
                unit.writer.line(f"{place} = {value}")
                unit.writer.line("ctx.rc = rc = 1")
            else:
                self._guarded(f"{place} = {value}", "ctx.rc = rc = 1", handler="assign_fault")
            return
        if target.inline == f"V.get({target.inner!r})" and node.op not in ("=", ":="):
            self._guarded(f"V[{target.inner!r}] = {value}", "ctx.rc = rc = 1", handler="assign_fault")
            return
        if target.inline == f"V.get({target.inner!r})" and isinstance(node.value, nodes.Var):
            kept = f"x if (x := {value}).__class__ is str or x.__class__ is int else stored(x)"
            self._guarded(f"V[{target.inner!r}] = {kept}", "ctx.rc = rc = 1", handler="assign_fault")
            return
        if spec.name == "avp" and target.inline is not None and node.op in ("=", ":=") and _is_plain(node.value):
            # An AVP by its name, and a value that is never NULL: the newest one, or the only one.
            one = f"ctx.avps[{target.inner!r}] = [{value}]" if node.op == ":=" else (
                f"ctx.avps.setdefault({target.inner!r}, []).append({value})")
            if isinstance(node.value, nodes.Const):
                unit.writer.line(one)
                unit.writer.line("ctx.rc = rc = 1")
                return
            if node.op == ":=":
                self._guarded(one, "ctx.rc = rc = 1", handler="assign_fault")
                return
        name = unit.names.name("s", setter, spec.raw)
        self._guarded(f"{name}(ctx, {value})", "ctx.rc = rc = 1", handler="assign_fault")

    # ------------------------------------------------------------------------------------------------------------ routes
    def route_call(self, node: nodes.RouteCall, need_rc: bool) -> None:
        """route(name, ...)."""
        unit, writer = self.unit, self.unit.writer
        name = constant_route(node)
        getters = [self.values.fixed(arg) for arg in node.args]
        if name is None:
            self._dynamic_route(node, getters)
            return
        known = unit.registry.route_names.get("request", set())
        if name not in known:
            raise error_at(UnknownName(f"route [{name}] is not defined", hint=nearest(name, known)), node.target.pos)
        body = _body_name(name, unit)
        params = self._params(node, getters)
        if unit.tracked:
            title = title_of("request", "" if name == "0" else name)
            self._guarded(f"ctx.rc = rc = call_route(ctx, {body}, {title!r}, {params})")
        elif unit.reads_params:
            outer = writer.temp("outer")
            writer.line(f"{outer} = ctx.params")
            if params == "None":
                writer.line("ctx.params = None")
                writer.line(f"ctx.rc = rc = {body}(ctx)")
            else:
                self._guarded(f"ctx.params = {params}", f"ctx.rc = rc = {body}(ctx)")
            writer.line(f"ctx.params = {outer}")
        else:
            writer.line(f"ctx.rc = rc = {body}(ctx)")
        self._stop()

    def _dynamic_route(self, node: nodes.RouteCall, getters: list[str]) -> None:
        """route($var(x)), route("name$var(x)")."""
        unit, writer = self.unit, self.unit.writer
        target = node.target
        if isinstance(target, nodes.Var):
            code = unit.read(target.spec, target.pos)
        else:
            code = self.calls.format(str(target.value), target.pos)
        name, found = writer.temp("name"), writer.temp("found")
        with writer.block("try:"):
            writer.line(f"{name} = {code}")
        with writer.block("except Exception as e:"):
            writer.line("fault(ctx, e)")
            writer.line(f"{name} = None")
        writer.line(f"{found} = find_route({name})")
        with writer.block(f"if {found} is None:"):
            writer.line("rc = -5")  # $rc keeps its value
        with writer.block("else:"):
            params = self._params(node, getters)
            self._guarded(f"ctx.rc = rc = call_route(ctx, {found}, f'route[{{{name}}}]', {params})")
        self._stop()

    def _params(self, node: nodes.RouteCall, getters: list[str]) -> str:
        """The expression of what $param() reads in the called route."""
        if not getters or not self.unit.reads_params:
            return "None"
        if self.unit.live_params and any(isinstance(arg, nodes.Var) for arg in node.args):
            live = [f"lambda ctx: {code}" if isinstance(arg, nodes.Var) else code
                    for arg, code in zip(node.args, getters, strict=True)]
            return f"LiveParams(ctx, ({', '.join(live)},), ctx.params)"
        return f"({', '.join(getters)},)"

    def returned(self, node: nodes.Return, ends_script: bool = False) -> None:
        """return, return(code), return(code, value ...)."""
        unit, writer = self.unit, self.unit.writer
        code, *rest = node.values or [None]
        values = [f"returned_value({self.values.fixed(value)})" for value in rest if value is not None]
        if unit.reads_returned:
            if values:
                self._guarded(f"ctx.returned = ({', '.join(values)},)")
            else:
                writer.line("ctx.returned = ()")
        if ends_script:
            writer.line("return 0")
        elif code is None or isinstance(code, nodes.Null):
            number = 1 if code is None else -1
            writer.line(f"ctx.rc = {number}")
            writer.line(f"return {number}")
        elif isinstance(code, nodes.Const):
            writer.line(f"ctx.rc = {code.value}")
            writer.line(f"return {code.value}")
        else:
            self._guarded(f"ctx.rc = rc = return_code({unit.read(code.spec, code.pos)})")
            writer.line("return rc")

    # ----------------------------------------------------------------------------------------------------------- logging
    def xlog(self, node: nodes.Xlog | nodes.Xdbg) -> None:
        """xlog([level,] text), xdbg(text): the text is put together only when it will be printed."""
        unit = self.unit
        text = str(node.text.value)
        if not text:
            raise error_at(ConfigError("the text of xlog is empty"), node.text.pos)
        code = self.calls.format(text, node.text.pos)
        if isinstance(node, nodes.Xdbg):
            level = "4"
        elif node.level is None:
            level = str(unit.settings.xlog_print_level)
        elif "$" in str(node.level.value):
            self._xlog_by_variable(node.level, code)
            return
        else:
            number = level_of(str(node.level.value))
            if number is None:
                raise error_at(ConfigError(
                    f"unknown xlog level {node.level.value!r}", hint="L_ALERT L_CRIT L_ERR L_WARN L_NOTICE L_INFO L_DBG",
                ), node.level.pos)
            level = str(number)
        self._guarded(f"ctx.rc = rc = xlog({level}, {code}) if LOG.xlog_level >= {level} else 1")

    def _xlog_by_variable(self, level: nodes.Const, code: str) -> None:
        """xlog("$var(level)", ...)"""
        parts = parse_format(str(level.value), level.pos)
        if len(parts) == 1 and isinstance(parts[0], VarSpec):
            asked = self.unit.read(parts[0], level.pos)
        else:
            asked = self.calls.format_code(parts, level.pos)
        name = self.unit.writer.temp("level")
        self._guarded(
            f"{name} = xlog_level({asked})", f"ctx.rc = rc = xlog({name}, {code}) if LOG.xlog_level >= {name} else 1",
        )

    def log(self, node: nodes.Log) -> None:
        """log([level,] text)."""
        level = 4 if node.level is None else node.level.value
        if not isinstance(level, int):
            raise error_at(ConfigError(f"the level of log is a number, not {level!r}"), node.pos)
        self.unit.writer.line(f"ctx.rc = rc = plain_log({level}, {str(node.text.value)!r})")

    def assertion(self, node: nodes.Assert) -> None:
        """assert(condition[, text])."""
        unit, writer = self.unit, self.unit.writer
        if not unit.settings.enable_asserts:
            with writer.block("while False:"):
                self.conditions.plain(node.cond)  # judged, never asked
            writer.line("ctx.rc = rc = -5")
            return
        condition = self.conditions.plain(node.cond)
        text = "" if node.text is None else str(node.text.value)
        writer.line(f"if not ({condition}):")
        writer.line(f"    return failed_assert(ctx, {text!r}, {node.pos.file!r}, {node.pos.line})")
        writer.line("ctx.rc = rc = 1")

    # ------------------------------------------------------------------------------------------------- async and launch
    def async_call(self, node: nodes.Async) -> None:
        """async(f(...), route[, timeout]): the script ends here, unless an argument has no value."""
        target = self._target(node.route)
        timeout = 0 if node.timeout is None else node.timeout.value
        decl, name, arguments = self.calls.bound(node.call, is_async=True)
        args = f"({', '.join(['ctx', *arguments])},)"
        self._guarded(f"ctx.rc = rc = start_async(ctx, {name}, {args}, {target!r}, {timeout})")
        self._stop()

    def launch(self, node: nodes.Launch) -> None:
        """launch(f(...)[, route[, param]])."""
        target = None if node.route is None else self._target(node.route)
        decl, name, arguments = self.calls.bound(node.call, is_async=True)
        args = f"({''.join(f'{argument}, ' for argument in arguments)})"
        param = "None" if node.param is None else self.calls.format(str(node.param.value), node.param.pos)
        self._guarded(f"ctx.rc = rc = launch(ctx, {name}, {args}, {target!r}, {param})")
        self._stop()

    def _target(self, route: nodes.Const) -> str:
        """The name of a resume or report route, which must exist."""
        name = str(route.value)
        known = self.unit.registry.route_names.get("request", set())
        if name not in known:
            raise error_at(UnknownName(f"route [{name}] is not defined", hint=nearest(name, known)), route.pos)
        return name

    # ----------------------------------------------------------------------------------------------------- script_trace
    @staticmethod
    def trace_words(node: nodes.Stmt) -> tuple[str, str]:
        """Class and action of a statement, as script_trace prints them."""
        if isinstance(node, nodes.Assign):
            return "assign", _TRACE_WORDS[node.op]
        if isinstance(node, nodes.Call):
            return "module", node.name
        if isinstance(node, nodes.RouteCall):
            return "route", constant_route(node) or ""
        if isinstance(node, nodes.Async | nodes.Launch):
            return ("async" if isinstance(node, nodes.Async) else "launch"), node.call.name
        return "core", _CORE_WORDS[type(node)]


def _is_plain(node: nodes.Value | nodes.Null) -> bool:
    """The value is a plain number or text, whatever its operands are."""
    return isinstance(node, nodes.Const | nodes.Arith | nodes.BitNot | nodes.Compare)


def _body_name(name: str, unit: Unit) -> str:
    """The global name of the body of route[name]."""
    return unit.body_names["request", "" if name == "0" else name]
