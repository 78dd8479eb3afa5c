r"""json: JSON documents in variables.

    $json(doc) := "{\"list\": [1, 2]}";    $json(doc/list[]) = 3;    xlog("$json(doc/list[0])");
    for ($var(key) in $(json(doc.keys)[*])) ...

Manual: OpenSIPS 3.6, module json. Documents belong to the process and stay from one message to the next, as $var does: they live
among the script's variables, so that a run that waits finds its own again.
"""

from __future__ import annotations

from typing import Any, Final

from engine.errors import ConfigError
from engine.module import (
    ALL_INDEXES, ALL_ROUTES, BRANCH, EVENT, FAILURE, LOCAL, ONREPLY, REQUEST, STARTUP, TIMER, Context, Module, NumberText,
    ScriptError, Value, Var, function, modparam, pvar, text_of,
)
from engine.script.values import wrap32
from engine.script.variables.binder import Binder
from engine.script.varspec import parse_variable
from modules.shared.jsontext import COMPACT, PRETTY, SPACED, Real, merge, parse, shortest, write
from modules.json.path import APPEND, KEYS, JsonPath, parse_path
from modules.shared.output import put

LINK_ROUTES: Final = REQUEST | ONREPLY | FAILURE | BRANCH | LOCAL | STARTUP | TIMER | EVENT
_PLACE: Final = "\0json:"
"""In front of a document's name among the script's variables; no $var can be called so."""
_NOTHING: Final = object()
_MAX_READ: Final = 2**63 - 1


def _step(value: Any, place: Any) -> Any:
    """The part of a value at one step; _NOTHING when it is not there."""
    if isinstance(place, str):
        return value.get(place, _NOTHING) if isinstance(value, dict) else _NOTHING
    if isinstance(place, int) and isinstance(value, list) and -len(value) <= place < len(value):
        return value[place]
    return _NOTHING


def _set(holder: Any, place: Any, value: Any) -> bool:
    """Set, append or (value _NOTHING) delete at the last step. False: it cannot be done."""
    if isinstance(place, str):
        if not isinstance(holder, dict):
            return False
        if value is _NOTHING:
            holder.pop(place, None)
        else:
            holder[place] = value
        return True
    if not isinstance(holder, list):
        return False
    if place is APPEND:
        if value is _NOTHING:
            return False
        holder.append(value)
        return True
    if not -len(holder) <= place < len(holder):
        return False
    if value is _NOTHING:
        del holder[place]
    else:
        holder[place] = value
    return True


