"""Every class of transformations through the binder, as scripts write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, UnknownName
from engine.script.transformations import TABLES
from engine.script.values import NumberText, number_of, print_of
from tests.engine.script.kit import Kit


@pytest.fixture(scope="module")
def kit() -> Kit:
    return Kit()


def through(kit: Kit, value: object, chain: str) -> object:
    """Result of $(var(x)CHAIN) for a value."""
    kit.set("$var(x)", value)  # type: ignore[arg-type]
    return kit.get(f"$(var(x){chain})")


@pytest.mark.parametrize(("value", "chain", "result"), [
    ("Hello", "{s.len}", 5), (-12, "{s.len}", 3), ("", "{s.len}", 0), (None, "{s.len}", None),
    ("ÄBc", "{s.tolower}", "Äbc"), ("Hello", "{S.ToUpper}", "HELLO"), (-12, "{s.reverse}", "21-"),
    (" \t x\r\n", "{s.trim}", "x"), (" x ", "{s.triml}", "x "), (" x ", "{s.trimr}", " x"),
    ("Hello World", "{s.substr,-5,3}", "Wor"), ("Hello World", "{s.substr,2,-3}", "llo Wo"), ("Hello", "{s.substr,0,-9}", ""),
    ("Hello", "{s.substr,5,1}", None), ("Hello", "{s.substr,-6,1}", None), ("Hello", "{s.substr, 1 , 2}", "el"),
    ("a,b,,d", "{s.select,2,,}", ""), ("a,b,,d", "{s.select,-1,,}", "d"), ("a,b,,d", "{s.select,4,,}", None),
    ("a b", "{s.select,1, }", "b"), ("", "{s.select,0,/}", ""),
    ("hello, hello world", "{s.index,hello,1}", 7), ("hello, hello world", "{s.index,hello,-19}", None),
    ("hello, hello world", "{s.rindex,hello,6}", 0), ("hello, hello world", "{s.rindex,o,-4}", 14), ("", "{s.index,x}", None),
    ("Hello", "{s.fill.left,abc,12}", "cabcabcHello"[-12:]), (123, "{s.fill.left,0,5}", "00123"),
    ("Hello", "{s.fill.right,' .',8}", "Hello . "), ("Hello", "{s.width,3}", "Hel"), ("Hi", "{s.width,4}", "Hi  "),
    ("Hi", "{s.width,0}", None), ("Hi", "{s.encode.hexa}", "4869"), ("414", "{s.decode.hexa}", "A"),
    ("4g", "{s.decode.hexa}", None),
    ("ff", "{s.hex2dec}", 255), ("0xff", "{s.hex2dec}", None), ("", "{s.hex2dec}", 0), ("48656C6c6f", "{s.hex2dec}", 1701604463),
    (-12, "{s.dec2hex}", "fffffff4"), ("0042", "{s.dec2hex}", "2a"), ("4x", "{s.dec2hex}", None),
    ("Hi!", "{s.b64encode}", "SGkh"), ("SGkh", "{s.b64decode}", "Hi!"), ("12345", "{s.b64decode}", "\xd7m\xf8"),
    ("quick", "{s.crc32}", "1916330280"), ("abc", "{s.md5}", "900150983cd24fb0d6963f7d28e17f72"),
    ("a'b\"\\", "{s.escape.common}", "a\\'b\\\"\\\\"), ("a\\'b\\q", "{s.unescape.common}", "a'b\\q"),
    ("a b=c;d", "{s.escape.user}", "a%20b=c;d"), ("a b=c;d", "{s.escape.param}", "a%20b%3dc%3bd"), ("é", "{s.escape.user}", None),
    ("a%20b", "{s.unescape.user}", "a b"), ("a%zz", "{s.unescape.user}", None), ("a%00", "{s.unescape.param}", None),
    ("secret", "{s.xor,key}{s.xor,key}", "secret"), ("Thu, 21 Feb 2002 13:02:03 GMT", "{s.date2unix}", "1014296523"),
    ("2002-02-21", "{s.date2unix}", None),
])
def test_text(kit: Kit, value: object, chain: str, result: object) -> None:
    assert through(kit, value, chain) == result


def test_int_keeps_its_text(kit: Kit) -> None:
    value = through(kit, "42abc", "{s.int}")
    assert isinstance(value, NumberText)
    assert (number_of(value), print_of(value)) == (42, "42abc")
    assert through(kit, " 7", "{s.int}") == 0
    assert through(kit, "12", "{s.int}") == 12


def test_hmac_wants_a_key(kit: Kit) -> None:
    kit.set("$var(key)", "key")
    kit.set("$var(none)", None)
    assert through(kit, "x", "{s.sha1_hmac,$var(key)}") == through(kit, "x", "{s.sha1_hmac,key}") is not None
    assert through(kit, "x", "{s.sha1_hmac,$var(none)}") is None


def test_eval_expands_formats(kit: Kit) -> None:
    assert through(kit, "$rm of $(rU{s.toupper}) $$", "{s.eval}") == "OPTIONS of BOB $"
    assert through(kit, "x $nosuch", "{s.eval}") is None
    assert through(kit, 5, "{s.eval}") == "5"


URI = "sip:alice:pw@example.com:5070;transport=TCP;user=phone;lr;x=1?Subject=hi"


@pytest.mark.parametrize(("value", "function", "result"), [
    (URI, "user", "alice"), (URI, "domain", "example.com"), (URI, "passwd", "pw"), (URI, "port", 5070), (URI, "transport", "TCP"),
    (URI, "params", "transport=TCP;user=phone;lr;x=1"), (URI, "headers", "Subject=hi"), (URI, "uparam", "phone"),
    (URI, "lr", None), (URI, "param,LR", ""), (URI, "param,x", "1"), (URI, "param,y", None), (URI, "schema", "sip"),
    ("sip:h", "user", None), ("sip:h", "port", None), ("tel:+49;a=b", "user", "+49"), ("tel:+49;a=b", "host", None),
    ("tel:+49;a=b", "params", "a=b"), ("SIPS:u@[::1]", "schema", "SIPS"), ("SIPS:u@[::1]", "host", "[::1]"),
    ("sip:u@h;a=1;e=;b=2", "param,a", None), ('sip:u@h;q="a:b"', "param,q", "a:b"), ("no uri", "host", None), (5, "user", None),
])
def test_uri(kit: Kit, value: object, function: str, result: object) -> None:
    assert through(kit, value, f"{{uri.{function}}}") == result


@pytest.mark.parametrize(("value", "function", "result"), [
    ("SIP/2.0/UDP 10.0.0.1:5070;branch=b;rport;received=1.2.3.4", "name", "SIP"),
    ("SIP/2.0/UDP 10.0.0.1:5070;branch=b;rport;received=1.2.3.4", "version", "2.0"),
    ("SIP/2.0/UDP 10.0.0.1:5070;branch=b;rport;received=1.2.3.4", "port", 5070),
    ("SIP/2.0/UDP 10.0.0.1:5070;branch=b;rport;received=1.2.3.4", "rport", None),
    ("SIP/2.0/UDP 10.0.0.1:5070;branch=b;rport;received=1.2.3.4", "param,RECEIVED", "1.2.3.4"),
    ("SIP / 2.0 / TLS [::1] ;branch=b1 (note)", "comment", "note"), ("nonsense", "host", None), ("", "host", None),
])
def test_via(kit: Kit, value: object, function: str, result: object) -> None:
    assert through(kit, value, f"{{via.{function}}}") == result


@pytest.mark.parametrize(("value", "function", "result"), [
    ('a=1;b;d="x;y"', "count", 3), ('a=1;b;d="x;y"', "value,B", ""), ('a=1;b;d="x;y"', "value,d", "x;y"),
    ('a=1;b;d="x;y"', "valueat,-1", "x;y"), ('a=1;b;d="x;y"', "valueat,3", None), ('a=1;b;d="x;y"', "name,1", "b"),
    ('a=1;b;d="x;y"', "exist,b", 1), ('a=1;b;d="x;y"', "exists,z", 0), ("a=", "count", None), ("", "count", None),
    ("x = 1 ; y = 2", "value,y", "2"), ("a=1;a=2", "value,a", "1"),
])
def test_param(kit: Kit, value: object, function: str, result: object) -> None:
    assert through(kit, value, f"{{param.{function}}}") == result


@pytest.mark.parametrize(("value", "function", "result"), [
    ('a,b,,"c,d","e""f", g ', "count", 6), ('a,b,,"c,d","e""f", g ', "value,3", "c,d"),
    ('a,b,,"c,d","e""f", g ', "value,4", 'e"f'),
    ('a,b,,"c,d","e""f", g ', "value,-1", " g "), ("a", "value,1", None), (",", "count", 2), ("", "count", None),
    ('"open', "count", None), ('"a"b', "count", None), ("tab\there", "count", None),
])
def test_csv(kit: Kit, value: object, function: str, result: object) -> None:
    assert through(kit, value, f"{{csv.{function}}}") == result


@pytest.mark.parametrize(("value", "chain", "result"), [
    ("10.1.2.3", "{ip.isip4}", 1), ("[2001:db8::1]", "{ip.isip6}", 1), ("192.168.1.300", "{ip.isip}", 0), ("", "{ip.isip}", None),
    ("10.1.2.3", "{ip.pton}{s.len}", 4), ("2001:db8::1", "{ip.pton}{ip.ntop}", "2001:DB8:0:0:0:0:0:1"),
    ("2001:db8::1", "{ip.pton}{ip.family}", "INET6"), ("10.1.2.3", "{ip.family}", None), ("x", "{ip.pton}", None),
    ("172.16.5.5", "{ip.isprivate}", 1), ("100.64.0.1", "{ip.isprivate}", 1), ("127.0.0.1", "{ip.isprivate}", 1),
    ("169.254.1.1", "{ip.isprivate}", 0), ("10.1.2.3", "{ip.matches,10.0.0.0/8}", 1), ("10.1.2.3", "{ip.matches,10.1.3.0/24}", 0),
    ("10.1.2.3", "{ip.matches,2001:db8::/32}", None), ("10.1.2.3", "{ip.matches,10.0.0.0/33}", None),
    ("10.1.2.3", "{ip.resolve}", "10.1.2.3"),
])
def test_ip(kit: Kit, value: object, chain: str, result: object) -> None:
    assert through(kit, value, chain) == result


def test_resolve_waits_for_a_name() -> None:
    kit = Kit()
    kit.set("$var(x)", "localhost")
    assert kit.in_worker(lambda: kit.get("$(var(x){ip.resolve})")) in ("127.0.0.1", "0:0:0:0:0:0:0:1")


LIST = '"One, 1" <sip:1@h>;p=1, <sip:2@h>;p=2;flag, Three <sip:3@h>'


@pytest.mark.parametrize(("value", "function", "result"), [
    (LIST, "uri", "sip:1@h"), (LIST, "name", '"One, 1"'), (LIST, "1.uri", "sip:2@h"), (LIST, "-1.name", "Three"),
    (LIST, "3.uri", None), (LIST, "-4.uri", None), (LIST, "1.param,p", "2"), (LIST, "1.param,P", None),
    (LIST, "1.param,flag", None),
    (LIST, "1.params", "p=2;flag"), (LIST, "1.len", 9), (LIST, "2.params", None), ("sip:b@h;tag=t", "param,tag", "t"),
    ("sip:b@h;tag=t", "len", 7), ("<unclosed", "uri", None), ("", "uri", None), ("Bell Jr, A. <sip:a@h>", "name", "Bell Jr, A."),
])
def test_nameaddr(kit: Kit, value: object, function: str, result: object) -> None:
    assert through(kit, value, f"{{nameaddr.{function}}}") == result


def test_nameaddr_with_a_variable_as_index(kit: Kit) -> None:
    kit.set("$var(i)", 1)
    assert through(kit, LIST, "{nameaddr.$var(i).uri}") == "sip:2@h"
    kit.set("$var(i)", "1")
    assert through(kit, LIST, "{nameaddr.$var(i).uri}") is None


SDP = "v=0\r\ns=-\r\nm=audio 1 RTP/AVP 0\r\na=x\r\nm=video 2 RTP/AVP 31\r\na=y\r\n"


@pytest.mark.parametrize(("chain", "result"), [
    ("{sdp.line,m}", "m=audio 1 RTP/AVP 0"), ("{sdp.line,a,1}", "a=y"), ("{sdp.line,a,2}", None), ("{sdp.line,z}", None),
    ("{sdp.stream,AUDIO}", "m=audio 1 RTP/AVP 0\r\na=x\r\n"), ("{sdp.stream,-1}{sdp.line,m}", "m=video 2 RTP/AVP 31"),
    ("{sdp.stream,2}", None), ("{sdp.stream-delete,audio}", "v=0\r\ns=-\r\nm=video 2 RTP/AVP 31\r\na=y\r\n"),
    ("{sdp.stream-delete,text}", None),
])
def test_sdp(kit: Kit, chain: str, result: object) -> None:
    assert through(kit, SDP, chain) == result


@pytest.mark.parametrize(("value", "expression", "result"), [
    ("abc abc", "/b/X/", "aXc abc"), ("abc abc", "/b/X/g", "aXc aXc"), ("abc", "/B/X/", "abc"), ("abc", "/B/X/i", "aXc"),
    ("abc abd", r"/([a-c]+) ([a-d]+)/\2-\1/", "abd-abc"), ("abc", "#b##", "ac"), ("abc", "/z/X/", "abc"), ("abc", "/^/X/", None),
    ("", "/x/y/", None), ("abc", "/(b/X/", None), ("abc", "/b/X", None), ("abc", "/b/X/q", None), (1212, "/2/X/g", "1X1X"),
    ("aaa", "/a/b/g", "bbb"), ("a-b", r"/-/\$/", "a$b"), ("abc", "/b/[$rm]/", "a[OPTIONS]c"),
    ("a1b22", r"/[0-9]\{2\}/N/", "a1bN"),
])
def test_subst(kit: Kit, value: object, expression: str, result: object) -> None:
    assert through(kit, value, f"{{re.subst,{expression}}}") == result


def test_subst_from_a_variable(kit: Kit) -> None:
    kit.set("$var(e)", "/b/[$rU]/")
    assert through(kit, "abc", "{re.subst,$var(e)}") == "a[bob]c"
    kit.set("$var(e)", "/(/x/")
    assert through(kit, "abc", "{re.subst,$var(e)}") is None


@pytest.mark.parametrize(("text", "kind"), [
    ("$(var(x){s.nosuch})", UnknownName), ("$(var(x){nosuch.len})", UnknownName), ("$(var(x){s.substr})", ConfigError),
    ("$(var(x){s.substr,1})", ConfigError), ("$(var(x){s.substr,a,b})", ConfigError), ("$(var(x){s.substr,1,2,3})", ConfigError),
    ("$(var(x){s.fill.left,x,$var(n)})", ConfigError), ("$(var(x){nameaddr.nosuch})", UnknownName),
    ("$(var(x){nameaddr.param})", ConfigError), ("$(var(x){s.index,$nosuch})", UnknownName),
    ("$(var(x){re.nosuch,/a/b/})", UnknownName),
])
def test_mistakes_are_found_at_load(kit: Kit, text: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        kit.var(text)


def test_the_nearest_name_is_told(kit: Kit) -> None:
    with pytest.raises(UnknownName) as caught:
        kit.var("$(var(x){s.substring,1,2})")
    assert "s.substr" in caught.value.hint


def test_an_argument_without_value_gives_null(kit: Kit) -> None:
    kit.set("$var(none)", None)
    assert through(kit, "abc", "{s.substr,$var(none),1}") is None
    assert through(kit, "abc", "{s.index,$var(none)}") is None


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_texts_of_the_network_never_raise(text: str) -> None:
    for table in TABLES.values():
        for entry in table.values():
            if entry.call is None or entry.kinds:
                continue
            try:
                entry.call(text)
            except ValueError:
                pass


@given(st.text(st.characters(max_codepoint=255)))
def test_codes_and_back(text: str) -> None:
    table = TABLES["s"]
    assert table["b64decode"].call(table["b64encode"].call(text)) == text
    assert table["decode.hexa"].call(table["encode.hexa"].call(text)) == text
    assert table["unescape.common"].call(table["escape.common"].call(text)) == text


@pytest.mark.parametrize(("text", "chain", "result"), [
    ("a,b", "{param.name,0}", "a"), ("a,b", "{param.value,a}", ""), ("a b", "{param.count}", None), (" a=1", "{param.value,a}", None),
    ('<sip:x;p=1>;q="2,3"', "{param.value,p}", "1>"), ("a=1>;b=2", "{param.count}", 2), ("a=1,b=2;c", "{param.count}", 1),
    ("a=1;", "{param.count}", None), ('a="x', "{param.count}", None), ('a="x"y', "{param.count}", None), (";a=1", "{param.count}", 2),
    ("a = 1 ; b", "{param.value,A}", "1"), ("v=1\r\na=2", "{param.value,v}", None),
])
def test_a_parameter_list_ends_where_the_header_goes_on(kit: Kit, text: str, chain: str, result: object) -> None:
    assert through(kit, text, chain) == result


def test_the_key_of_a_digest_is_one_word(kit: Kit) -> None:
    assert through(kit, "x", "{s.sha1_hmac,a b}") == through(kit, "x", "{s.sha1_hmac,a}")


@pytest.mark.parametrize("chain", [
    "{s.index,a b}", "{s.index,a,}", "{s.substr,1x,2}", "{s.substr,1 2,3}", "{s.width,-1}", "{sdp.line,a,-1}", "{s.fill.left, ,7}",
    "{s.fill.left,'',7}",
])
def test_arguments_that_no_release_takes(kit: Kit, chain: str) -> None:
    with pytest.raises(ConfigError):
        kit.var(f"$(var(x){chain})")


@pytest.mark.parametrize(("chain", "result"), [
    ("{s.substr,1,2x}", "b"), ("{sdp.line,}", None), ("{s.index,}", None), ("{nameaddr.param,}", None), ("{s.fill.left,' ',4}", " abc"),
    ("{s.fill.left,x y,6}", "x yabc"), ("{nameaddr.$rU.uri}", None),
])
def test_arguments_that_are_taken_though_odd(kit: Kit, chain: str, result: object) -> None:
    assert through(kit, "abc" if "substr" not in chain else "ab", chain) == result
