"""All mistakes of a script are told in one run, and each message is what a person can work with.

Every kind of mistake stands here once with the whole text of what is shown: read them as that person.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigErrors
from engine.script.diagnostics import render
from tests.helpers import PREAMBLE, Harness

MODULES = "".join(f'loadmodule "{name}.so"\n' for name in ("tm", "sl", "signaling", "sipmsgops", "textops"))


def told(script: str) -> list[tuple[int, str, str]]:
    """(line, message, hint) of every error; lines are counted from the first one of the script given."""
    with pytest.raises(ConfigErrors) as caught:
        Harness(PREAMBLE + script, preamble=False)
    first = PREAMBLE.count("\n")
    return [(error.line - first, error.message, error.hint) for error in caught.value.errors]


@pytest.mark.parametrize(("body", "message", "hint"), [
    # names
    ("t_relai();", "unknown command <t_relai>, missing loadmodule?", "did you mean t_relay?"),
    ('xlog("$nonesuch");', "unknown variable $nonesuch", ""),
    ("$var(x) = $from_user;", "unknown variable $from_user", "did you mean $from.user?"),
    ("$var(x) = $(ru{uri.hosst});", "unknown transformation {uri.hosst}", "did you mean {uri.host}?"),
    ("route(relai);", "route [relai] is not defined", "did you mean relay?"),
    ('t_on_failure("missing");', "failure_route[missing] is not defined", ""),
    ('t_on_branch("missing");', "branch_route[missing] is not defined", ""),
    ('t_on_reply("missing");', "onreply_route[missing] is not defined", ""),
    # arguments
    ("sl_send_reply(200);", "too few parameters for command <sl_send_reply>", "it needs 2 parameters: sl_send_reply(code, reason)"),
    ('sl_send_reply(200, "OK", "x");', "too many parameters for command <sl_send_reply>",
     "it takes 2 parameters: sl_send_reply(code, reason)"),
    ('sl_send_reply("404", "No");',
     "parameter <code> of command <sl_send_reply> is expected to be a number or a variable, not '404'",
     "sl_send_reply(code, reason)"),
    ("setflag(5);", "parameter <flag> of command <setflag> is expected to be a string, not 5", "setflag(flag)"),
    ("setflag(NAT);", "bare word <NAT> as an argument of setflag()", 'quote it: "NAT"'),
    ('setflag("$var(f)");', "parameter <flag> of command <setflag> is expected to be a string without variables, not '$var(f)'",
     "setflag(flag)"),
    # regular expressions
    ('if ($rU =~ "(") exit;', "bad regular expression '(': a parenthesis is not closed", ""),
    # assignments and conditions
    ('$rm = "X";', "read only variable $rm on the left side", ""),
    ('$(ru{uri.user}) = "x";', "a transformation on the left of an assignment: $(ru{uri.user})", "assign to the variable itself"),
    ("if (5 == $var(x)) exit;", "a constant on the left of ==", "turn it around: $var(x) == 5"),
    ("break;", "break outside of while, for and switch", "use return, exit or drop to leave a route"),
    ('xlog("L_LOUD", "x");', "unknown xlog level 'L_LOUD'", "L_ALERT L_CRIT L_ERR L_WARN L_NOTICE L_INFO L_DBG"),
])
def test_one_mistake(body: str, message: str, hint: str) -> None:
    found = told(f"{MODULES}route {{\n{body}\n}}\nroute[relay] {{ exit; }}\n")
    assert [(line, text) for line, text, _ in found] == [(7, message)]
    assert found[0][2] == hint


@pytest.mark.parametrize(("script", "line", "message", "hint"), [
    ("log_levl=3\nroute { exit; }", 1, "unknown parameter log_levl", "did you mean log_level?"),
    ('log_level="x"\nroute { exit; }', 1, "log_level expects a number, not a string", ""),
    ("children=4\nroute { exit; }", 1, "the parameter children does not exist any more", "use udp_workers"),
    ('loadmodule "tmm.so"\nroute { exit; }', 1, "module tmm not found", "did you mean tm?"),
    ('loadmodule "tm.so"\nloadmodule "tm.so"\nroute { exit; }', 2, "module tm is loaded already", ""),
    ('loadmodule "tm.so"\nmodparam("tm", "fr_timout", 5)\nroute { exit; }', 2,
     "Parameter <fr_timout> not found in module <tm> - can't set", "did you mean fr_timeout?"),
    ('loadmodule "tm.so"\nmodparam("tm", "fr_timeout", "5")\nroute { exit; }', 2,
     "Parameter <fr_timeout> not found in module <tm> - can't set", "it takes a number, not '5'"),
    ('modparam("usrloc", "timer_interval", 5)\nroute { exit; }', 1,
     "Parameter <timer_interval> not found in module <usrloc> - can't set", 'loadmodule "usrloc.so" must come first'),
    ('modparam("nosuch", "x", 5)\nroute { exit; }', 1, "Parameter <x> not found in module <nosuch> - can't set",
     "no module nosuch is loaded"),
    ("route {\nexit;\n}\nroute {\nexit;\n}", 6, "route is defined twice",
     "rename or remove one of them; this is the end of the second one"),
    ("route { exit; }\nroute[a] { exit; }\nroute[a] { exit; }", 3, "route[a] is defined twice",
     "rename or remove one of them; this is the end of the second one"),
    ('loadmodule "tm.so"\nroute { exit; }\nonreply_route { t_newtran(); }', 3, "Command <t_newtran> cannot be used in the block",
     "it may stand in route, not in onreply_route"),
    ('include_file "nosuch.inc"\nroute { exit; }', 1, "", ""),
])
def test_one_mistake_of_a_definition(script: str, line: int, message: str, hint: str) -> None:
    found = told(script)
    assert len(found) == 1
    if message:
        assert found[0] == (line, message, hint)


def test_names_are_judged_although_the_syntax_is_broken_elsewhere() -> None:
    found = told(MODULES + """route {
        $var(x) = 1 +;
        t_relai();
        if ($si == "1.2.3.4" { exit; }
        t_on_failure("missing");
        subst("/a/b/");
        sl_send_reply("404", "x");
        route(relay);
    }
    route[relay] { $ru == 5; xlog("$nonesuch"); }
    """)
    assert [(line, message.split(" ", 2)[0]) for line, message, _ in found] == [
        (7, "syntax"), (8, "unknown"), (9, "')'"), (10, "failure_route[missing]"), (12, "parameter"), (15, "=="),
    ]


def test_what_a_broken_definition_takes_along_is_not_held_against_the_rest() -> None:
    """The route that is not closed is lost: nothing is said about who calls it."""
    found = told(MODULES + 'route {\n route(relay);\n}\nroute[relay] {\n if ($si == "x") {\n exit;\n}\nroute[other] { exit; }\n')
    assert all("not defined" not in message for _, message, _ in found)
    found = told('loadmodule tm.so\nroute { t_relay(); }\n')
    assert all("unknown command" not in message for _, message, _ in found)


def test_the_whole_message() -> None:
    with pytest.raises(ConfigErrors) as caught:
        Harness(PREAMBLE + MODULES + "route {\n\tt_relai();\n\troute(a)\n}\n", preamble=False)
    for error in caught.value.errors:
        error.file = "x.cfg"
    text = PREAMBLE + MODULES + "route {\n\tt_relai();\n\troute(a)\n}\n"
    shown = render(caught.value, {"x.cfg": text})
    assert "x.cfg:11:2-8: unknown command <t_relai>, missing loadmodule?" in shown
    assert "\tt_relai();\n\t^~~~~~~\n\tdid you mean t_relay?\n" in shown
    assert "';' is missing" in shown


def test_what_only_an_initialised_module_knows_is_not_judged_before(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        '"""late: its fixup needs what mod_init makes."""\nfrom engine.module import ALL_ROUTES, Context, Module, function\n\n'
        "READY: list[str] = []\n\n\nclass Late(Module):\n    @function(ALL_ROUTES, who=lambda text: READY[0] + text)\n"
        '    def greet(self, ctx: Context, who: str) -> int:\n        """Say hello."""\n        return 1\n\n\nexports = Late\n')
    late = f'mpath="{tmp_path}/"\nloadmodule "late.so"\n'
    found = told(MODULES + late + 'route {\ngreet("you");\nt_relai();\n$ru == 5;\n}\n')
    assert [line for line, _, _ in found] == [10, 11]
