"""What a script stores and is given: $var, $avp, parameters, return values, codes, errors, levels, the stack of routes.

$var belongs to the process: one dict on the server. AVPs belong to the run or its transaction: name -> values, newest last.
"""

from __future__ import annotations

from typing import Any

from engine.errors import ScriptError
from engine.module import ALL_INDEXES, Module, pvar
from engine.script.context import BRANCH, Context
from engine.script.values import NumberText, TextNumber, Value, number_of, print_of, text_of
from engine.script.variables.common import joined


def stored(value: Value) -> Value:
    """A value as variables keep it: a text or a number, never both."""
    kind = value.__class__
    if kind is str or kind is int or value is None:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    return int(value)


def parse_number(text: str) -> int | str:
    """The name of $param: a number, or (event routes) a text."""
    stripped = text.strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() else text


class StorageVariables(Module):
    """$var, $avp, $param, $return, $argv."""

    @pvar("var", inline=lambda name: f"V.get({name!r})")
    def var(self, ctx: Context, name: str) -> Value:
        """$var(name): belongs to the process, NULL until it is set."""
        return self.server.script_vars.get(name)  # type: ignore[no-any-return]

    @var.setter
    def set_var(self, ctx: Context, name: str, value: Value) -> None:
        kind = value.__class__
        self.server.script_vars[name] = value if kind is str or kind is int else stored(value)

    @pvar("avp", index_words=("append",), inline=lambda name: f"(ctx.avps[{name!r}][-1] if {name!r} in ctx.avps else None)")
    def avp(self, ctx: Context, name: str, index: Any) -> Value:
        """$avp(name): the newest value; [i] counts from the newest, negative from the oldest, [*] joins all."""
        values = ctx.avps.get(name)
        if not values or index == "append":
            return None
        if index is None:
            return values[-1]
        if index == ALL_INDEXES:
            return joined(ctx, values[::-1])
        place = -1 - index
        return values[place] if -len(values) <= place < len(values) else None

    @avp.setter
    def set_avp(self, ctx: Context, name: str, index: Any, value: Value) -> None:
        """= adds in front, [append] at the far end, [i] replaces, [*] replaces all; NULL deletes the newest, [i] or all."""
        avps = ctx.avps
        kind = value.__class__
        if index is None:
            if value is None:
                self._delete(ctx, name, 0)
            elif name in avps:
                avps[name].append(value if kind is str or kind is int else stored(value))
            else:
                avps[name] = [value if kind is str or kind is int else stored(value)]
        elif index == ALL_INDEXES:
            _replace(ctx, name, value)
        elif value is None:
            self._delete(ctx, name, 0 if index == "append" else index)
        elif index == "append":
            avps.setdefault(name, []).insert(0, stored(value))
        else:
            values = avps.get(name)
            place = -1 - index
            if not values or not -len(values) <= place < len(values):
                raise ScriptError(f"$avp({name}) has no value [{index}]")
            values[place] = stored(value)

    @avp.assigner
    def replace_avp(self, ctx: Context, name: str, index: Any, value: Value) -> None:
        """:= drops all values first."""
        _replace(ctx, name, None if isinstance(index, int) else value)
        if isinstance(index, int) and value is not None:
            raise ScriptError(f"$avp({name}) has no value [{index}] any more")

    @staticmethod
    def _delete(ctx: Context, name: str, index: int) -> None:
        values = ctx.avps.get(name)
        place = -1 - index
        if values and -len(values) <= place < len(values):
            del values[place]
            if not values:
                del ctx.avps[name]

    @pvar("param", parse_name=parse_number)
    def param(self, ctx: Context, name: Any) -> Value:
        """$param(n): the n-th parameter of this route() call, from 1; in event routes also by name."""
        params = ctx.params
        if params is None:
            return None
        by_number = getattr(params, "by_number", None)
        if by_number is not None:
            return by_number(name) if isinstance(name, int) else params.by_name(name)  # type: ignore[no-any-return]
        if isinstance(name, int) and 0 < name <= len(params):
            return params[name - 1]  # type: ignore[no-any-return]
        return None

    @pvar("return", parse_name=parse_number)
    def returned(self, ctx: Context, name: Any) -> Value:
        """$return(n): the n-th value behind the code of the last return, from 0. A number counts as a text in arithmetic."""
        values = ctx.returned
        if not isinstance(name, int) or name >= len(values):
            return None
        value = values[name]
        if isinstance(value, int):
            return TextNumber(print_of(value), int(value))
        return value

    @pvar("argv")
    def argv(self, ctx: Context, name: str) -> Value:
        """$argv(x): the value of -o x=... on the command line."""
        return self.server.options.get(name)  # type: ignore[no-any-return]


