"""What a module author imports. A module is a class whose body is its export table.

    class Greylist(Module):
        tm: Tm | None = wants("tm")
        expire = modparam(int, 60, min=1, help="seconds an entry lives")

        @function(REQUEST)
        def greylist_add(self, ctx: Context, key: str, period: Static[int] | None = None) -> int: ...

    exports = Greylist

The declarations are data: the registry reads them once at load, the checker judges scripts by them, the compiler binds
the methods directly into the compiled routes, the MI `which` and the manual print them. Nothing here runs per message.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, Union

from engine.errors import ConfigError, MiError, ModparamError, ScriptError
from engine.script.context import (
    ALL_ROUTES, BRANCH, ERROR, EVENT, FAILURE, LOCAL, ONREPLY, REQUEST, STARTUP, TIMER, Branch, Context,
)
from engine.script.values import NumberText, TextNumber, Value, number_of, print_of, text_of

if TYPE_CHECKING:
    from engine.script.script import Script

__all__ = [
    "ALL_INDEXES", "ALL_ROUTES", "BRANCH", "ERROR", "EVENT", "FAILURE", "LOCAL", "ONREPLY", "REQUEST", "STARTUP", "TIMER",
    "Branch", "ConfigError", "Context", "MiError", "ModparamError", "Module", "NumberText", "Pattern", "Raw", "ScriptError",
    "Static", "TextNumber", "Value", "Var", "async_function", "event", "function", "mi_command", "modparam", "needs",
    "number_of", "print_of", "pvar", "stat", "text_of", "transformation", "wants",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

# ---------------------------------------------------------------- kinds of parameters

Static = Annotated[T, "static"]
"""Static[str], Static[int]: a literal; anything else is a config error."""
Raw = Annotated[T, "raw"]
"""Raw[str]: the text as written, formats not expanded."""
# Annotated[frozenset[str], "str"]: the script writes a string, a fixup makes a frozenset of it.
Pattern = Annotated[re.Pattern[str], "regex"]
"""A regular expression: POSIX extended, case ignored, multi-line; a literal is compiled at load, a variable per call."""

ALL_INDEXES: Final = "*"


class Var:
    """A variable handed to a function: get and set, already bound to its name and index."""

    __slots__ = ("get", "set", "text", "name", "inner")

    def __init__(
        self, get: Callable[[Context], Value], set: Callable[[Context, Value], None] | None, text: str,
        name: str = "", inner: Any = None,
    ) -> None:
        self.get = get
        """get(ctx) -> value."""
        self.set = set
        """set(ctx, value); raises ScriptError when the variable refuses it. None: read-only."""
        self.text = text
        """As written, e.g. "$avp(x)"."""
        self.name = name
        """Name of the variable class, e.g. "avp", "var"."""
        self.inner = inner
        """What stood in parentheses when it is constant, e.g. "x"; else None."""


@dataclass(slots=True)
class ParamDecl:
    """One parameter of a script function."""

    name: str
    kind: str
    """"str", "int", "static_str", "static_int", "raw", "regex", "var"."""
    optional: bool
    default: Any = None
    fixup: Callable[..., Any] | None = None
    """Called with the module's value: fixup(value), once at load for a literal, per call otherwise. A method of the module
    class may be named by its name as a string: it is then called as instance.method(value)."""
    writable: bool = False
    """"var" only: refuse a read-only variable."""


@dataclass(slots=True)
class FunctionDecl:
    """A script function."""

    name: str
    attr: str
    """Name of the method."""
    routes: int
    params: list[ParamDecl]
    returns: str
    """"int", "bool" (1 or -1) or "none" (1)."""
    waits: bool
    """An `async def`: the plain call waits in the worker."""
    plain: bool
    """May be called outside async()."""
    async_ok: bool
    """May be called inside async() and launch()."""
    async_attr: str = ""
    doc: str = ""
    check: Callable[..., None] | None = None

    @property
    def required(self) -> int:
        """How many parameters must be given."""
        return max((i + 1 for i, p in enumerate(self.params) if not p.optional), default=0)


def _param_kind(annotation: Any) -> tuple[str, bool]:
    """(kind, optional) of one annotation."""
    optional = False
    if typing.get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in typing.get_args(annotation) if a is not type(None)]
        optional = len(rest) < len(typing.get_args(annotation))
        annotation = rest[0]
    if typing.get_origin(annotation) is Annotated:
        base, mark = typing.get_args(annotation)[:2]
        if mark == "regex":
            return "regex", optional
        if mark == "static":
            return ("static_int" if base is int else "static_str"), optional
        if mark in ("raw", "str", "int"):
            return mark, optional
    if annotation is str:
        return "str", optional
    if annotation is int:
        return "int", optional
    if annotation is Var:
        return "var", optional
    raise TypeError(f"a script function cannot take {annotation!r}")


def function(
    routes: int = ALL_ROUTES, *, name: str | None = None, writable: tuple[str, ...] = (),
    check: Callable[..., None] | None = None, **fixups: Callable[..., Any] | str,
) -> Callable[[F], F]:
    """Export a method as script function. The annotations say what the script may write (see the manual, modules.md).

    routes: where it may stand. name: in the script, when it is not the method's. fixups: parameter name -> callable (or the
    name of a method) that turns the value into what the method wants. writable: names of Var parameters that must be
    writable. check(instance, script_call, literal_args): extra judgement at load, raises ConfigError.
    Return: int as documented, bool becomes 1 / -1, None becomes 1; 0 ends the script.
    """

    def mark(method: F) -> F:
        method.__script_function__ = ("plain", name, routes, fixups, writable, check)  # type: ignore[attr-defined]
        return method

    return mark


def early(fixup: F) -> F:
    """Mark a method used as fixup: it asks the text of the script only, so it can judge before the modules are initialised."""
    fixup.__early_fixup__ = True  # type: ignore[attr-defined]
    return fixup


def async_function(routes: int = ALL_ROUTES, *, name: str | None = None, **fixups: Callable[..., Any] | str) -> Callable[[F], F]:
    """Export a method for async(f(...), route) and launch(f(...)).

    The method is an `async def` returning the code, or a `def` that returns the code (the resume route runs at once; a
    negative code means it could not be started: the script goes on after the statement) or an awaitable of the code. What
    is awaited may give a callable instead: it is called in the worker of the run that goes on, sets the output variables
    ($var belongs to whatever run is on, so it cannot be set while another one is) and gives the code.
    Under @function it serves both: the plain call then waits in the worker.
    """

    def mark(method: F) -> F:
        method.__script_async__ = (name, routes, fixups)  # type: ignore[attr-defined]
        return method

    return mark


def function_decls(cls: type, attr: str, method: Any) -> list[FunctionDecl]:
    """The declarations a decorated method makes."""
    plain = getattr(method, "__script_function__", None)
    as_async = getattr(method, "__script_async__", None)
    if plain is None and as_async is None:
        return []
    hints = typing.get_type_hints(method, include_extras=True)
    fixups: dict[str, Any] = {}
    writable: tuple[str, ...] = ()
    check = None
    name, routes = None, ALL_ROUTES
    if as_async is not None:
        name, routes, more = as_async
        fixups.update(more)
    if plain is not None:
        _, name, routes, more, writable, check = plain
        fixups.update(more)
    params = []
    for parameter in list(inspect.signature(method).parameters.values())[2:]:
        kind, optional = _param_kind(hints[parameter.name])
        params.append(ParamDecl(
            parameter.name, kind, optional or parameter.default is not inspect.Parameter.empty,
            None if parameter.default is inspect.Parameter.empty else parameter.default,
            fixups.get(parameter.name), parameter.name in writable,
        ))
    unknown = set(fixups) - {p.name for p in params}
    if unknown:
        raise TypeError(f"{cls.__name__}.{attr}: fixup for unknown parameter {sorted(unknown)}")
    result = hints.get("return", type(None))
    returns = "bool" if result is bool else "none" if result is type(None) else "int"
    return [FunctionDecl(
        name or attr, attr, routes, params, returns, inspect.iscoroutinefunction(method), plain is not None,
        as_async is not None, attr, inspect.getdoc(method) or "", check,
    )]


# ---------------------------------------------------------------- module parameters


class modparam:  # noqa: N801  (reads as a declaration)
    """A module parameter: `expire = modparam(int, 60, min=1)`; on an instance it is the plain value.

    type: int or str. parse(text_or_number) -> value: raises ValueError or ConfigError for a bad one. multi: every modparam
    line adds to a list. name: in the script, when it is not the attribute's. choices: the values allowed. effect: a
    sentence for the start-up notice of a parameter that is accepted but has nothing to do here.
    """

    def __init__(
        self, type: type, default: Any = None, *, min: int | None = None, max: int | None = None, parse: Any = None,
        multi: bool = False, name: str | None = None, choices: tuple[Any, ...] = (), help: str = "", effect: str = "",
        both: bool = False,
    ) -> None:
        self.type = type
        self.default = default
        self.min = min
        self.max = max
        self.parse = parse
        self.multi = multi
        self.name = name or ""
        self.choices = choices
        self.help = help
        self.effect = effect
        self.both = both
        """The parameter takes a number as well as a string."""
        self.attr = ""

    def __set_name__(self, owner: type, attr: str) -> None:
        self.attr = attr
        self.name = self.name or attr

    if TYPE_CHECKING:
        def __get__(self, instance: Any, owner: Any = None) -> Any: ...

    def convert(self, value: int | str) -> Any:
        """The value an instance gets for what stands in the script; raises ModparamError with a sentence."""
        if not self.both and isinstance(value, str) != (self.type is str):
            wanted = "a string" if self.type is str else "a number"
            raise ModparamError(f"parameter <{self.name}> takes {wanted}, not {value!r}")
        if isinstance(value, int) and self.type is int:
            if self.min is not None and value < self.min:
                raise ModparamError(f"parameter <{self.name}>: {value} is too small, the least is {self.min}")
            if self.max is not None and value > self.max:
                raise ModparamError(f"parameter <{self.name}>: {value} is too large, the most is {self.max}")
        if self.choices and value not in self.choices:
            raise ModparamError(f"parameter <{self.name}>: {value!r} is none of {', '.join(map(str, self.choices))}")
        if self.parse is None:
            return value
        try:
            return self.parse(value)
        except ConfigError:
            raise
        except ValueError as error:
            raise ModparamError(f"parameter <{self.name}>: {error}") from None


# ---------------------------------------------------------------- dependencies


@dataclass(slots=True)
class Dependency:
    """needs() or wants(): replaced on the instance by the other module (or None)."""

    module: str
    required: bool


def needs(module: str) -> Any:
    """The instance of another module that must be loaded; it starts first and stops last."""
    return Dependency(module, True)


def wants(module: str) -> Any:
    """The instance of another module, or None when it is not loaded."""
    return Dependency(module, False)


# ---------------------------------------------------------------- variables, transformations


class pvar:  # noqa: N801
    """Export a getter as pseudo-variable: @pvar("name", ...aliases); `.setter` as with property.

    The getter's parameters after (self, ctx) say what it wants: `name` (what stands in parentheses; a variable there is
    resolved per read), `index` (None, an int, ALL_INDEXES for [*], or one of index_words). parse_name(text) -> name runs once
    at load for a constant; a string is the name of a method. Returns a Value. The setter takes (self, ctx, [name,] [index,]
    value) and raises ScriptError to refuse; an `.assigner` of the same shape is called for `:=` when that differs from `=`.
    name: "required" (default when the getter has one), "optional"; refused otherwise. text_only: the setter refuses numbers
    without a text (constants, results of arithmetic). inline(name) -> a Python expression in `ctx` (and `V`, the script
    variables) equal to the getter, for the hottest ones. deprecated: what to write instead.
    """

    def __init__(
        self, *names: str, parse_name: Any = None, name: str = "", index_words: tuple[str, ...] = (), text_only: bool = False,
        inline: Any = None, deprecated: str = "",
    ) -> None:
        self.names = names
        self.parse_name = parse_name
        self.name_rule = name
        self.index_words = index_words
        self.text_only = text_only
        self.inline = inline
        self.deprecated = deprecated
        self.get: Any = None
        self.set: Any = None
        self.assign: Any = None
        self.takes_name = False
        self.takes_index = False
        self.attr = ""

    def __call__(self, getter: Any) -> pvar:
        self.get = getter
        wanted = list(inspect.signature(getter).parameters)
        self.takes_name = "name" in wanted
        self.takes_index = "index" in wanted
        if self.takes_name and not self.name_rule:
            self.name_rule = "required"
        return self

    def setter(self, setter: Any) -> pvar:
        """Make the variable writable."""
        self.set = setter
        return self

    def assigner(self, assigner: Any) -> pvar:
        """What `:=` does."""
        self.assign = assigner
        return self

    def __set_name__(self, owner: type, attr: str) -> None:
        self.attr = attr


class transformation:  # noqa: N801
    """Export a method (self, value, *args) as transformation: @transformation("json.pretty").

    value is never NULL. args are str or int (annotations decide), a missing one takes its default. Raises ScriptError or
    returns None: the chain gives NULL.
    """

    def __init__(self, name: str) -> None:
        self.name = name.lower()
        self.call: Any = None

    def __call__(self, method: Any) -> transformation:
        self.call = method
        return self


# ---------------------------------------------------------------- MI, events, statistics


@dataclass(slots=True)
class MiDecl:
    """An MI command: its recipes are derived from the method's parameters (optional ones make further recipes)."""

    name: str
    attr: str = ""
    help: str = ""
    recipes: list[list[str]] = field(default_factory=list)
    named_only: bool = False
    method: Any = None