class Json(Module):
    """The module."""

    enable_long_quoting = modparam(int, 0, help="1: integers beyond 32 bits are texts, otherwise numbers that wrap")

    # ---- paths ----

    def path(self, text: str) -> JsonPath:
        """What stands in the parentheses of $json."""
        binder = Binder(self.server.registry)
        return parse_path(text, lambda variable: binder.bind_text(variable).get)

    def linked(self, variable: Var) -> JsonPath:
        """Fixup of json_link(): the path of a $json."""
        if variable.name not in ("json", "json_compact", "json_pretty"):
            raise ConfigError("Parameter must be a json variable")
        try:
            return self.path(parse_variable(variable.text).inner or "")
        except ValueError as error:
            raise ConfigError(f"{variable.text}: {error}") from None

    # ---- reading ----

    def _find(self, ctx: Context, path: JsonPath) -> Any:
        """The part a path names; _NOTHING when it is not there, or null."""
        value = self.server.script_vars.get(_PLACE + path.name)
        for place in path.places(ctx):
            value = _step(value, place)
            if value is _NOTHING:
                return _NOTHING
        return _NOTHING if value is None else value

    def _value(self, found: Any, style: int) -> Value:
        kind = found.__class__
        if kind is str:
            return found  # type: ignore[no-any-return]
        if kind is int:
            if -0x80000000 <= found <= 0x7FFFFFFF:
                return found  # type: ignore[no-any-return]
            found = min(found, _MAX_READ)
            return str(found) if self.enable_long_quoting else NumberText(wrap32(found), str(found))
        if found is _NOTHING or found is None:
            return None
        if kind is Real:
            return str.__str__(found)
        try:
            return write(found, style)
        except ValueError as error:
            raise ScriptError(str(error)) from None

    def _read(self, ctx: Context, path: JsonPath | None, style: int) -> Value:
        if path is None:
            return None
        try:
            return self._value(self._find(ctx, path), style)
        except ScriptError as error:
            self.log.error("$json(%s): %s", path.text, error)
            return None

    @pvar("json", parse_name="path", text_only=True)
    def json(self, ctx: Context, name: Any, index: Any) -> Value:
        """$json(path): a string, an integer, or the text of anything else; NULL when it is not there. [*] in `for` only: the
        values of an array or object, with .keys the keys of an object."""
        if index is None:
            return self._read(ctx, name, SPACED)
        if index == ALL_INDEXES:
            self.log.error('"[*]" index only supported in for each statement')
            return None
        try:
            found = self._find(ctx, name)
        except ScriptError as error:
            self.log.error("$json(%s): %s", name.text, error)
            return None
        items: Any = None
        if isinstance(found, dict):
            items = list(found) if name.what == KEYS else list(found.values())
        elif isinstance(found, list) and not name.what:
            items = found
        return self._value(items[index], SPACED) if items is not None and 0 <= index < len(items) else None

    @pvar("json_compact", parse_name="path", text_only=True)
    def json_compact(self, ctx: Context, name: Any) -> Value:
        """$json_compact(path): as $json, arrays and objects written without blanks."""
        return self._read(ctx, name, COMPACT)

    @pvar("json_pretty", parse_name="path", text_only=True)
    def json_pretty(self, ctx: Context, name: Any) -> Value:
        """$json_pretty(path): as $json, arrays and objects written over several lines."""
        return self._read(ctx, name, PRETTY)

    # ---- writing ----

    def _put(self, ctx: Context, path: JsonPath, value: Any) -> None:
        """Set the part a path names; _NOTHING deletes it. Raises ScriptError when the way there does not exist."""
        documents = self.server.script_vars
        key = _PLACE + path.name
        places = path.places(ctx)
        if not places:
            documents[key] = None if value is _NOTHING else value
            return
        if key not in documents:
            raise ScriptError(f"$json({path.name}) is not initialized yet")
        holder = documents[key]
        for place in places[:-1]:
            holder = _step(holder, place)
        if not _set(holder, places[-1], value):
            raise ScriptError(f"$json({path.text}): there is no such place in the document")

    def _set_plain(self, ctx: Context, path: JsonPath, value: Value) -> None:
        """=: a text is a string, a number an integer, NULL deletes."""
        if value is None:
            self._put(ctx, path, _NOTHING)
        else:
            self._put(ctx, path, str.__str__(value) if isinstance(value, str) else int(value))

    def _set_parsed(self, ctx: Context, path: JsonPath, value: Value) -> None:
        """:=: the text is JSON. A broken one deletes what was there and fails."""
        if value is None:
            self._put(ctx, path, _NOTHING)
            return
        text = text_of(value)
        if text is None:
            raise ScriptError("trying to interpret a non-string value as JSON")
        try:
            parsed = parse(text, lenient=True)
        except ValueError as error:
            self._put(ctx, path, _NOTHING)
            raise ScriptError(f"error parsing json: {error}") from None
        self._put(ctx, path, parsed)

    @json.setter
    def set_json(self, ctx: Context, name: Any, index: Any, value: Value) -> None:
        """$json(path) = value."""
        self._set_plain(ctx, name, value)

    @json.assigner
    def assign_json(self, ctx: Context, name: Any, index: Any, value: Value) -> None:
        """$json(path) := value."""
        self._set_parsed(ctx, name, value)

    @json_compact.setter
    def set_compact(self, ctx: Context, name: Any, value: Value) -> None:
        """$json_compact(path) = value."""
        self._set_plain(ctx, name, value)

    @json_compact.assigner
    def assign_compact(self, ctx: Context, name: Any, value: Value) -> None:
        """$json_compact(path) := value."""
        self._set_parsed(ctx, name, value)

    @json_pretty.setter
    def set_pretty(self, ctx: Context, name: Any, value: Value) -> None:
        """$json_pretty(path) = value."""
        self._set_plain(ctx, name, value)

    @json_pretty.assigner
    def assign_pretty(self, ctx: Context, name: Any, value: Value) -> None:
        """$json_pretty(path) := value."""
        self._set_parsed(ctx, name, value)

    # ---- functions ----

    @function(LINK_ROUTES, dest="linked", source="linked")
    def json_link(self, ctx: Context, dest: Var, source: Var) -> int:
        """Make dest another name for the part of a document that source is: changes inside are seen under both. 1; -1 when
        source is not there, or dest cannot be set."""
        link_to: Any = dest
        link_from: Any = source
        found = self._find(ctx, link_from)
        if found is _NOTHING:
            raise ScriptError(f"$json({link_from.text}) is not there to be linked")
        self._put(ctx, link_to, found)
        return 1

    @function(ALL_ROUTES)
    def json_merge(self, ctx: Context, main_json_var: str, patch_json_var: str, output_var: Var) -> int:
        """Set output_var to the first document changed by the second one (RFC 7396), without blanks. 1; -1 one is no JSON."""
        try:
            merged = merge(parse(main_json_var), parse(patch_json_var))
            text = write(shortest(merged), COMPACT, slashes=False)
        except ValueError as error:
            raise ScriptError(f"failed to merge: {error}") from None
        put(ctx, output_var, text)
        return 1


exports = Json
