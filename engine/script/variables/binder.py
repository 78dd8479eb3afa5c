"""From the text of a variable to a getter and a setter: names, indexes, contexts and transformations are resolved once.

A bound variable is a Var with plain closures: get(ctx) and set(ctx, value) do no lookup by name, parse nothing and test
nothing that was known when the script was loaded. What stands in parentheses or brackets is a constant in most scripts and
becomes an argument of the closure; where it is a variable itself ($avp($var(n)), $(hdr(X)[$var(i)])) it is read per access.

Rules of reading and writing are those of the language reference: section 13 (variables), 13.9 (contexts), 14 (transformations).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.errors import ConfigError, ScriptError, UnknownName
from engine.module import ALL_INDEXES, Var, pvar
from engine.script.context import FAILURE, Context
from engine.script.nodes import ConfigWarning
from engine.script.nodes import Pos as Place
from engine.script.transformations import Step, bind_step
from engine.script.values import NumberText, Value, number_of, print_of, text_of
from engine.script.varspec import VarSpec, parse_format, parse_variable
from engine.similar import nearest

Getter = Callable[[Context], Value]
Setter = Callable[[Context, Value], None]
Other = Callable[[Context], "Context | None"]
Pos = tuple[str, int, int, int]

# A format evaluated at run time ({s.eval}) is bound once per text; texts are few, but they may come from the network.
_MAX_TEXTS: Final = 256


class BoundVar(Var):
    """A variable bound to its name, index, context and transformations."""

    __slots__ = ("assign", "inline", "at", "text_only", "index", "deprecated")

    def __init__(self, get: Getter, set: Setter | None, text: str, name: str = "", inner: Any = None) -> None:
        super().__init__(get, set, text, name, inner)
        self.assign: Setter | None = set
        """assign(ctx, value): what `:=` does; the same as set where there is no difference."""
        self.inline: str | None = None
        """A Python expression in `ctx` and `V` (server.script_vars) equal to get(ctx), or None."""
        self.at: Callable[[Context, int], Value] | None = None
        """at(ctx, i): the i-th value, transformations ignored, for `for`; None without [*]."""
        self.text_only = False
        """set() refuses a number without a text: pass constants and results of arithmetic as NumberText(n, None)."""
        self.index: int | str | None = None
        """A constant index: an int, "*", or a word like "append"; None without one or when it is a variable."""
        self.deprecated = ""
        """What to write instead, "" for a variable that is not deprecated."""


class Binder:
    """Binds the variables of one script against the modules loaded so far."""

    def __init__(self, registry: Any, script: Any = None) -> None:
        self.registry = registry
        self.server = registry.server
        self.script = script
        """The Script being compiled, when there is one: flags named in variables are registered in it."""
        self._bound: dict[str, BoundVar] = {}
        self._texts: dict[str, tuple[str | Getter, ...] | None] = {}

    # ------------------------------------------------------------------------------------------------ binding

    def bind(self, spec: VarSpec, pos: Pos | None = None) -> BoundVar:
        """The variable of a spec; pos is where it stands, for errors.

        Raises UnknownName for a variable, context or transformation nobody provides, ConfigError for a name or an index that
        is missing or not allowed. The same text gives the same object.
        """
        found = self._bound.get(spec.raw)
        if found is None:
            try:
                found = self._bind(spec, pos)
            except ConfigError as error:
                if pos is not None and not error.line:
                    error.file, error.line, error.column, error.end_column = pos[0], pos[1], pos[2], pos[3]
                raise
            self._bound[spec.raw] = found
        return found

    def bind_text(self, text: str, pos: Pos | None = None) -> BoundVar:
        """bind() for a variable that is still text, as "$avp(x)"."""
        return self.bind(parse_variable(text, pos), pos)

    def _bind(self, spec: VarSpec, pos: Pos | None) -> BoundVar:
        entry = self.registry.pvars.get(spec.name)
        if entry is None:
            raise UnknownName(f"unknown variable ${spec.name}", hint=nearest(spec.name, self.registry.pvars, "${}"))
        instance, decl = entry
        name = self._name(instance, decl, spec, pos)
        index = self._index(decl, spec, pos)
        get = _reader(decl, instance, name, index)
        set_ = _writer(decl, instance, name, index, decl.set)
        bound = BoundVar(get, set_, spec.raw, spec.name, name if isinstance(name, str) else None)
        bound.assign = set_ if decl.assign is None else _writer(decl, instance, name, index, decl.assign)
        bound.text_only = decl.text_only
        bound.deprecated = decl.deprecated
        bound.index = None if callable(index) else index
        if index == ALL_INDEXES:
            bound.at = _indexed(decl, instance, name)
        if decl.inline is not None and index is None and not callable(name):
            bound.inline = decl.inline(name)
        if spec.transformations:
            bound.get = _chain(get, [self._step(item, pos) for item in spec.transformations])
            bound.set = bound.assign = None
            bound.inline = None
        if spec.context:
            self._enter(bound, spec.context)
        if pos is not None and self.script is not None:
            self._advise(spec, pos)
        return bound

    def _advise(self, spec: VarSpec, pos: Pos) -> None:
        """A warning about names that mean something else than their author may think; once per variable."""
        if spec.name == "avp" and spec.inner is not None and spec.inner[:2] in ("i:", "s:"):
            text = f"the prefix {spec.inner[:2]!r} is part of the name of {spec.raw}, it says nothing about the type"
            self.script.warnings.append(ConfigWarning(Place(*pos), text))

    def _name(self, instance: Any, decl: pvar, spec: VarSpec, pos: Pos | None) -> Any:
        """What stands in parentheses: its parsed value, or a function of ctx when a variable stands there; None without."""
        if spec.inner is None:
            if decl.name_rule == "required":
                raise ConfigError(f"variable ${spec.name} needs a name in parentheses", hint=f"write ${spec.name}(name)")
            return None
        if not decl.name_rule:
            raise ConfigError(f"variable ${spec.name} takes nothing in parentheses, not ({spec.inner})")
        if not spec.inner and decl.name_rule == "required":
            raise ConfigError(f"the name in ${spec.name}() is empty")
        if spec.inner_var is not None and spec.name not in _LITERAL_NAMES:
            return self._name_reader(instance, decl, self.bind(spec.inner_var, pos))
        parse = _name_parser(instance, decl)
        if parse is None:
            return self._note_flag(spec.name, spec.inner)
        try:
            return parse(spec.inner)
        except ValueError as error:
            raise ConfigError(f"variable ${spec.name}({spec.inner}): {error}") from None

    def _note_flag(self, variable: str, name: str) -> str:
        """Flags get their bits in the order in which a script mentions them."""
        if self.script is not None:
            if variable == "msg.flag":
                self.script.flag_names.bit(name)
            elif variable in ("msg.branch.flag", "branch.flag", "tm.branch.flag"):
                self.script.branch_flag_names.bit(name)
        return name

    @staticmethod
    def _name_reader(instance: Any, decl: pvar, inner: BoundVar) -> Callable[[Context], Any]:
        get = inner.get
        parse = _name_parser(instance, decl)

        def name(ctx: Context) -> Any:
            text = text_of(get(ctx))
            if not text:
                return None
            if parse is None:
                return text
            try:
                return parse(text)
            except (ValueError, ConfigError) as error:
                ctx.server.log.error("bad name %s in a variable: %s", text, error)
                return None

        return name

    def _index(self, decl: pvar, spec: VarSpec, pos: Pos | None) -> Any:
        """None, an int, "*", a word, or a function of ctx that gives an int (None when its variable has no number)."""
        index = spec.index
        if index is None:
            return None
        if not decl.takes_index:
            raise ConfigError(f"variable ${spec.name} takes no index")
        if isinstance(index, VarSpec):
            get = self.bind(index, pos).get

            def number(ctx: Context) -> int | None:
                return number_of(get(ctx))

            return number
        if isinstance(index, str) and index != ALL_INDEXES:
            for word in decl.index_words:
                if word.lower() == index.lower():
                    return word
            raise ConfigError(f"bad index [{index}] of ${spec.name}", hint="an index is a number, *, or a variable")
        return index

    def _step(self, item: Any, pos: Pos | None) -> Step:
        return bind_step(self, item, pos)

    def _enter(self, bound: BoundVar, name: str) -> None:
        """Read (and write) in another context: $(<request>ru), $(<reply>rs), and what modules add."""
        place: Other | None = _CONTEXTS.get(name) or getattr(self.registry, "contexts", {}).get(name)
        if place is None:
            known = sorted({*_CONTEXTS, *getattr(self.registry, "contexts", {})})
            raise UnknownName(f"unknown context <{name}>", hint=f"known: {', '.join(known)}")
        into = place
        get, set_, assign, at = bound.get, bound.set, bound.assign, bound.at

        def get_there(ctx: Context) -> Value:
            other = into(ctx)
            return None if other is None else get(other)

        def writer(write: Setter) -> Setter:
            def set_there(ctx: Context, value: Value) -> None:
                other = into(ctx)
                if other is None:
                    raise ScriptError(f"no <{name}> here to set {bound.text} in")
                write(other, value)

            return set_there

        def at_there(ctx: Context, index: int) -> Value:
            other = into(ctx)
            return None if other is None or at is None else at(other, index)

        bound.get = get_there
        bound.set = None if set_ is None else writer(set_)
        bound.assign = None if assign is None else writer(assign)
        bound.at = None if at is None else at_there
        bound.inline = None

    # ------------------------------------------------------------------------------------------------ formats at run time

    def print_text(self, ctx: Context, text: str) -> str | None:
        """A format that is known only now ({s.eval}), expanded; None when it names something unknown."""
        if "$" not in text:
            return text
        parts = self._texts.get(text, ())
        if parts == ():
            if len(self._texts) >= _MAX_TEXTS:
                self._texts.clear()
            try:
                parts = tuple(part if isinstance(part, str) else self.bind(part).get for part in parse_format(text))
            except ConfigError as error:
                ctx.server.log.error("bad format <%s>: %s", text, error.message)
                parts = None
            self._texts[text] = parts
        if parts is None:
            return None
        return "".join([part if isinstance(part, str) else print_of(part(ctx)) for part in parts])


# Variables whose parentheses hold a plain text even when it begins with a dollar sign.
_LITERAL_NAMES: Final = frozenset(("var", "time"))


# ---------------------------------------------------------------------------------------------------- closures


def _name_parser(instance: Any, decl: pvar) -> Callable[[str], Any] | None:
    """parse_name of a declaration; a string names a method of the module."""
    parse: Any = decl.parse_name
    return getattr(instance, parse) if isinstance(parse, str) else parse


def _reader(decl: pvar, instance: Any, name: Any, index: Any) -> Getter:
    """The getter with its constant arguments filled in."""
    method = decl.get.__get__(instance, type(instance))
    takes_name, takes_index = decl.takes_name, decl.takes_index
    if callable(name) or callable(index):
        return _dynamic_reader(method, name, index, takes_name, takes_index)
    if takes_name and takes_index:
        return lambda ctx: method(ctx, name, index)  # type: ignore[no-any-return]
    if takes_name:
        return lambda ctx: method(ctx, name)  # type: ignore[no-any-return]
    if takes_index:
        return lambda ctx: method(ctx, index)  # type: ignore[no-any-return]
    return method  # type: ignore[no-any-return]


def _dynamic_reader(method: Any, name: Any, index: Any, takes_name: bool, takes_index: bool) -> Getter:
    def get(ctx: Context) -> Value:
        args: list[Any] = [ctx]
        if takes_name:
            value = name(ctx) if callable(name) else name
            if value is None and name is not None:
                ctx.server.log.error("null or empty name of a variable")
                return None
            args.append(value)
        if takes_index:
            number = index(ctx) if callable(index) else index
            if number is None and index is not None:
                ctx.server.log.error("index of a variable is no number")
                return None
            args.append(number)
        return method(*args)  # type: ignore[no-any-return]

    return get


def _indexed(decl: pvar, instance: Any, name: Any) -> Callable[[Context, int], Value]:
    """at(ctx, i) for `for`."""
    method = decl.get.__get__(instance, type(instance))
    if not decl.takes_name:
        return lambda ctx, index: method(ctx, index)  # type: ignore[no-any-return]
    if not callable(name):
        return lambda ctx, index: method(ctx, name, index)  # type: ignore[no-any-return]

    def at(ctx: Context, index: int) -> Value:
        value = name(ctx)
        return None if value is None else method(ctx, value, index)  # type: ignore[no-any-return]

    return at


def _writer(decl: pvar, instance: Any, name: Any, index: Any, function: Any) -> Setter | None:
    """The setter with its constant arguments filled in; None for a read-only variable."""
    if function is None:
        return None
    method = function.__get__(instance, type(instance))
    takes_name, takes_index = decl.takes_name, decl.takes_index
    if callable(name) or callable(index):
        return _dynamic_writer(method, name, index, takes_name, takes_index)
    if takes_name and takes_index:
        return lambda ctx, value: method(ctx, name, index, value)  # type: ignore[no-any-return]
    if takes_name:
        return lambda ctx, value: method(ctx, name, value)  # type: ignore[no-any-return]
    if takes_index:
        return lambda ctx, value: method(ctx, index, value)  # type: ignore[no-any-return]
    return method  # type: ignore[no-any-return]


def _dynamic_writer(method: Any, name: Any, index: Any, takes_name: bool, takes_index: bool) -> Setter:
    def set_(ctx: Context, value: Value) -> None:
        args: list[Any] = [ctx]
        if takes_name:
            chosen = name(ctx) if callable(name) else name
            if chosen is None and name is not None:
                raise ScriptError("null or empty name of a variable")
            args.append(chosen)
        if takes_index:
            number = index(ctx) if callable(index) else index
            if number is None and index is not None:
                raise ScriptError("index of a variable is no number")
            args.append(number)
        args.append(value)
        method(*args)

    return set_


def _chain(get: Getter, steps: list[Step]) -> Getter:
    """The getter followed by the transformations; NULL ends the chain."""
    if len(steps) == 1:
        only = steps[0]

        def one(ctx: Context) -> Value:
            value = get(ctx)
            return None if value is None else only(ctx, value)

        return one

    def many(ctx: Context) -> Value:
        value = get(ctx)
        for step in steps:
            if value is None:
                return None
            value = step(ctx, value)
        return value

    return many


# ---------------------------------------------------------------------------------------------------- contexts


def _request_context(ctx: Context) -> Context | None:
    """The request: of this run, or, in reply and failure routes, of the transaction as the request route left it; what branch and
    failure routes change is not seen."""
    transaction = ctx.transaction
    if transaction is None:
        return None
    if ctx.msg.is_request and ctx.kind != FAILURE:
        return ctx
    branch = ctx.branch
    source = getattr(transaction, "context", None)
    other = Context(ctx.server, ctx.script, ctx.kind, transaction.request)
    other.ruri = getattr(transaction, "ruri", None) or transaction.request.request_uri
    other.dst_uri = getattr(source, "dst_uri", None)
    other.path = getattr(branch, "path", None)
    other.send_socket = getattr(branch, "socket", None)
    other.branch_flags = getattr(branch, "flags", 0)
    other.flags = transaction.flags
    other.avps = ctx.avps
    other.transaction, other.branch = transaction, branch
    if source is not None:
        other.socket, other.proto = source.socket, source.proto
        other.src_ip, other.src_port = source.src_ip, source.src_port
    other.params = ctx.params
    other.rc = ctx.rc
    return other


def _reply_context(ctx: Context) -> Context | None:
    """The reply: of this run, or the winning one of a failure route (None when it was made here)."""
    if not ctx.msg.is_request:
        return ctx
    if ctx.reply is None:
        return None
    other = Context(ctx.server, ctx.script, ctx.kind, ctx.reply)
    other.flags, other.avps = ctx.flags, ctx.avps
    other.transaction, other.branch = ctx.transaction, ctx.branch
    other.params = ctx.params
    other.rc = ctx.rc
    return other


_CONTEXTS: Final[dict[str, Other]] = {"request": _request_context, "reply": _reply_context}


def constant(value: int) -> NumberText:
    """A number constant as an assignment to a text_only variable passes it: a number without a text."""
    return NumberText(value, None)
