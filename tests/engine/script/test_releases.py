"""What the releases 3.1 ... 3.6 take is taken together; where one text has two meanings, the release chosen decides."""

from __future__ import annotations

import pytest

from engine.errors import ConfigErrors
from tests.helpers import PREAMBLE, Harness, make_request

TM = 'loadmodule "tm.so"\nloadmodule "sl.so"\nloadmodule "signaling.so"\nloadmodule "sipmsgops.so"\n'


def printed(body: str, *, compat: str = "3.6", more: str = "") -> list[str]:
    """What a route prints for one request."""
    with Harness(f"{PREAMBLE}{more}route {{\n{body}\n}}\n", preamble=False, compat=compat) as server:
        server.send(make_request())
        return server.xlog()


def warned(script: str, *, compat: str = "3.6") -> str:
    """The warnings of a script that is taken."""
    with Harness(PREAMBLE + script, preamble=False, compat=compat) as server:
        return "\n".join(server.log)


def refused(script: str, *, compat: str = "3.6") -> list[tuple[int, str, str]]:
    """(line, message, hint) of the errors of a script that is refused."""
    with pytest.raises(ConfigErrors) as caught:
        Harness(PREAMBLE + script, preamble=False, compat=compat)
    return [(error.line - PREAMBLE.count("\n"), error.message, error.hint) for error in caught.value.errors]


# ------------------------------------------------------------------------------------------------- two meanings of one text
LOOP = '$var(i) = 0; while (1) { $var(i) = $var(i) + 1; } xlog("XL|$var(i)\\n");'


def test_rounds_of_a_while() -> None:
    assert printed(LOOP, compat="3.1") == ["100"]
    assert printed(LOOP, compat="3.2") == ["10000"]


def test_the_level_of_xlog_without_one() -> None:
    text = 'xlog("XL|seen\\n");'
    assert printed(text, more="xlog_level=-1\n", compat="3.1") == ["seen"]
    assert printed(text, more="xlog_level=-1\n") == []


def test_parameters_of_a_route_are_read_anew_in_3_1() -> None:
    body = '$var(x) = 1; route(sub, $var(x));\n}\nroute[sub] { $var(x) = 2; xlog("XL|$param(1)\\n");'
    assert printed(body, compat="3.1") == ["2"]
    assert printed(body) == ["1"]


def test_the_script_names_its_release() -> None:
    for text in ("compat=3.1\n", 'compat = "3.1"\n'):
        assert printed(LOOP, more=text) == ["100"]
    assert printed(LOOP, more="compat=3.6\n", compat="3.1") == ["10000"]
    assert refused('compat="3.0"\nroute { exit; }')[0][:2] == (1, "unknown value 3.0 of compat")


# -------------------------------------------------------------------------------------------------- taken, with a warning
@pytest.mark.parametrize(("line", "old", "new"), [
    ("log_stderror=yes", "log_stderror", "stderror_enabled"), ("log_facility=LOG_LOCAL0", "log_facility", "syslog_facility"),
    ('log_name="x"', "log_name", "syslog_name"), ("listen=udp:127.0.0.1:5071", "listen", "socket"),
    ("tcp_listen_backlog=10", "tcp_listen_backlog", "tcp_socket_backlog"),
])
def test_global_parameters(line: str, old: str, new: str) -> None:
    said = warned(f"{line}\nroute {{ exit; }}")
    assert f"'{old}' is deprecated, use '{new}'" in said


@pytest.mark.parametrize(("call", "today"), [
    ('rewriteuser("x");', "setuser()"), ('rewritehost("x.y");', "sethost()"), ('rewriteuri("sip:x@y");', "seturi()"),
    ('rewritehostport("x.y:5");', "sethostport()"), ('rewriteport("5");', "setport()"), ('rewriteuserpass("x");', "setuserpass()"),
    ("append_branch();", "append_msg_branch()"), ('append_branch("sip:a@b", "0.5");', "append_msg_branch()"),
    ("remove_branch(0);", "remove_msg_branch()"), ("if (!t_relay(0x02)) exit;", '"no-auto-477,'),
    ('t_replicate("sip:a@b", 0x04);', '"no-auto-477,'),
])
def test_functions(call: str, today: str) -> None:
    said = warned(f"{TM}route {{ {call} }}")
    assert today in said


