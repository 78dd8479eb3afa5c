"""reload_routes takes the routes of the new text, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigErrors
from engine.script.reload import reload_routes
from tests.engine.script.standin import StandIn


@pytest.fixture
def server(tmp_path: Path) -> StandIn:
    made = StandIn()
    made.cfg_path = str(tmp_path / "test.cfg")
    rewrite(made, 'route { note("old"); }')
    made.load('route { note("old"); }')
    return made


def rewrite(server: StandIn, text: str) -> None:
    """Change the script on disk."""
    Path(server.cfg_path).write_text(text)


def test_new_routes_are_taken(server: StandIn) -> None:
    old = server.script
    rewrite(server, (
        'loadmodule "nosuch.so"\nmodparam("nosuch", "x", 1)\nroute { route(new); }\nroute[new] { note("new"); }\n'
        'timer_route[t, 3] { exit; }'
    ))
    reload_routes(server)
    assert server.script is not old
    server.run()
    assert server.seen == ["new"]
    assert [name for name, _, _ in server.timer_routes] == ["t"]


@pytest.mark.parametrize("text", ["route { nosuch(); }", "route { exit", "route { route(gone); }", "route { fixed(-1); }"])
def test_a_bad_script_changes_nothing(server: StandIn, text: str) -> None:
    old, names = server.script, server.registry.route_names
    rewrite(server, text)
    with pytest.raises(ConfigErrors):
        reload_routes(server)
    assert server.script is old
    assert server.registry.route_names is names
    server.run()
    assert server.seen == ["old"]


def test_modules_may_object(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.errors import ConfigError

    def object_to(script: object) -> None:
        raise ConfigError("not with me")

    monkeypatch.setattr(server.probe, "cfg_validate", object_to)
    old = server.script
    with pytest.raises(ConfigErrors, match="not with me"):
        reload_routes(server)
    assert server.script is old


def test_a_run_keeps_its_script(server: StandIn) -> None:
    ctx = server.context()
    rewrite(server, 'route { note("new"); }')
    reload_routes(server)
    assert ctx.script is not server.script
    ctx.script.request(ctx)  # type: ignore[misc]
    assert server.seen == ["old"]
