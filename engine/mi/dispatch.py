"""MI commands by name: which sets of parameters they take, conversion of the parameters, the call.

Commands are methods declared with @mi_command; the registry has them in its table mi_commands. A recipe is one set of
parameter names a command accepts. As in OpenSIPS the number of parameters given chooses the recipe, then names have to fit.
A plain method runs in a worker, so it may wait as script functions do; an `async def` is awaited.
"""

from __future__ import annotations

import inspect
import re
import typing
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import DbError, MiError, OpensipsError, ScriptError
from engine.mi.jsonrpc import JSON_NULL, METHOD_NOT_FOUND, SERVER_ERROR, bad_params
from engine.module import MiDecl, Module
from engine.workers import in_worker

Params = dict[str, Any] | list[Any] | None

_NUMBER: Final = re.compile(r"[+-]?[0-9]+\Z")


@dataclass(slots=True)
class Command:
    """An MI command bound to its module."""

    name: str
    module: str
    """Name of the module it comes from, "core" for the core's."""
    help: str
    recipes: list[list[str]]
    named_only: bool
    call: Any
    kinds: dict[str, str]
    """Parameter name -> "int", "str", "list" or "any"."""
    waits: bool
    """An async method."""


def _kind(annotation: Any) -> str:
    args = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is list or annotation is list:
        return "list"
    if origin is not None and len(args) == 1:
        return _kind(args[0])
    return {int: "int", str: "str"}.get(annotation, "any")


def bind(instance: Module, decl: MiDecl) -> Command:
    """The command of a declaration on an instance."""
    call = getattr(instance, decl.attr)
    hints = typing.get_type_hints(call)
    names = {name for recipe in decl.recipes for name in recipe}
    kinds = {name: _kind(hints.get(name, Any)) for name in names}
    return Command(
        decl.name, instance.name, decl.help, decl.recipes, decl.named_only, call, kinds, inspect.iscoroutinefunction(call),
    )


def convert(name: str, kind: str, value: Any) -> Any:
    """A parameter as its command wants it; a numeric string is a number, a number is a text. Raises MiError."""
    if kind == "any":
        return value
    if kind == "list":
        if not isinstance(value, list):
            raise bad_params(f"Bad type for parameter '{name}'")
        if not value:
            raise bad_params(f"Empty array in parameter '{name}'")
        items = []
        for item in value:
            if isinstance(item, bool) or not isinstance(item, str | int | float):
                raise bad_params(f"Bad type for array item in parameter '{name}'")
            items.append(item if isinstance(item, str) else str(int(item)))
        return items
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise bad_params(f"Bad type for parameter '{name}'")
    if kind == "str":
        return value if isinstance(value, str) else str(int(value))
    if isinstance(value, str):
        if not _NUMBER.match(value):
            raise bad_params(f"Bad type for parameter '{name}'")
        return int(value)
    return int(value)


def arguments(command: Command, params: Params) -> dict[str, Any]:
    """Names and converted values of what was given; raises MiError when no recipe fits."""
    if not params:
        if [] not in command.recipes:
            raise bad_params("Too few or too many parameters")
        return {}
    same_count = [recipe for recipe in command.recipes if len(recipe) == len(params)]
    if isinstance(params, list):
        if command.named_only:
            raise bad_params("Command only supports named parameters")
        if not same_count:
            raise bad_params("Too few or too many parameters")
        if len(same_count) > 1:
            raise bad_params("Ambiguous call, use named parameters instead")
        named = dict(zip(same_count[0], params, strict=True))
    else:
        if not same_count:
            raise bad_params("Too few or too many parameters")
        if not any(set(recipe) == params.keys() for recipe in same_count):
            raise bad_params("Named parameters do not match")
        named = params
    return {name: convert(name, command.kinds[name], value) for name, value in named.items()}


class MiDispatch:
    """server.mi: the commands of one server."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._bound: dict[str, Command] = {}

    def command(self, name: str) -> Command | None:
        """A command by name, or None."""
        found = self._bound.get(name)
        if found is None:
            entry = self._server.registry.mi_commands.get(name)
            if entry is not None:
                found = self._bound[name] = bind(*entry)
        return found

    def names(self) -> list[str]:
        """All commands, in the order in which they were loaded."""
        return list(self._server.registry.mi_commands)

    async def call(self, name: str, params: Params = None) -> Any:
        """The result of a command, "OK" when it has none. Raises MiError."""
        command = self.command(name)
        if command is None:
            raise MiError(METHOD_NOT_FOUND, "Method not found")
        named = arguments(command, params)
        try:
            if command.waits:
                result = await command.call(**named)
            else:
                result = await in_worker(self._server.workers, lambda: command.call(**named))
        except MiError:
            raise
        except (ScriptError, DbError) as error:
            self._server.log.error("MI command %s failed: %s", name, error)
            raise MiError(SERVER_ERROR, "Server error", str(error)) from None
        except OpensipsError as error:
            raise MiError(500, str(error)) from None
        except Exception as error:
            self._server.log.error("MI command %s failed unexpectedly: %s: %s", name, type(error).__name__, error)
            raise MiError(SERVER_ERROR, "Server error", "Command handler returned null") from None
        if result is None:
            return "OK"
        return None if result is JSON_NULL else result