def mi_command(
    name: str, *, help: str = "", recipes: list[list[str]] | None = None, named_only: bool = False,
) -> Callable[[F], F]:
    """Export a method (self, **parameters) as MI command; `def` or `async def`.

    Annotations: str, int (numeric strings accepted), list[str]; a default makes the parameter optional. Returns what JSON
    shall carry; None is "OK". Raises MiError. recipes overrides the sets of names derived from the signature.
    """

    def mark(method: F) -> F:
        method.__mi_command__ = (name, help, recipes, named_only)  # type: ignore[attr-defined]
        return method

    return mark


class event:  # noqa: N801
    """An event the module raises: `E_X = event("key", "period")`, then `self.E_X.emit(key=..., period=...)`."""

    def __init__(self, *params: str, name: str = "") -> None:
        self.params = params
        self.name = name

    def __set_name__(self, owner: type, attr: str) -> None:
        self.name = self.name or attr

    if TYPE_CHECKING:
        def emit(self, **values: Any) -> None: ...

        @property
        def active(self) -> bool: ...


class stat:  # noqa: N801
    """A statistic of the module's group: a counter `hits = stat("hits")` (self.hits.inc()), or a gauge computed on demand
    with value=method name. no_reset as in OpenSIPS; gauge: listed as non-incremental."""

    def __init__(self, name: str, *, value: str | None = None, no_reset: bool = False, gauge: bool = False, group: str = "") -> None:
        self.name = name
        self.value = value
        self.no_reset = no_reset
        self.gauge = gauge or value is not None
        self.group = group

    if TYPE_CHECKING:
        def inc(self, step: int = 1) -> None: ...
        def set(self, value: int) -> None: ...
        count: int


# ---------------------------------------------------------------- the base class


class Module:
    """Base of all modules. Lifecycle: modparams set -> mod_init -> script checked and compiled -> child_init -> ... ->
    cfg_validate at each reload -> destroy."""

    name: str = ""
    """Name as in loadmodule, without .so."""
    server: Any
    """engine.server.core.Server."""
    log: Any
    """The log, bound to the module's name (engine.log.Log)."""

    def mod_init(self) -> None:
        """Modparams are set, other modules are there; the script is parsed but not yet compiled. May raise ConfigError."""

    async def child_init(self) -> None:
        """Open sockets, connect databases, start timers."""

    def cfg_validate(self, script: Script) -> None:
        """Judge a script (also at start) before it is swapped in: raise ConfigError to refuse it."""

    async def destroy(self) -> None:
        """Stop; called in the reverse order of child_init."""
