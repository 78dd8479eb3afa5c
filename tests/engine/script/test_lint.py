"""Warnings: each rule has a script that it is about, and a script much like it that it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.script.lint import RULES
from engine.server import cli
from tests.engine.transport.certificates import Authority
from tests.helpers import Harness

ROOT = Path(__file__).parents[3]
MODULES = 'loadmodule "sl.so"\nloadmodule "tm.so"\nloadmodule "signaling.so"\nloadmodule "sipmsgops.so"\n'
PUSH = MODULES + (
    'loadmodule "usrloc.so"\nloadmodule "event_routing.so"\nloadmodule "registrar.so"\n'
    'modparam("registrar", "pn_enable", 1)\nmodparam("registrar", "pn_providers", "fcm")\n'
)


def warnings(script: str, *, compat: str = "3.6", only: str = "") -> list[tuple[str, str]]:
    """(rule, message) of everything lint says about a script."""
    with Harness(script, compat=compat) as server:
        found = server.server.script.warnings
    return [(one.code, one.message) for one in found if one.code and (not only or one.code == only)]


@pytest.mark.parametrize(("rule", "bad", "good"), [
    ("unused-route", "route { exit; } route[a] { exit; }", "route { route(a); } route[a] { exit; }"),
    ("unused-route", "route { exit; } route[a] { route(b); } route[b] { route(a); }", "route { route(a); } route[a] { exit; }"),
    ("unused-route", MODULES + "route { exit; } failure_route[f] { exit; }",
     MODULES + 'route { t_on_failure("f"); t_relay(); } failure_route[f] { exit; }'),
    ("unused-route", MODULES + "route { exit; } branch_route[f] { exit; }",
     MODULES + 'route { $var(x) = "f"; t_on_branch("$var(x)"); t_relay(); } branch_route[f] { exit; }'),
    ("unused-route", MODULES + "route { exit; } onreply_route[f] { exit; }", MODULES + "route { exit; } onreply_route { exit; }"),
    ("unused-route", "route { exit; } route[a] { exit; }", 'route { $var(x) = "a"; route($var(x)); } route[a] { exit; }'),
    ("unused-route", "route { exit; } route[a] { exit; }", "route { exit; } timer_route[t, 10] { route(a); } route[a] { exit; }"),
    ("unreachable", 'route { exit; xlog("x"); }', 'route { if ($rm == "BYE") exit; xlog("x"); }'),
    ("unreachable", 'route { if ($rm == "BYE") exit; else { drop; } xlog("x"); }',
     'route { if ($rm == "BYE") exit; else xlog("y"); xlog("x"); }'),
    ("unreachable", 'route { switch ($rm) { case "A": break; xlog("x"); } }',
     'route { switch ($rm) { case "A": exit; break; } }'),
    ("never-set", 'route { if ($var(typo) == 1) exit; $var(type) = 1; xlog("$var(type)"); }',
     'route { $var(type) = 1; if ($var(type) == 1) exit; }'),
    ("never-set", 'route { xlog("$var(x)"); }', 'route { for ($var(x) in $(avp(y)[*])) xlog("$var(x)"); }'),
    ("never-set", 'route { xlog("$var(x)"); }', 'route { pv_printf($var(x), "$ru"); xlog("$var(x)"); }'),
    ("never-set", 'route { xlog("$(var(x){s.len})"); }', 'route { $var(x) = NULL; xlog("$var(x)"); }'),
    ("never-read", "route { $var(x) = 1; }", 'route { $var(x) = 1; xlog("$(ru{s.select,$var(x),:})"); }'),
    ("lookup-code", PUSH + 'route { if (lookup("location")) t_relay(); }',
     PUSH + 'route { if (lookup("location")) { if ($rc == 1) t_relay(); } }'),
    ("lookup-code", PUSH + 'route { if (!lookup("location")) exit; t_relay(); }',
     PUSH.replace('"pn_enable", 1', '"pn_enable", 0') + 'route { if (!lookup("location")) exit; t_relay(); }'),
    ("unused-module", 'loadmodule "maxfwd.so"\nroute { exit; }',
     'loadmodule "maxfwd.so"\nroute { mf_process_maxfwd_header(10); }'),
    ("old-name", 'route { rewritehost("a.example"); }', 'route { sethost("a.example"); }'),
    ("no-event", "route { exit; } event_route[E_NOT_THERE] { exit; }",
     'route { raise_event("E_MINE"); } event_route[E_MINE] { exit; } event_route[E_CORE_THRESHOLD] { exit; }'),
])
def test_rule(rule: str, bad: str, good: str) -> None:
    found = warnings(bad, only=rule)
    assert found
    assert not warnings(good, only=rule)


def test_every_rule_is_explained_in_the_language_reference() -> None:
    text = (ROOT / "docs" / "script.md").read_text(encoding="utf-8")
    assert [rule for rule in RULES if f"`{rule}`" not in text] == []


def test_a_typo_names_what_was_meant() -> None:
    (_, message), = warnings('route { $var(counter) = 1; xlog("$var(counter) $var(conter)"); }', only="never-set")
    assert message == "$var(conter) is read but never set: did you mean counter?"


def test_a_name_is_old_only_in_releases_that_have_the_new_one() -> None:
    script = 'route { append_branch("sip:a@b.example"); }'
    assert warnings(script, compat="3.5") == []
    assert [rule for rule, _ in warnings(script, compat="3.6")] == ["old-name"]


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "scripts").glob("*.cfg")), ROOT / "opensips_like.cfg"], ids=lambda path: path.name)
def test_own_scripts_have_no_warnings(
    path: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)                 # where certificates lie that a script wants to read
    (tmp_path / "run/tls").mkdir(parents=True)
    for made in Authority(tmp_path / "run/tls").issue("cert"):
        Path(made).rename(tmp_path / "run/tls" / Path(made).name.replace("cert.key", "key.pem"))
    assert cli.main(["-C", "--json", "-f", str(path)]) == 0
    assert [(one["code"], one["message"]) for one in json.loads(capfd.readouterr().out) if one["code"]] == []


def test_check_prints_errors_and_warnings_as_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.cfg"
    path.write_text('socket=udp:127.0.0.1:5060\nloadmodule "proto_udp.so"\nroute {\n exit;\n xlog("$Ri");\n}\n')
    assert cli.main(["-C", "--json", "-f", str(path)]) == 0
    found = [(one["line"], one["severity"], one["code"]) for one in json.loads(capfd.readouterr().out)]
    assert found == [(5, "warning", "unreachable"), (5, "warning", "")]
    path.write_text(path.read_text() + "route[a] { nosuch(); }\n")
    assert cli.main(["-C", "--json", "-f", str(path)]) == 255
    found = [(one["line"], one["severity"], one["code"]) for one in json.loads(capfd.readouterr().out)]
    assert found == [(5, "warning", ""), (7, "error", "")]
