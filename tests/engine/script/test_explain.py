"""What authors are told: each wrong text with a word of the message or of its hint."""

import pytest

from engine.errors import ConfigErrors
from engine.script.parser import parse_text

IN_ROUTE = [
    ("5 = $var(x);", "only variables"), ("if (5 == $var(x)) exit;", "turn it around"), ('if ("x" == $rU) exit;', "string alone"),
    ("if ($var(a) + 1 == 2) exit;", "arithmetic in a condition"), ("if (f() == 1) exit;", "result of a call"),
    ("if ($var(a) > NULL) exit;", "NULL with >"), ("if ($si > 10.0.0.1) exit;", "address with >"),
    ("if ($rU =~ 5) exit;", "=~ with a number"),
    ('if ("x") exit;', "string alone"), ("$var(x) = $var(y) == 1 && $var(z) == 1;", "&& in an assignment"),
    ("$var(x) = -$var(y);", "sign in front"), ("$var(a) = $var(b) = 1;", "one assignment per statement"),
    ("if ($var(a) == 1 == 1) exit;", "comparison of a comparison"), ("{ exit; }", "block cannot be a statement"),
    ("break;", "break outside"),
    ("while (1) { continue; }", "no continue"), ("switch ($rU) { default: exit; }", "needs a case"),
    ('switch ($rU) { case "a": exit; default: exit; case "x": exit; }', "default must be the last"),
    ("switch ($rU) { case $var(x): exit; }", "case label"), ("switch (5) { case 5: exit; }", "expects a variable"),
    ("hello;", "bare word"),
    ("$var(x);", "alone is not a statement"), ("route(a, $var(x) + 1);", "expression as an argument"),
    ("f(g());", "call as an argument"),
    ("setflag(NAT);", 'quote it: "NAT"'), ("xlog(L_ERR, \"x\");", 'quote it: "L_ERR"'), ("xlog($ru);", '"$ru"'),
    ("IF ($rU == 1) exit;", "lower case"),
    ("if () exit;", "condition is empty"), ("else exit;", "else without if"),
    ("for ($var(i) = 0; $var(i) < 3; $var(i) += 1) { exit; }", "only form"),
    ("for ($ru in $(avp(x)[*])) { exit; }", "iterator"), ("$var(i)++;", "no ++"), ('$var(x) = $rU == "bob" ? 1 : 2;', "?:"),
    ("async(f());", "resume route"), ("xlog(\"a\")\nexit;", "';' is missing"), ('xlog("a";', "')' is missing"),
    ("if $rU == 1 exit;", "if (condition)"),
    ("max_while_loops = 5;", "outside of routes"), ("route[a] { exit; }", "'}' is missing before"),
    ("$(ru{uri.user}) = 1;", "transformation on the left"),
    ("if ($rU == bob) exit;", '"bob"'), ("foreach ($var(x)) { exit; }", ""), ("$var() = 1;", "are empty"),
    ("f(NULL);", "leave the argument out"),
    ('f("a" "b");', "',' is missing"), ("f(1,2,3,4,5,6,7,8,9);", "too many arguments"),
]
OUTSIDE = [
    ("route[a] { }", "empty"), ("route[a];", "needs a body"), ("failure_route { exit; }", "needs a name"),
    ("error_route[x] { exit; }", "has no name"),
    ("timer_route[t] { exit; }", "interval"), ("route { exit; }", "defined twice"), ('xlog("x");', "outside of a route"),
    ("}", "closes nothing"),
    ("debug_mode==yes", "one '='"), ("socket=127.0.0.1:5060", "protocol expected"), ("socket=abc:1.2.3.4", "protocol <abc>"),
    ("socket=udp:300.1.2.3", "bad address"), ("socket=udp:eth0:port", "invalid port"), ("alias=my.alias", "use quotes"),
    ("alias=on.example.com", "use quotes"),
    ("socket=udp:1.2.3.4:20-10", "port range"), ("loadmodule x", "string"), ('modparam("a", "b")', ""),
    ("children = 4", "udp_workers"),
    ("udp_workres = 4", "udp_workers"), ('udp_workers = "four"', "expects a number"), ("{ exit; }", "block without a route"),
    ("rout { exit; }", "route"),
    ("log_level=2;", "';'"), ("route[a] { exit;", "file ends inside"),
]


@pytest.mark.parametrize(("text", "said"), [(f"route {{\n{text}\n}}", said) for text, said in IN_ROUTE] + [
    (f"route {{ exit; }}\n{text}\n", said) for text, said in OUTSIDE])
def test_the_message_helps(text: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse_text(text)
    error = caught.value.errors[0]
    assert error.line in (2, 3)
    assert said in f"{error.message} ({error.hint})"
    assert len(caught.value.errors) <= 2
