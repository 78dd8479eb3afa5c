"""{re.subst,/pattern/replacement/flags}: substitution by a POSIX extended expression, which may come from a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.errors import ConfigError, UnknownName
from engine.script.subst import Subst, parse_subst
from engine.script.transformations.base import Step
from engine.script.values import Value, text_of
from engine.script.varspec import Transformation, VarSpec

if TYPE_CHECKING:
    from engine.script.context import Context

_MAX_KEPT: Final = 64


def bind(binder: Any, item: Transformation, pos: Any) -> Step:
    """The step of one {re.subst}. A constant expression that is broken gives NULL when it runs, as in the reference."""
    if item.func != "subst":
        raise UnknownName(f"unknown transformation {{re.{item.func}}}", hint="did you mean {re.subst}?")
    if not item.args:
        raise ConfigError(f"the transformation {item.raw} lacks its expression")
    given = item.args[0]
    raw = item.raw

    def parse(text: str) -> Subst:
        return parse_subst(text, lambda spec: binder.bind(spec, pos).get)

    def run(ctx: Context, subst: Subst, value: Value) -> Value:
        text = text_of(value)
        if not text:
            return None
        try:
            return subst.apply(ctx, text)[0]
        except ValueError as error:
            ctx.server.log.error("transformation %s: %s", raw, error)
            return None

    if isinstance(given, VarSpec):
        get = binder.bind(given, pos).get
        kept: dict[str, Subst] = {}

        def from_variable(ctx: Context, value: Value) -> Value:
            text = text_of(get(ctx))
            if not text:
                return None
            subst = kept.get(text)
            if subst is None:
                try:
                    subst = parse(text)
                except (ValueError, ConfigError) as error:
                    ctx.server.log.error("transformation %s: %s", raw, error)
                    return None
                if len(kept) >= _MAX_KEPT:
                    kept.clear()
                kept[text] = subst
            return run(ctx, subst, value)

        return from_variable
    try:
        constant = parse(given)
    except ValueError as error:
        reason = str(error)

        def broken(ctx: Context, value: Value) -> Value:
            ctx.server.log.error("transformation %s: %s", raw, reason)
            return None

        return broken
    return lambda ctx, value: run(ctx, constant, value)
