"""Calls of functions: arguments to Python expressions, with everything constant resolved once.

A literal goes through its fixup now, a variable or a format per call. What the script may write for each kind of parameter
is section 15 of the language reference; a wrong kind is an error at the argument's place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import ConfigError, ScriptError
from engine.module import FunctionDecl, Module, ParamDecl
from engine.script import nodes
from engine.script.formats import compile_format
from engine.script.nodes import Pos
from engine.script.posix_regex import compile_posix
from engine.script.spellings import NUMBERS
from engine.script.unit import Unit, Unjudged, error_at
from engine.script.varspec import VarSpec, parse_format


class Calls:
    """Writes the arguments of a unit's calls."""

    __slots__ = ("unit",)

    def __init__(self, unit: Unit) -> None:
        self.unit = unit

    def bound(self, node: nodes.Call, is_async: bool) -> tuple[FunctionDecl, str, list[str]]:
        """The declaration, the global name of the bound method, and the expressions of all its parameters."""
        unit = self.unit
        instance, decl = unit.function(node, is_async)
        script = unit.script
        (script.used_async if is_async else script.used).add(node.name)
        arguments = self._arguments(node, instance, decl)
        if decl.check is not None and unit.fixups:
            literals = [arg.value if isinstance(arg, nodes.Const) else None for arg in node.args]
            try:
                decl.check(instance, node, literals)
            except ConfigError as error:
                raise error_at(error, node.pos) from None
        attr = decl.async_attr if is_async and decl.async_attr else decl.attr
        method = getattr(instance, attr)
        return decl, unit.names.name("f", method, decl.name), arguments

    def _arguments(self, node: nodes.Call, instance: Module, decl: FunctionDecl) -> list[str]:
        given: list[nodes.Const | nodes.Var | None] = list(node.args)
        if given == [None] and not decl.params:
            given = []
        name = node.name
        if len(given) > len(decl.params):
            raise error_at(ConfigError(
                f"too many parameters for command <{name}>", hint=f"it takes {_counted(len(decl.params))}: {signature(decl)}",
            ), node.pos)
        if len(given) < decl.required:
            raise error_at(ConfigError(
                f"too few parameters for command <{name}>", hint=f"it needs {_counted(decl.required)}: {signature(decl)}",
            ), node.pos)
        codes: list[str] = []
        for place, param in enumerate(decl.params):
            arg = given[place] if place < len(given) else None
            if arg is None:
                if not param.optional:
                    raise error_at(ConfigError(
                        f"mandatory parameter omitted: <{param.name}> of command <{name}>", hint=signature(decl),
                    ), node.pos)
                codes.append(self._literal(param, param.default, ""))
                continue
            try:
                codes.append(self._argument(instance, decl, param, arg))
            except ConfigError as error:
                self.unit.report(error, arg.pos)
                codes.append("None")
        return codes

    # ------------------------------------------------------------------------------------------------------ one argument
    def _argument(self, instance: Module, decl: FunctionDecl, param: ParamDecl, arg: nodes.Const | nodes.Var) -> str:
        kind = param.kind
        if isinstance(arg, nodes.Var):
            return self._variable(instance, decl, param, arg)
        if kind == "var":
            raise self._wrong(decl, param, "a variable", arg)
        if kind in ("int", "static_int"):
            if isinstance(arg.value, str):
                raise self._wrong(decl, param, "a number" if kind == "static_int" else "a number or a variable", arg)
            return self._fixed(instance, param, arg.value, arg.pos)
        if not isinstance(arg.value, str):
            if NUMBERS.get(decl.name, ("", ""))[0] == param.name or getattr(self._fixup(instance, param), "takes_numbers", False):
                return self._number_as_text(instance, decl, param, arg)
            raise self._wrong(decl, param, "a string" if kind == "static_str" else "a string or a variable", arg)
        if kind == "raw":
            return self._fixed(instance, param, arg.value, arg.pos)
        if kind == "regex":
            try:
                return self._fixed(instance, param, compile_posix(arg.value), arg.pos)
            except ValueError as error:
                raise ConfigError(f"bad regular expression {arg.value!r}: {error}") from None
        return self._text(instance, decl, param, arg)

    def _number_as_text(self, instance: Module, decl: FunctionDecl, param: ParamDecl, arg: nodes.Const) -> str:
        """A number where releases from 3.4 on want a text: what 3.1 ... 3.3 write is taken, and a warning names today's form."""
        if not self.unit.live_params:
            today = NUMBERS.get(decl.name, ("", "the names of the flags in quotes"))[1]
            self.unit.warn(arg.pos, f"{decl.name}() takes the number {arg.value} as 3.1 to 3.3 do, write {today}")
        return self._fixed(instance, param, str(arg.value), arg.pos)

    def _text(self, instance: Module, decl: FunctionDecl, param: ParamDecl, arg: nodes.Const) -> str:
        """A string for a text parameter: a format, unless it is static."""
        parts = parse_format(str(arg.value), arg.pos)
        plain = all(isinstance(part, str) for part in parts)
        if plain:
            return self._fixed(instance, param, "".join(part for part in parts if isinstance(part, str)), arg.pos)
        if param.kind == "static_str":
            raise self._wrong(decl, param, "a string without variables", arg)
        return self._run_fixup(instance, param, self.limited(self.format_code(parts, arg.pos)))

    def _variable(self, instance: Module, decl: FunctionDecl, param: ParamDecl, arg: nodes.Var) -> str:
        unit = self.unit
        kind = param.kind
        if kind in ("static_str", "static_int"):
            raise self._wrong(decl, param, "a literal", arg)
        if kind == "var":
            bound = unit.bind(arg.spec, arg.pos)
            if param.writable and bound.set is None:
                raise ConfigError(
                    f"variable {arg.raw} is read-only", hint=f"command <{decl.name}> writes its parameter <{param.name}>",
                )
            if param.fixup is not None:
                return self._fixed(instance, param, bound, arg.pos)
            return unit.names.name("var", bound, arg.raw)
        code = unit.read(arg.spec, arg.pos)
        if kind == "int":
            return self._run_fixup(instance, param, f"x if (x := {code}).__class__ is int else number_argument(x)")
        if kind == "regex":
            return self._run_fixup(instance, param, f"pattern_argument({code})")
        return self._run_fixup(instance, param, f"x if (x := {code}).__class__ is str else text_argument(x)")

    def _wrong(self, decl: FunctionDecl, param: ParamDecl, wanted: str, arg: nodes.Const | nodes.Var) -> ConfigError:
        got = arg.raw if isinstance(arg, nodes.Var) else repr(arg.value)
        return ConfigError(
            f"parameter <{param.name}> of command <{decl.name}> is expected to be {wanted}, not {got}", hint=signature(decl),
        )

    # ------------------------------------------------------------------------------------------------------------ fixups
    def _fixup(self, instance: Module, param: ParamDecl) -> Callable[..., Any] | None:
        fixup = param.fixup
        return getattr(instance, fixup) if isinstance(fixup, str) else fixup

    def _fixed(self, instance: Module, param: ParamDecl, value: Any, pos: Pos) -> str:
        """A literal, through its fixup."""
        fixup = self._fixup(instance, param)
        hint = str(value)[:20] if isinstance(value, str) else ""
        if fixup is not None:
            if not self.unit.fixups and isinstance(param.fixup, str) and not hasattr(fixup, "__early_fixup__"):
                return "None"  # it needs its module, which is not initialised
            try:
                value = fixup(value)
            except ConfigError as error:
                raise error_at(error, pos) from None
            except (ValueError, ScriptError) as error:
                raise error_at(ConfigError(str(error)), pos) from None
            except Exception as error:
                if self.unit.fixups:
                    raise
                raise Unjudged(str(error)) from None
        return self._literal(param, value, hint)

    def _literal(self, param: ParamDecl, value: Any, hint: str) -> str:
        """A constant in the text: numbers and strings as they are, objects by a global name."""
        if value is None or value.__class__ in (str, int, bool):
            return repr(value)
        return self.unit.names.name(param.name, value, hint)

    def _run_fixup(self, instance: Module, param: ParamDecl, code: str) -> str:
        """The expression of what is known only when the call is made."""
        fixup = self._fixup(instance, param)
        if fixup is None:
            return code
        return f"{self.unit.names.name('fix', fixup, param.name)}({code})"

    # ----------------------------------------------------------------------------------------------------------- formats
    def format(self, text: str, pos: Pos) -> str:
        """The expression that prints a format."""
        return self.format_code(parse_format(text, pos), pos)

    def format_code(self, parts: list[str | VarSpec], pos: Pos) -> str:
        """The expression that prints the parts of a format."""
        return compile_format([
            (False, part) if isinstance(part, str) else (True, self.unit.read(part, pos)) for part in parts
        ])

    def limited(self, code: str) -> str:
        """A format as an argument: longer than pv_print_buf_size fails."""
        return f"x if len(x := {code}) <= {self.unit.settings.pv_print_buf_size} else too_long(x)"


def signature(decl: FunctionDecl) -> str:
    """How a function is called, for hints: send_reply(code, reason[, headers])."""
    text = ""
    open_ = 0
    for place, param in enumerate(decl.params):
        if param.optional and all(later.optional for later in decl.params[place:]):
            text += "["
            open_ += 1
        text += (", " if place else "") + param.name
    return f"{decl.name}({text}{']' * open_})"


def _counted(count: int) -> str:
    return "no parameters" if not count else "1 parameter" if count == 1 else f"{count} parameters"