def _replace(ctx: Context, name: str, value: Value) -> None:
    """One value in the place of all; NULL: none."""
    if value is None:
        ctx.avps.pop(name, None)
    else:
        ctx.avps[name] = [stored(value)]


class StateVariables(Module):
    """$rc, $err.*, $cfg_*, the levels and the stack of routes."""

    @pvar("rc", "retcode", inline=lambda name: "ctx.rc")
    def rc(self, ctx: Context) -> Value:
        """$rc: code of the last statement."""
        return ctx.rc

    @pvar("err.class")
    def err_class(self, ctx: Context) -> Value:
        """1 parser, 4 assert; 0 without an error."""
        return 0 if ctx.error is None else ctx.error.kind  # type: ignore[no-any-return]

    @pvar("err.level")
    def err_level(self, ctx: Context) -> Value:
        """1 critical, 3 medium; 0 without an error."""
        return 0 if ctx.error is None else ctx.error.level  # type: ignore[no-any-return]

    @pvar("err.info")
    def err_info(self, ctx: Context) -> Value:
        """What went wrong, "" without an error."""
        return "" if ctx.error is None else ctx.error.info  # type: ignore[no-any-return]

    @pvar("err.rcode")
    def err_rcode(self, ctx: Context) -> Value:
        """Code of the reply that fits, 0 without an error."""
        return 0 if ctx.error is None else ctx.error.code  # type: ignore[no-any-return]

    @pvar("err.rreason")
    def err_rreason(self, ctx: Context) -> Value:
        """Reason of that reply, "" without an error."""
        return "" if ctx.error is None else ctx.error.reason  # type: ignore[no-any-return]

    @pvar("cfg_line")
    def cfg_line(self, ctx: Context) -> Value:
        """Line of the running statement."""
        return ctx.line

    @pvar("cfg_file")
    def cfg_file(self, ctx: Context) -> Value:
        """File of the running statement."""
        return ctx.script.file

    @pvar("log_level")
    def log_level(self, ctx: Context) -> Value:
        """Threshold of the log; NULL goes back to the configured one."""
        return self.server.log.level  # type: ignore[no-any-return]

    @log_level.setter
    def set_log_level(self, ctx: Context, value: Value) -> None:
        self.server.log.root.set_level(_level(value, "$log_level"))

    @pvar("xlog_level")
    def xlog_level(self, ctx: Context) -> Value:
        """Threshold of xlog(); NULL goes back to the configured one."""
        return self.server.log.root.xlog_level  # type: ignore[no-any-return]

    @xlog_level.setter
    def set_xlog_level(self, ctx: Context, value: Value) -> None:
        self.server.log.root.set_xlog_level(_level(value, "$xlog_level"))

    @pvar("route")
    def route(self, ctx: Context, index: Any) -> Value:
        """$route: the running route, [1] its caller, [-1] the top one, [*] all from the top."""
        stack = ctx.route_stack
        if not stack:
            return None
        return " > ".join(stack) if index == ALL_INDEXES else _level_of_stack(stack, index)

    @pvar("route.name")
    def route_name(self, ctx: Context, index: Any) -> Value:
        """Name of a route of the stack, "" for a nameless one.

        A branch_route runs inside of the route that relays; as in the reference its own name is not seen then.
        """
        stack = ctx.route_stack
        title = _level_of_stack(stack, index)
        if title is None:
            return None
        return "" if ctx.kind == BRANCH and stack is not None and title is stack[0] else title.partition("[")[2][:-1]

    @pvar("route.type")
    def route_type(self, ctx: Context, index: Any) -> Value:
        """Type of a route of the stack: the top one's kind, "route" for whatever runs inside of it."""
        stack = ctx.route_stack
        title = _level_of_stack(stack, index)
        if title is None or stack is None:
            return None
        return title.partition("[")[0] if title is stack[0] else "route"


def _level(value: Value, name: str) -> int | None:
    if value is None:
        return None
    number = None if isinstance(value, str) else number_of(value)
    if number is None:
        raise ScriptError(f"{name} takes a number, not {text_of(value)!r}")
    return number


def _level_of_stack(stack: list[str] | None, index: Any) -> str | None:
    """A title by its distance from the running route; negative from the top."""
    if stack is None or index == ALL_INDEXES:
        return None
    place = -1 - (index or 0)
    return stack[place] if -len(stack) <= place < len(stack) else None


TRUE = NumberText(1, "true")
FALSE = NumberText(0, "false")
"""Flags print as words and count as numbers."""
