"""Results that a function hands to the script in a variable it was given."""

from __future__ import annotations

from engine.module import Context, ScriptError, Value, Var


def put(ctx: Context, variable: Var | None, value: Value) -> None:
    """Set an output variable, when there is one. Raises ScriptError (-1) for a read-only variable or a value it refuses."""
    if variable is None:
        return
    if variable.set is None:
        raise ScriptError(f"cannot set {variable.text}, it is read-only")
    variable.set(ctx, value)
