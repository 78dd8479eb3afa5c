"""All that a script may use here, loaded or not: every module's export table, without a server.

The registry holds what one server has loaded; this holds what could be loaded. The porting report compares scripts with it, the
manual prints it. Nothing is started: the classes are imported and their declarations read.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Final, TypeVar

from engine.events.core import CORE_EVENTS, E_CORE_LOG
from engine.module import FunctionDecl, MiDecl, Module, pvar
from engine.registry import CORE, Exports, module_package, read_exports
from engine.script.functions import CORE_MODULES as FUNCTIONS
from engine.script.transformations import TABLES
from engine.script.variables import CORE_MODULES as VARIABLES

Item = TypeVar("Item")
NOT_LOADABLE: Final = frozenset({"shared"})
"""Folders beside the modules that hold code of several of them."""
_NAMEADDR: Final = re.compile(r"(?:(?:-?\d+|\$.*)\.)?(?:uri|name|params|len|param)")


@dataclass(slots=True)
class Offer:
    """One module, or one of the core's classes."""

    name: str
    exports: Exports
    doc: str = ""
    """The opening paragraphs of its file."""


@dataclass(slots=True)
class Catalogue:
    """Everything there is, by name."""

    core: list[Offer] = field(default_factory=list)
    modules: dict[str, Offer] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    """Modules that cannot be imported on this machine -> why."""
    functions: dict[str, list[tuple[str, FunctionDecl]]] = field(default_factory=dict)
    """Name -> (module or "core", declaration)."""
    variables: dict[str, list[tuple[str, pvar]]] = field(default_factory=dict)
    transformations: dict[str, list[str]] = field(default_factory=dict)
    """"class.func" -> modules that have it."""
    events: dict[str, list[str]] = field(default_factory=dict)
    mi_commands: dict[str, list[tuple[str, MiDecl]]] = field(default_factory=dict)

    def add(self, offer: Offer) -> None:
        """Enter an offer into the tables."""
        exports, name = offer.exports, offer.name
        if name == CORE:
            self.core.append(offer)
        else:
            self.modules[name] = offer
        for function in exports.functions:
            self.functions.setdefault(function.name, []).append((name, function))
        for variable in exports.pvars:
            for text in variable.names:
                self.variables.setdefault(text, []).append((name, variable))
        for item in exports.transformations:
            self.transformations.setdefault(item.name, []).append(name)
        for event in exports.events.values():
            self.events.setdefault(event.name, []).append(name)
        for command in exports.mi_commands:
            self.mi_commands.setdefault(command.name, []).append((name, command))

    def has_core_transformation(self, cls: str, func: str) -> bool:
        """Is {cls.func} part of the core?"""
        if cls in TABLES:
            return func in TABLES[cls]
        return cls == "re" and func == "subst" or cls == "nameaddr" and _NAMEADDR.fullmatch(func) is not None


    def with_mpath(self, folders: Iterable[str], names: Iterable[str]) -> Catalogue:
        """This catalogue and the modules of these names that lie in a script's own folders; itself when there are none.

        The files are run, as loadmodule would run them: that is how they say what they offer.
        """
        found: Catalogue | None = None
        for name in dict.fromkeys(names):
            places = [place for folder in folders for place in (Path(folder) / f"{name}.py", Path(folder) / name / "__init__.py")]
            file = next((place for place in places if place.is_file()), None)
            if file is None:
                continue
            if found is None:
                found = Catalogue(
                    list(self.core), dict(self.modules), dict(self.broken), _lists(self.functions), _lists(self.variables),
                    _lists(self.transformations), _lists(self.events), _lists(self.mi_commands),
                )
            try:
                loaded = _run(file, name)
                found.add(Offer(name, read_exports(loaded.exports), inspect.getdoc(loaded) or _doc(loaded.exports)))
            except Exception as error:  # noqa: BLE001  (whatever a module's file does wrong is told, not raised)
                found.broken[name] = f"{type(error).__name__}: {error}"
        return found or self


def _lists(table: dict[str, list[Item]]) -> dict[str, list[Item]]:
    """A table whose lists may grow without the old one's growing."""
    return {name: list(items) for name, items in table.items()}


def _run(file: Path, name: str) -> ModuleType:
    """The Python module of a file outside of the package."""
    full = f"mpath_{name}"
    places = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(full, file, submodule_search_locations=places)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[full] = made
    spec.loader.exec_module(made)
    return made


def _doc(cls: type) -> str:
    """The docstring of the file that a module begins with, its own package first."""
    package = cls.__module__.split(".")
    for depth in range(2, len(package) + 1):
        text = inspect.getdoc(importlib.import_module(".".join(package[:depth])))
        if text:
            return text
    return inspect.getdoc(cls) or ""


def build_catalogue(
    package: ModuleType = module_package, core: Iterable[type[Module]] = (*VARIABLES, *FUNCTIONS),
) -> Catalogue:
    """Import every module of the package and read what it declares. A module that cannot be imported is noted as broken."""
    found = Catalogue()
    for cls in core:
        found.add(Offer(CORE, read_exports(cls), _doc(cls)))
    for event, _ in (*CORE_EVENTS, (E_CORE_LOG, ())):
        found.events.setdefault(event, []).append(CORE)
    for name in sorted({info.name for info in pkgutil.iter_modules(package.__path__)} - NOT_LOADABLE):
        try:
            loaded = importlib.import_module(f"{package.__name__}.{name}")
            cls = loaded.exports
            if not (isinstance(cls, type) and issubclass(cls, Module)):
                raise TypeError("its file names no class as `exports`")
            found.add(Offer(name, read_exports(cls), inspect.getdoc(loaded) or _doc(cls)))
        except Exception as error:  # noqa: BLE001  (whatever a module's file does wrong is told, not raised)
            found.broken[name] = f"{type(error).__name__}: {error}"
    return found
