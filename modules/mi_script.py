"""mi_script: management commands out of the script.

    mi("ds_reload");    mi("cache_fetch local key", $var(result));    async(mi("dr_reload"), resume);

Manual: OpenSIPS 3.6, module mi_script. The plain call waits for the command as the asynchronous one does; other messages are
served meanwhile.
"""

from __future__ import annotations

from typing import Any

from engine.errors import ConfigError, MiError
from engine.mi.jsonrpc import JSON_NULL, encode
from engine.module import ALL_ROUTES, Context, Module, Var, async_function, function, modparam, print_of
from modules.shared.output import put

_TRACING = "nothing here sends copies of management commands to a tracing server"
_ARRAY = "__array("


def avp_only(variable: Var) -> Var:
    """Fixup: an AVP, from which all values are read."""
    if variable.name != "avp" or not isinstance(variable.inner, str):
        raise ConfigError(f"{variable.text} is no AVP")
    return variable


class MiScript(Module):
    """The module."""

    pretty_printing = modparam(int, 0, min=0, max=1, help="1: results over several lines, indented")
    trace_destination = modparam(str, "", help="where commands are traced to", effect=_TRACING)
    trace_bwlist = modparam(str, "", help="which commands are traced", effect=_TRACING)

    @function(ALL_ROUTES, params_avp=avp_only, vals_avp=avp_only)
    def mi(
        self, ctx: Context, command: str, ret_var: Var | None = None, params_avp: Var | None = None, vals_avp: Var | None = None,
    ) -> int:
        """Run a management command; its result goes into ret_var as JSON, or the text of its error.

        command: the name and, split at blanks, its parameters; those are left aside when params_avp has them. params_avp alone:
        the values, the newest first; with vals_avp: the names, and there the values ("__array(a b)" is a list).
        1; the negative code of the command's error; -1 there is no such command; -2 params_avp has more values than vals_avp.
        """
        code, text = ctx.wait(self._run(ctx, command, params_avp, vals_avp))
        return self._finish(ctx, ret_var, code, text)

    @async_function(ALL_ROUTES, name="mi", params_avp=avp_only, vals_avp=avp_only)
    async def mi_async(
        self, ctx: Context, command: str, ret_var: Var | None = None, params_avp: Var | None = None, vals_avp: Var | None = None,
    ) -> Any:
        """The same for async() and launch()."""
        code, text = await self._run(ctx, command, params_avp, vals_avp)
        return lambda: self._finish(ctx, ret_var, code, text)

    @staticmethod
    def _finish(ctx: Context, ret_var: Var | None, code: int, text: str | None) -> int:
        if text is not None:
            put(ctx, ret_var, text)
        return code

    async def _run(self, ctx: Context, command: str, params_avp: Var | None, vals_avp: Var | None) -> tuple[int, str | None]:
        """The code of mi() and the text for its variable."""
        name, _, rest = command.strip().partition(" ")
        if self.server.mi.command(name) is None:
            self.log.error("there is no management command %s", name)
            return -1, None
        if params_avp is None:
            params_avp, vals_avp = vals_avp, None
        params: dict[str, Any] | list[Any]
        if params_avp is None:
            params = rest.split()
        elif vals_avp is None:
            params = [print_of(value) for value in self._values(ctx, params_avp)]
        else:
            names, values = self._values(ctx, params_avp), self._values(ctx, vals_avp)
            if len(values) < len(names):
                self.log.error("%s has fewer values than %s", vals_avp.text, params_avp.text)
                return -2, "could not parse script params!"
            if len(values) > len(names):
                self.log.warning("%s has more values than %s, the rest is ignored", vals_avp.text, params_avp.text)
            params = {print_of(key): self._value(value) for key, value in zip(names, values, strict=False)}
        try:
            result = await self.server.mi.call(name, params)
        except MiError as error:
            return -abs(error.code) or -3, error.message
        return 1, encode(None if result is JSON_NULL else result, bool(self.pretty_printing)).decode("latin-1")

    @staticmethod
    def _values(ctx: Context, variable: Var) -> list[Any]:
        """All values of an AVP, the newest first."""
        return ctx.avps.get(str(variable.inner), [])[::-1]

    @staticmethod
    def _value(value: Any) -> Any:
        if isinstance(value, str) and value.startswith(_ARRAY) and value.endswith(")"):
            return value[len(_ARRAY):-1].split(" ")
        return value


exports = MiScript
