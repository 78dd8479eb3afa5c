"""Loading of modules, their parameters, dependencies, order of start and exports."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.errors import ConfigError, ConfigErrors
from engine.module import Module, mi_command, modparam
from engine.registry import Registry, mi_recipes
from engine.script.nodes import Pos
from tests.engine.script.standin import StandIn

HERE = Pos("test.cfg", 7, 3)

BASE = '''
from engine.module import Module, event, function, mi_command, modparam, needs, pvar, stat, transformation, wants

class {name}(Module):
    {body}

    def mod_init(self):
        self.server.trail.append("init " + self.name)

    async def child_init(self):
        self.server.trail.append("start " + self.name)

    async def destroy(self):
        self.server.trail.append("stop " + self.name)

exports = {name}
'''


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry whose modules live in a folder of the test: first needs second, second wants first and third."""
    server = StandIn()
    server.trail = []  # type: ignore[attr-defined]
    bodies = {
        "reg_first": 'other = needs("reg_second")',
        "reg_second": 'first = wants("reg_first"); third = wants("reg_third")',
        "reg_third": '\n    '.join((
            'expire = modparam(int, 60, min=1)', 'mode = modparam(str, "a", choices=("a", "b"))',
            'lines = modparam(str, multi=True)', 'size = modparam(int, 5, effect="memory is managed by Python")',
            'both = modparam(int, 0, both=True)', 'hits = stat("hits")', 'now = stat("now", value="count_now")',
            'E_THIRD = event("key")', 'def count_now(self): return 42', '@function()', 'def third(self, ctx) -> None: pass',
            '@pvar("third")', 'def variable(self, ctx): return 3', '@transformation("third.up")',
            'def up(self, value): return value.upper()',
            '@mi_command("third_list")', 'def third_list(self, limit: int = 10): return []',
        )),
        "reg_broken": 'import nosuchmodule',
    }
    for name, body in bodies.items():
        (tmp_path / f"{name}.py").write_text(BASE.format(name=name.title().replace("_", ""), body=body))
    made = server.registry
    made.mpaths = [str(tmp_path)]
    return made


def test_exports_are_entered(registry: Registry) -> None:
    module = registry.load("reg_third.so", HERE)
    assert module.name == "reg_third"
    assert registry.functions["third"][0][0] is module
    assert registry.pvars["third"][0] is module
    assert registry.transformations["third.up"][0] is module
    assert registry.mi_commands["third_list"][1].recipes == [[], ["limit"]]
    module.hits.inc()  # type: ignore[attr-defined]
    assert registry.server.stats.get("reg_third:hits").count == 1
    assert registry.server.stats.get("now").count == 42
    assert module.E_THIRD.name == "E_THIRD"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("path", "message", "hint"), [
    ("reg_thrid.so", "not found", "did you mean reg_third?"), ("reg_third", "not found", 'loadmodule "reg_third.so"'),
    ("reg_broken.so", "nosuchmodule", ""),
])
def test_modules_that_cannot_be_loaded(registry: Registry, path: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.load(path, HERE)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.line == 7


def test_twice(registry: Registry) -> None:
    registry.load("reg_third.so")
    with pytest.raises(ConfigError, match="loaded already"):
        registry.load("/some/where/reg_third.so")


def test_parameters(registry: Registry) -> None:
    module = registry.load("reg_third.so")
    registry.set_param("reg_third", "expire", 5)
    registry.set_param("REG_.*|other", "mode", "b")
    registry.set_param("reg_third", "lines", "one")
    registry.set_param("reg_third", "lines", "two")
    registry.set_param("reg_third", "both", "text")
    assert vars(module)["expire"] == 5
    assert vars(module)["mode"] == "b"
    assert vars(module)["lines"] == ["one", "two"]
    assert vars(module)["both"] == "text"
    registry.set_param("reg_third", "size", 9, HERE)
    assert "no effect" in registry.warnings[-1].message


@pytest.mark.parametrize(("module", "name", "value", "message", "hint"), [
    ("reg_third", "expires", 5, "Parameter <expires> not found in module <reg_third> - can't set", "did you mean expire?"),
    ("reg_third", "expire", "5", "Parameter <expire> not found in module <reg_third> - can't set", "a number"),
    ("third", "expire", 5, "Parameter <expire> not found in module <third> - can't set", "did you mean reg_third?"),
    ("reg_second", "expire", 5, "can't set", "must come first"), ("reg_third", "expire", 0, "too small", ""),
    ("reg_third", "mode", "c", "none of a, b", ""), ("(", "expire", 1, "bad regular expression", ""),
])
def test_bad_parameters(registry: Registry, module: str, name: str, value: int | str, message: str, hint: str) -> None:
    registry.load("reg_third.so")
    with pytest.raises(ConfigError) as caught:
        registry.set_param(module, name, value, HERE)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.line == 7


def test_dependencies_and_order(registry: Registry) -> None:
    first, third, second = (registry.load(f"reg_{name}.so") for name in ("first", "third", "second"))
    registry.resolve()
    assert first.other is second  # type: ignore[attr-defined]
    assert second.third is third  # type: ignore[attr-defined]
    registry.init_all()
    asyncio.run(registry.start_all())
    asyncio.run(registry.stop_all())
    order = ["reg_third", "reg_second", "reg_first"]
    assert registry.server.trail == [
        *(f"init {name}" for name in order), *(f"start {name}" for name in order), *(f"stop {name}" for name in reversed(order)),
    ]


def test_missing_dependency(registry: Registry) -> None:
    registry.load("reg_first.so", HERE)
    with pytest.raises(ConfigErrors) as caught:
        registry.resolve()
    assert caught.value.errors[0].message == "module reg_first depends on module reg_second, but it was not loaded!"
    assert caught.value.errors[0].line == 7


def test_mixins_and_overriding() -> None:
    class Mixin:
        shared = modparam(int, 1)
        changed = modparam(int, 1)

    class Both(Mixin, Module):
        changed = modparam(int, 2)

        @mi_command("x")
        def command(self, a: str, b: int = 1, c: str = "") -> None:
            """A command."""

    registry = StandIn().registry
    registry.load_core([Both])
    instance = registry.core[-1]
    assert (instance.shared, instance.changed) == (1, 2)  # type: ignore[attr-defined]
    assert mi_recipes(Both.command) == [["a"], ["a", "b"], ["a", "b", "c"]]
