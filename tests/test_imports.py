"""Who imports whom: the rooms of the house keep to one direction of travel."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Room -> rooms of the project it may import, besides itself. A room is the longest prefix listed here.
ALLOWED: dict[str, tuple[str, ...]] = {
    "engine.errors": (),
    "engine.workers": (),
    "engine.timers": (),
    "engine.stats": (),
    "engine.log": ("engine.errors",),
    "engine.sip": ("engine.errors",),
    "engine.transaction": ("engine.sip", "engine.errors"),
    "engine.transport": ("engine.sip", "engine.errors", "engine.log", "engine.timers"),
    "engine.events": ("engine.errors", "engine.log", "engine.stats", "engine.script.values"),
    "engine.db": ("engine.errors", "engine.log", "engine.stats"),
}


def imports_of(path: Path) -> set[str]:
    """The project's modules a file imports while it runs (type checking only does not count)."""
    found: set[str] = set()

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
                found.add(child.module)
                found.update(f"{child.module}.{alias.name}" for alias in child.names)
            walk(child)

    walk(ast.parse(path.read_text()))
    return {name for name in found if name.split(".")[0] in ("engine", "modules", "tests")}


def name_of(path: Path) -> str:
    """engine/sip/uri.py -> engine.sip.uri."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def within(name: str, rooms: tuple[str, ...]) -> bool:
    """Is a name in one of the rooms?"""
    return any(name == room or name.startswith(room + ".") for room in rooms)


ENGINE = sorted((ROOT / "engine").rglob("*.py"))
MODULES = sorted((ROOT / "modules").rglob("*.py"))


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_engine_keeps_direction(path: Path) -> None:
    """The engine names no module, and a room imports only the rooms before it."""
    name, used = name_of(path), imports_of(path)
    if name != "engine.registry":
        assert not {one for one in used if one.split(".")[0] == "modules"}
    assert not {one for one in used if one.startswith("modules.")}
    for room, others in ALLOWED.items():
        if within(name, (room,)):
            wrong = {one for one in used if one not in ("engine",) and not within(one, (room, *others))}
            assert not wrong, f"{name} may import {others or 'nothing of ours'} only"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_meet_through_their_api(path: Path) -> None:
    """A module imports the engine, itself, shared code and other modules' api, nothing else."""
    name = name_of(path)
    own = ".".join(name.split(".")[:2])
    for one in imports_of(path):
        if within(one, ("engine", own, "modules.shared")) or one == "modules":
            continue
        assert one.split(".")[2:3] == ["api"], f"{name} imports {one}"


def test_every_source_file_is_one_idea() -> None:
    """No file becomes the place where everything meets (generators and parsers may be larger)."""
    large = {
        name_of(path): lines for path in ENGINE + MODULES if (lines := len(path.read_text().splitlines())) > 560
    }
    assert not large
