"""AVPs named in the text of a function's parameter, as "$avp(name)" or "$avp($var(name))[2]"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import ConfigError
from engine.module import Context, ScriptError, Value, text_of
from engine.script.variables.binder import Binder
from engine.script.varspec import VarSpec, parse_variable


class AvpRef:
    """An AVP by name; the name may come from a variable."""

    __slots__ = ("text", "constant", "index", "_get")

    def __init__(self, text: str, constant: str | None, index: Any, get: Callable[[Context], Value] | None) -> None:
        self.text = text
        self.constant = constant
        """The name, None when it is known per run only."""
        self.index = index
        """What stood in brackets: a number, "*", or None."""
        self._get = get

    def name(self, ctx: Context) -> str:
        """The name now. Raises ScriptError when its variable has no text."""
        if self.constant is not None:
            return self.constant
        assert self._get is not None
        found = text_of(self._get(ctx))
        if not found:
            raise ScriptError(f"{self.text} has no name")
        return found

    def values(self, ctx: Context) -> list[Value]:
        """All values, the newest first."""
        return ctx.avps.get(self.name(ctx), [])[::-1]


def add(ctx: Context, name: str, value: Value) -> None:
    """A new value of an AVP, in front of those it has."""
    ctx.avps.setdefault(name, []).append(value)


def parse_avp(binder: Binder, text: str) -> AvpRef:
    """An AVP by its text. Raises ConfigError: it is none."""
    spec = parse_variable(text.strip())
    if spec.name != "avp" or spec.transformations or not spec.inner:
        raise ConfigError(f"expected $avp(name), not {text!r}")
    index = spec.index
    if isinstance(index, VarSpec):
        raise ConfigError(f"the index of {text} has to be a number")
    if spec.inner_var is not None:
        return AvpRef(text, None, index, binder.bind(spec.inner_var).get)
    return AvpRef(text, spec.inner, index, None)
