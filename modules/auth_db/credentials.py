"""load_credentials: further columns of an account that become AVPs when it was authorised.

    modparam("auth_db", "load_credentials", "$avp(mail)=email_address; rpid")      # the second one becomes $avp(rpid)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.errors import ConfigError
from engine.module import Context
from engine.script.varspec import parse_variable


class Extra(NamedTuple):
    """A column and the AVP it goes to."""

    avp: str
    column: str


def parse_extras(text: str) -> tuple[Extra, ...]:
    """What load_credentials says; () for "". Raises ConfigError."""
    pieces = [piece.strip() for piece in text.split(";")]
    if pieces and not pieces[-1]:
        pieces.pop()
    found = []
    for piece in pieces:
        left, equals, right = piece.partition("=")
        column = (right if equals else left).strip()
        if not column:
            raise ConfigError(f"bad load_credentials {text!r}: a column is missing", hint='it looks like "$avp(x)=column;column"')
        found.append(Extra(_avp_name(left.strip()) if equals else column, column))
    return tuple(found)


def _avp_name(text: str) -> str:
    spec = parse_variable(text)
    if spec.name != "avp" or not spec.inner or spec.inner_var is not None or spec.transformations or spec.index is not None:
        raise ConfigError(f"bad load_credentials: expected $avp(name), not {text!r}")
    return spec.inner


def give(ctx: Context, extras: tuple[Extra, ...], cells: tuple[Any, ...], log: Any) -> None:
    """Put cells into their AVPs; NULL and "" are left out. Of two columns for one AVP the first is on top."""
    for extra, cell in reversed(list(zip(extras, cells))):
        value = cell.decode("latin-1") if isinstance(cell, bytes) else cell
        if value is None or value == "":
            continue
        if isinstance(value, float) or not isinstance(value, str | int):
            log.error("load_credentials: column %s is neither text nor integer", extra.column)
            continue
        # Integers of a script have 32 bits; a longer one is kept as it is, as a text.
        fits = isinstance(value, int) and -0x80000000 <= value <= 0x7FFFFFFF
        ctx.avps.setdefault(extra.avp, []).append(value if fits else str(value))