def test_what_3_1_writes_is_not_blamed_there() -> None:
    assert "write" not in warned(f'{TM}route {{ rewriteuser("x"); append_branch(); if (!t_relay(0x02)) exit; }}', compat="3.1")


@pytest.mark.parametrize("flags", ['"no-auto-477"', '"0x02"', "0x02", "2", '"no-auto-477,no-dns-failover"', ", "])
def test_flags_of_t_relay(flags: str) -> None:
    text = f"{TM}route {{ if (!t_relay({flags if flags != ', ' else ''})) exit; }}"
    for release in ("3.1", "3.6"):
        warned(text, compat=release)


@pytest.mark.parametrize("name", ["$Ri", "$Rp", "$pr", "$proto", "$af", "$fs", "$rT", "$socket_in(ip)", "$socket_out"])
def test_variables_that_3_3_took_away_still_read(name: str) -> None:
    value, = printed(f'xlog("XL|{name}\\n");')
    assert value


def test_the_modules_that_are_gone() -> None:
    said = warned('loadmodule "event_route.so"\nevent_route[E_CORE_THRESHOLD] { exit; }\nroute { exit; }')
    assert "event routes are part of the core since 3.6" in said
    assert printed('$avp(a) = "x-y"; avp_subst("$avp(a)", "/-/+/"); xlog("XL|$avp(a)\\n");', more='loadmodule "avpops.so"\n') == ["x+y"]


def test_what_came_later_than_3_1() -> None:
    assert printed('$var(x) = "a"; $var(x) := NULL; xlog("XL|$var(x)\\n");') == ["<null>"]
    assert printed('route(r); xlog("XL|$return(0) $rc\\n");\n}\nroute[r] { return(3, "v");') == ["v 3"]
    assert printed('$var(f) = "$rm"; xlog("XL|$(var(f){s.eval}) $(rm{s.sha1})\\n");')[0].startswith("OPTIONS ")
    assert printed('xlog("XL|$route $route.type\\n");') == ["route route"]


# ------------------------------------------------------------------------------------------- refused by 3.1 and 3.6 alike
@pytest.mark.parametrize(("script", "line", "message", "hint"), [
    ("children=4\nroute { exit; }", 1, "the parameter children does not exist any more", "udp_workers"),
    ("fork=yes\nroute { exit; }", 1, "the parameter fork does not exist any more", ""),
    ("debug=3\nroute { exit; }", 1, "the parameter debug does not exist any more", "log_level"),
    ("port=5060\nroute { exit; }", 1, "the parameter port does not exist any more", "socket"),
    ("disable_tcp=yes\nroute { exit; }", 1, "the parameter disable_tcp does not exist any more", "proto_tcp"),
    ("route {\nsetflag(NAT); }", 2, "bare word <NAT> as an argument of setflag()", '"NAT"'),
    ("route {\nsetflag(5); }", 2, "parameter <flag> of command <setflag> is expected to be a string, not 5", ""),
    ("debug_mode==yes\nroute { exit; }", 1, "a global parameter is set with one '=', not '=='", "write debug_mode = value"),
    ("route {\nbreak; }", 2, "break outside of while, for and switch", "use return, exit or drop to leave a route"),
    ("route {\nnosuch(); }", 2, "unknown command <nosuch>, missing loadmodule?", ""),
    (TM + 'route {\nsl_send_reply("404", "x"); }', 6, "parameter <code> of command <sl_send_reply> is expected to be a number or a "
     "variable, not '404'", ""),
    (TM + "onreply_route[a] {\nt_newtran(); }\nroute { exit; }", 6, "Command <t_newtran> cannot be used in the block", "it may stand in"),
    ('loadmodule "uri.so"\nroute { exit; }', 1, "module uri not found", ""),
])
@pytest.mark.parametrize("release", ["3.1", "3.6"])
def test_refused_by_all_releases(script: str, line: int, message: str, hint: str, release: str) -> None:
    found = refused(script, compat=release)
    assert found[0][:2] == (line, message)
    assert hint in found[0][2]
