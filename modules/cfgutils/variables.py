"""$shv (shared by all runs, over reloads too), $env, and start values of $shv and $var."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from engine.errors import MiError
from engine.mi.jsonrpc import bad_params
from engine.module import Context, Value, mi_command, modparam, pvar


def assignment(text: str) -> tuple[str, int | str]:
    """name=i:5 or name=s:text as (name, value); raises ValueError."""
    name, equals, rest = text.partition("=")
    kind, colon, value = rest.partition(":")
    kind = kind.lower()
    if not name or not equals or not colon or kind not in ("i", "s"):
        raise ValueError(f"{text!r} is not of the form name=i:number or name=s:text")
    if kind == "s":
        return name, value
    try:
        return name, int(value)
    except ValueError:
        raise ValueError(f"{value!r} in {text!r} is no number") from None


class Variables:
    """Mixed into the module."""

    if TYPE_CHECKING:
        server: Any

    shvset = modparam(str, None, multi=True, parse=assignment, help="start value of a $shv: name=i:number or name=s:text")
    varset = modparam(str, None, multi=True, parse=assignment, help="start value of a $var: name=i:number or name=s:text")

    def init_variables(self) -> None:
        """At mod_init."""
        self.shared: dict[str, int | str] = dict(self.shvset)
        self.server.script_vars.update(self.varset)

    @pvar("shv", parse_name=str.strip)
    def shv(self, ctx: Context, name: str) -> Value:
        """A shared variable; 0 until it is set."""
        return self.shared.setdefault(name, 0)

    @shv.setter
    def set_shv(self, ctx: Context, name: str, value: Value) -> None:
        """NULL sets it to 0."""
        if value is None:
            self.shared[name] = 0
        else:
            self.shared[name] = str(value) if isinstance(value, str) else int(value)

    @pvar("env")
    def env(self, ctx: Context, name: str) -> Value:
        """A variable of the environment, NULL when it is not set."""
        found = os.environb.get(name.encode("latin-1", "replace"))
        return None if found is None else found.decode("latin-1")

    @mi_command("shv_get", help="shows shared variables", recipes=[[], ["name"]])
    def mi_shv_get(self, name: str | None = None) -> Any:
        """All of them, or one; 404 when it does not exist."""
        if name is None:
            return [[{"name": one, **_described(value)} for one, value in self.shared.items()]]
        if name not in self.shared:
            raise MiError(404, "Not found")
        return {"VAR": _described(self.shared[name])}

    @mi_command("shv_set", help="sets a shared variable; type is int or str")
    def mi_shv_set(self, name: str, type: str, value: str) -> None:
        """-32602 when an int is no number."""
        if type[:1].lower() == "s":
            if not value:
                raise MiError(500, "value not found")
            self.shared[name] = value
            return
        if not type:
            raise MiError(500, "type not found")
        try:
            self.shared[name] = int(value)
        except ValueError:
            raise bad_params("Bad type for parameter 'value'") from None


def _described(value: int | str) -> dict[str, Any]:
    return {"type": "string" if isinstance(value, str) else "integer", "value": value}
