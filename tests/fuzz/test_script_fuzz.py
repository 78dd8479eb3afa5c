"""Damaged scripts end in ConfigErrors with places, never in another exception."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ConfigErrors
from engine.script.diagnostics import render
from engine.script.parser import parse_text

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
