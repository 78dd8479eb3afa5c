r"""Translation rules: what matches, and what comes out.

A rule compares the whole input (operator 0) or searches it with a Perl-style expression (1). The first matching rule of each
kind, by priority, is found; of the two the one with the smaller priority wins, then the one that stands first in the table.
The output is the replacement, in which \1 ... \9 are groups of subst_exp, \0 its whole match, \u the Request-URI, $variables
are expanded. Without subst_exp, or when nothing of that occurs, the replacement stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from engine.module import Context, Value, print_of
from engine.script.varspec import VarSpec, parse_format
from modules.shared.pcre import compile_pcre
from modules.shared.timerec import Expression, parse_expression

EQUAL, REGEX = 0, 1
CASE_INSENSITIVE: Final = 1
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t"}

Getter = Callable[[Context], Value]
Part = str | int | Getter


def _request_uri(ctx: Context) -> Value:
    return ctx.ruri


def replacement_parts(text: str, bind: Callable[[VarSpec], Getter]) -> list[Part]:
    """The pieces of a replacement: texts, numbers of groups, getters. ConfigError: an unknown variable."""
    parts: list[Part] = []
    plain: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        found: Part | None = None
        if char == "\\" and at + 1 < len(text):
            follower = text[at + 1]
            at += 2
            if follower.isdigit():
                found = int(follower)
            elif follower == "u":
                found = _request_uri
            else:
                plain.append(_CONTROL.get(follower, follower))
                continue
        elif char == "$":
            spec = parse_format(text[at:])[0]
            if isinstance(spec, VarSpec):
                found = bind(spec)
                at += len(spec.raw)
            else:
                plain.append(char)
                at += 1
                continue
        else:
            plain.append(char)
            at += 1
            continue
        if plain:
            parts.append("".join(plain))
            plain.clear()
        parts.append(found)
    if plain:
        parts.append("".join(plain))
    return parts


@dataclass(slots=True)
class Rule:
    """One row of the table."""

    place: int
    """Its number in the table."""
    dpid: int
    priority: int
    operator: int
    match_exp: str
    ignore_case: bool
    pattern: re.Pattern[str] | None
    subst: re.Pattern[str] | None
    replacement: str
    parts: list[Part]
    attributes: str
    times: Expression | None

    def matches(self, text: str, now: float) -> bool:
        """Whether the rule is for an input at a moment."""
        if self.times is not None and not self.times.matches(now):
            return False
        if self.pattern is not None:
            return self.pattern.search(text) is not None
        return text.lower() == self.match_exp.lower() if self.ignore_case else text == self.match_exp

    def translate(self, ctx: Context, text: str) -> str | None:
        """The output, "" for a rule without one; None: the input does not fit subst_exp."""
        if not self.replacement:
            return ""
        found = None
        if self.subst is not None:
            found = self.subst.search(text)
            if found is None:
                return None
        if found is None or all(isinstance(part, str) for part in self.parts):
            return self.replacement
        out = []
        for part in self.parts:
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, int):
                out.append(found[part] or "")
            else:
                out.append(print_of(part(ctx)))
        return "".join(out)


def build_rule(place: int, row: tuple[Any, ...], bind: Callable[[VarSpec], Getter]) -> Rule:
    """A rule from (dpid, pr, match_op, match_exp, match_flags, subst_exp, repl_exp, attrs, timerec). Raises ValueError or
    ConfigError with what is wrong with it."""
    dpid, priority, operator, match_exp, flags, subst_exp, repl_exp, attributes, times = row
    if operator not in (EQUAL, REGEX):
        raise ValueError(f"unknown match operator {operator}")
    match_exp = str(match_exp or "")
    if operator == EQUAL and not match_exp:
        raise ValueError("the match expression is empty")
    ignore_case = bool(int(flags or 0) & CASE_INSENSITIVE)
    pcre_flags = re.IGNORECASE if ignore_case else 0
    pattern = compile_pcre(match_exp, pcre_flags) if operator == REGEX else None
    subst = compile_pcre(str(subst_exp), pcre_flags) if subst_exp else None
    replacement = str(repl_exp or "")
    parts = replacement_parts(replacement, bind)
    most = max((part for part in parts if isinstance(part, int)), default=0)
    if most > (subst.groups if subst is not None else 0):
        raise ValueError(f"the replacement uses group {most}, which subst_exp does not have")
    return Rule(
        place, int(dpid), int(priority or 0), operator, match_exp, ignore_case, pattern, subst, replacement, parts,
        str(attributes or ""), parse_expression(str(times)) if times else None,
    )


class Ruleset:
    """The rules of one dialplan id, by kind, in the order in which they are tried."""

    __slots__ = ("exact", "searched")

    def __init__(self) -> None:
        self.exact: dict[str, list[Rule]] = {}
        """Rules that compare, by lower case text."""
        self.searched: list[Rule] = []

    def add(self, rule: Rule) -> None:
        """Append a rule; they come sorted by priority."""
        if rule.operator == EQUAL:
            self.exact.setdefault(rule.match_exp.lower(), []).append(rule)
        else:
            self.searched.append(rule)

    def find(self, text: str, now: float) -> Rule | None:
        """The rule for an input, None without one."""
        exact = next((rule for rule in self.exact.get(text.lower(), ()) if rule.matches(text, now)), None)
        searched = next((rule for rule in self.searched if rule.matches(text, now)), None)
        if exact is None or searched is None:
            return exact or searched
        return searched if (searched.priority, searched.place) < (exact.priority, exact.place) else exact
