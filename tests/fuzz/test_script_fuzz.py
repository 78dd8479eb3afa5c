"""Damaged scripts end in ConfigErrors with places, never in another exception."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ConfigErrors
from engine.script.diagnostics import render
from engine.script.parser import parse_text
from tests.helpers import HarnessServer

SCRIPT = r"""
log_level=2 socket=udp:127.0.0.1:5060 as h.example.org:5061 tag x
alias=a.b udp:1.2.3.4:5060
dst_blacklist = gw/expire:{ (tcp, 10.0.0.0/8, 5060, "x"), !1.2.3.4 }
udp_workers = 4 use_auto_scaling_profile P
loadmodule "tm.so"
modparam("tm", "fr_timeout", 5)
route {
    if (!$rU == "bob" && ($var(x) = 5) || [$var(x) + 1]) { xlog("L_INFO", "a $ru\n" 'b'); exit; } else drop;
    $(avp(x)[$var(i)]) := $(ru{s.select,1,@}{s.len}) + 0x1F * ~-3;
    while ($var(i) < 3) { $var(i) += 1; if (f("a", , $var(x))) break; }
    for ($var(v) in $(avp(list)[*])) { route(r, 1, NULL); }
    switch ($rm) { case "INVITE": case 5: break; default: return (1, "x"); }
    async(sleep("1"), resume, 5); /* a /* b */ c */ launch(f(), r); assert($si == 10.0.0.0/8, "t");
}
failure_route[f] { t_relay(); }
timer_route[t, 5] { ; }
"""
WORDS = SCRIPT.split() + ["{", "}", "(", ")", "[", "]", '"', "'", "/*", "$", "route", "route[", "else", "case", "==", "=",
    ";", "\\", "#", "\xff"]


def check(text: str) -> None:
    try:
        parse_text(text, "fuzz.cfg")
    except ConfigErrors as found:
        assert found.errors
        assert all(error.line > 0 and error.message for error in found.errors if error.file)
        assert "bad config file" in render(found, {"fuzz.cfg": text})


def test_the_script_itself_is_right() -> None:
    assert len(parse_text(SCRIPT).routes) == 3


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SCRIPT)), st.integers(0, 60), st.sampled_from(WORDS))
def test_a_piece_replaced(start: int, length: int, word: str) -> None:
    check(SCRIPT[:start] + word + SCRIPT[start + length:])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_words_in_any_order(words: list[str]) -> None:
    check(" ".join(words))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=1, max_codepoint=255), max_size=80))
def test_any_text(text: str) -> None:
    check(text.replace("include_file", "").replace("import_file", ""))


WHOLE = r"""
log_level=2
socket=udp:127.0.0.1:5060
loadmodule "proto_udp.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "sipmsgops.so"
modparam("tm", "fr_timeout", 5)
route {
    if (is_method("INVITE") && $rU =~ "^[0-9]+$") { t_on_failure("f"); route(relay, $var(x), "a"); }
    $avp(x) = $(ru{uri.host}) + ":" + $rp; $var(n) += 1; setflag("F");
    switch ($rm) { case "BYE": break; case 5: exit; default: xlog("L_INFO", "$ru $(hdr(Via)[*])\n"); }
    while ($var(i) < 3 || !t_relay()) { $var(i) = $var(i) + 1; }
    for ($var(v) in $(avp(x)[*])) { append_hf("X: $var(v)\r\n"); }
    return(1, $var(n), "x");
}
route[relay] { if (!t_relay()) { sl_reply_error(); } exit; }
failure_route[f] { if (t_check_status("4..")) { t_reply(500, "Gone"); } }
onreply_route { xlog("$rs $rr"); }
"""
PIECES = [*WHOLE.split(), *WORDS, '"$nosuch"', '"("', "t_relai();", "route(nosuch);", "$nosuch", "$(ru{s.nosuch})", "5", "NULL", "break;"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 30), st.sampled_from(PIECES)), min_size=1, max_size=3))
def test_a_damaged_script_is_judged_as_a_whole(damage: list[tuple[int, int, str]]) -> None:
    """Names, parameters and routes are looked at even where the syntax is broken: nothing but ConfigErrors comes of it."""
    text = WHOLE
    for start, length, piece in damage:
        text = text[:start] + piece + text[start + length:]
    server = HarnessServer([], "3.6")
    server.loop = asyncio.new_event_loop()
    server.cfg_path = "fuzz.cfg"
    try:
        server.load(text)
    except ConfigErrors as found:
        assert found.errors
        assert "bad config file" in render(found, {"fuzz.cfg": text})
    finally:
        server.loop.close()
