"""Reading variables: `$name`, `$name(inner)`, `$(<context>name(inner)[index]{class.func,arg}...)`, alone or inside a format.

This is about form only: whether a name, an index or a transformation exists is for the checker. The name is `[A-Za-z0-9_.]+`,
`inner` is everything up to the matching parenthesis, and index and transformations exist only in the form `$( ... )`.
Blanks may stand between transformations and before the closing parenthesis, nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from engine.errors import ScriptSyntaxError

_NAME: Final = re.compile(r"[A-Za-z0-9_.]+")
_CONTEXT: Final = re.compile(r"<([A-Za-z0-9_.\-]*)>")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+\Z")
_BLANKS: Final = " \t\r\n"
_DOLLAR_START: Final = re.compile(r"[A-Za-z0-9_.(]")


@dataclass(slots=True)
class Transformation:
    """One `{class.func,arg,...}`. Class and function are in lower case, blanks around arguments are gone, `\\x` is x."""

    cls: str
    func: str
    args: list[str | VarSpec]
    """Split at commas; an argument that is a variable as a whole is a VarSpec."""
    text: str = ""
    """Everything behind the first comma as written, for functions that split it their own way (`s.select`, `re.subst`)."""
    raw: str = ""
    """The whole transformation as written, with the braces."""


@dataclass(slots=True)
class VarSpec:
    """A variable by its parts."""

    name: str
    raw: str
    """As written, with the dollar sign."""
    inner: str | None = None
    """Text between the parentheses behind the name; None without parentheses."""
    inner_var: VarSpec | None = None
    """The variable when `inner` is one as a whole, as in `$avp($var(n))`."""
    index: int | str | VarSpec | None = None
    """`[3]` is 3, `[*]` is "*", `[append]` is "append", `[$var(i)]` a VarSpec; None without an index."""
    transformations: list[Transformation] = field(default_factory=list)
    context: str = ""
    """`request` of `$(<request>ru)`, else empty."""


class _Reader:
    """Walks along one text; `fail` raises with the place that the caller gave."""

    __slots__ = ("column", "end_column", "file", "line", "text")

    def __init__(self, text: str, pos: tuple[str, int, int, int] | None) -> None:
        self.text = text
        self.file, self.line, self.column, self.end_column = pos if pos else ("", 0, 0, 0)

    def fail(self, message: str, hint: str = "") -> ScriptSyntaxError:
        return ScriptSyntaxError(message, self.file, self.line, self.column, self.end_column, hint)

    def variable(self, start: int) -> tuple[VarSpec, int]:
        """The variable whose dollar sign is at `start`, and the offset behind it."""
        text = self.text
        at = start + 1
        bracketed = text.startswith("(", at)
        context = ""
        if bracketed:
            at += 1
            if text.startswith("<", at):
                found = _CONTEXT.match(text, at)
                if found is None or not found[1]:
                    raise self.fail(f"bad context in the variable {_short(text, start)}", "write $(<request>ru)")
                context = found[1]
                at = found.end()
        name = _NAME.match(text, at)
        if name is None:
            raise self.fail(f"a variable name is missing in {_short(text, start)}", "write $name or $(name), $$ for a dollar")
        spec = VarSpec(name[0], "", context=context)
        at = name.end()
        if text.startswith("(", at):
            end = self.closing(at)
            spec.inner = text[at + 1 : end]
            if not spec.inner:
                raise self.fail(f"the parentheses behind ${spec.name} are empty", f"write ${spec.name}(name)")
            if spec.inner.startswith("$"):
                spec.inner_var = whole_variable(spec.inner)
            at = end + 1
        if bracketed:
            if text.startswith("[", at):
                spec.index, at = self.index(at)
            at = self.transformations(spec, at)
            if not text.startswith(")", at):
                raise self.fail(
                    f"')' expected behind {text[start:at]!r} in the variable {_short(text, start)}",
                    "the form is $(name(inner)[index]{transformation})",
                )
            at += 1
        spec.raw = text[start:at]
        return spec, at

    def closing(self, at: int) -> int:
        """Offset of the parenthesis that closes the one at `at`."""
        depth = 0
        text = self.text
        for offset in range(at, len(text)):
            char = text[offset]
            if char == "(":
                depth += 1
            elif char == ")":
                depth -= 1
                if not depth:
                    return offset
        raise self.fail(f"a parenthesis is not closed in {_short(text, at)}")

    def index(self, at: int) -> tuple[int | str | VarSpec, int]:
        """The index whose bracket opens at `at`, and the offset behind the closing one."""
        text = self.text
        if text.startswith("$", at + 1):
            spec, end = self.variable(at + 1)
            if not text.startswith("]", end):
                raise self.fail(f"']' expected behind the index of {_short(text, at)}")
            return spec, end + 1
        end = text.find("]", at)
        if end < 0:
            raise self.fail(f"an index is not closed in {_short(text, at)}")
        inner = text[at + 1 : end].strip(_BLANKS)
        if _INTEGER.match(inner):
            return int(inner), end + 1
        if inner == "*" or re.fullmatch(r"[A-Za-z_]+", inner):
            return inner, end + 1
        raise self.fail(f"bad index [{inner}]", "an index is a number, *, or a variable")

    def transformations(self, spec: VarSpec, at: int) -> int:
        """All transformations that follow at `at`; the offset of what follows them."""
        text = self.text
        while text.startswith("{", at):
            item, at = self.transformation(at)
            spec.transformations.append(item)
            while at < len(text) and text[at] in _BLANKS:
                at += 1
        return at

    def transformation(self, start: int) -> tuple[Transformation, int]:
        """The transformation whose brace opens at `start`, and the offset behind its closing brace."""
        text = self.text
        at = self.skip_name(start + 1)
        head = text[start + 1 : at].strip(_BLANKS)
        cls, dot, func = head.partition(".")
        if text.startswith("}", at) or text.startswith(",", at):
            if not cls:
                raise self.fail(f"a transformation has no name in {_short(text, start)}", "write {class.function}")
        else:
            raise self.fail(f"the transformation {_short(text, start)} is not closed", "a '}' is missing")
        item = Transformation(cls.rstrip(_BLANKS).lower(), func.lower() if "$" not in func else func, [])
        if text[at] == ",":
            begin = at + 1
            at = self.arguments(item, begin)
            item.text = text[begin:at]
        item.raw = text[start : at + 1]
        return item, at + 1

    def skip_name(self, at: int) -> int:
        """Offset of the comma or brace behind the name of a transformation; a variable may be part of it."""
        text = self.text
        while at < len(text) and text[at] not in ",}":
            at = self.variable(at)[1] if text[at] == "$" else at + 1
        return at

    def arguments(self, item: Transformation, at: int) -> int:
        """Read the arguments that begin at `at` into `item`; the offset of the closing brace."""
        text = self.text
        whole = item.cls == "re"  # one expression: /pattern/replacement/flags, commas are part of it
        select = item.cls == "s" and item.func == "select"
        chars: list[str] = []
        variable: VarSpec | None = None
        while at < len(text):
            char = text[at]
            if select and len(item.args) == 1:
                # The separator is one character, whichever it is: a comma, a backslash, a blank, even the closing brace.
                item.args.append(char)
                end = at if char == "}" and not text.startswith("}", at + 1) else text.find("}", at + 1)
                if end < 0:
                    break
                return end
            elif char == "\\" and at + 1 < len(text):
                follower = text[at + 1]
                if whole and follower not in "{}":
                    chars.append(char)
                chars.append(follower)
                at += 2
            elif char == "$" and (not whole or _DOLLAR_START.match(text, at + 1)):
                spec, end = self.variable(at)
                if not "".join(chars).strip(_BLANKS):
                    variable = spec
                chars.append(text[at:end])
                at = end
            elif char == "}" or (char == "," and not whole):
                item.args.append(self.argument("".join(chars), variable))
                chars.clear()
                variable = None
                if char == "}":
                    return at
                at += 1
            else:
                chars.append(char)
                at += 1
        raise self.fail(f"the transformation {{{item.cls}.{item.func} ...}} is not closed", "a '}' is missing")

    @staticmethod
    def argument(text: str, variable: VarSpec | None) -> str | VarSpec:
        """One argument: a variable when it is one as a whole, else its text."""
        trimmed = text.strip(_BLANKS)
        return variable if variable is not None and variable.raw == trimmed else trimmed


def _short(text: str, start: int) -> str:
    """The part of a text that an error message quotes."""
    part = text[start : start + 40]
    return repr(part + "..." if len(text) > start + 40 else part)


def parse_variable(text: str, pos: tuple[str, int, int, int] | None = None) -> VarSpec:
    """The variable that `text` is as a whole; ScriptSyntaxError otherwise. `pos` is an `engine.script.nodes.Pos`."""
    reader = _Reader(text, pos)
    if not text.startswith("$"):
        raise reader.fail(f"{text!r} is not a variable", "variables begin with $")
    spec, end = reader.variable(0)
    if end != len(text):
        raise reader.fail(
            f"unexpected {text[end:]!r} behind the variable {spec.raw}",
            "an index or a transformation needs the form $(name[index]{transformation})",
        )
    return spec


def whole_variable(text: str) -> VarSpec | None:
    """The variable that `text` is as a whole, or None."""
    if not text.startswith("$"):
        return None
    try:
        return parse_variable(text)
    except ScriptSyntaxError:
        return None


def parse_format(text: str, pos: tuple[str, int, int, int] | None = None) -> list[str | VarSpec]:
    """Split a format into plain texts and variables; `$$` is one dollar sign, a lone `$` is a ScriptSyntaxError.

    Plain parts are never empty and never stand side by side; an empty format is an empty list.
    """
    if "$" not in text:
        return [text] if text else []
    reader = _Reader(text, pos)
    parts: list[str | VarSpec] = []
    plain = ""
    at = 0
    while True:
        dollar = text.find("$", at)
        if dollar < 0:
            plain += text[at:]
            break
        plain += text[at:dollar]
        if text.startswith("$", dollar + 1):
            plain += "$"
            at = dollar + 2
            continue
        if not _DOLLAR_START.match(text, dollar + 1):
            raise reader.fail(f"a lone $ in {_short(text, dollar)}", "write $$ for a dollar sign")
        spec, at = reader.variable(dollar)
        if plain:
            parts.append(plain)
            plain = ""
        parts.append(spec)
    if plain:
        parts.append(plain)
    return parts
