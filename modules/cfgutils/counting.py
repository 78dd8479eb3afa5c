"""Variables with several values: set_count(), set_select_weight(), shuffle_avps()."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError
from engine.module import ALL_ROUTES, Context, Value, Var, function, number_of
from engine.script.variables.binder import Binder


class Counting:
    """Mixed into the module."""

    if TYPE_CHECKING:
        log: Any
        server: Any
        _random: random.Random

    def _values(self, ctx: Context, variable: Var) -> list[Value]:
        """All values of a variable, up to the first NULL; $avp(x) means all of them as $(avp(x)[*]) does."""
        at = getattr(variable, "at", None)
        if at is None and variable.text.startswith("$") and not variable.text.startswith("$("):
            try:
                at = Binder(self.server.registry).bind_text(f"$({variable.text[1:]}[*])").at
            except ConfigError:
                at = None
        if at is None:
            value = variable.get(ctx)
            return [] if value is None else [value]
        found: list[Value] = []
        while (value := at(ctx, len(found))) is not None:
            found.append(value)
        return found

    @function(ALL_ROUTES, writable=("ret_var",))
    def set_count(self, ctx: Context, var_to_count: Var, ret_var: Var) -> int:
        """Write the number of values of a variable into another one. 1."""
        assert ret_var.set is not None
        ret_var.set(ctx, len(self._values(ctx, var_to_count)))
        return 1

    @function(ALL_ROUTES)
    def set_select_weight(self, ctx: Context, int_list_var: Var) -> int:
        """Choose one of the values by chance, weighted by the values themselves: its index is the return code.

        -1 when there are none or one is no number. (Index 0 ends the script when it is the code of a statement.)
        """
        weights = [number_of(value) for value in self._values(ctx, int_list_var)]
        if not weights or None in weights:
            self.log.error("%s has no values, or some that are no numbers", int_list_var.text)
            return -1
        numbers = [number for number in weights if number is not None]
        if len(numbers) == 1:
            return 0
        total = sum(numbers)
        if total <= 0 or min(numbers) < 0:
            self.log.error("the weights in %s must be positive", int_list_var.text)
            return -1
        return self._random.choices(range(len(numbers)), numbers)[0]

    @function(ALL_ROUTES)
    def shuffle_avps(self, ctx: Context, name: Var) -> int:
        """Put the values of an AVP into random order. 1; -1 when the variable is no AVP."""
        if name.name != "avp" or not isinstance(name.inner, str):
            self.log.error("shuffle_avps() takes an AVP with a constant name, not %s", name.text)
            return -1
        values = ctx.avps.get(name.inner)
        if values is not None:
            self._random.shuffle(values)
        return 1
