"""Variables that read a message: request line, headers, bodies, credentials, flags."""

from __future__ import annotations

import pytest

from engine.errors import ScriptError
from engine.script.context import ONREPLY
from engine.script.values import TextNumber, number_of, print_of
from tests.engine.script.kit import Kit
from tests.helpers import make_request

HEADERS = (
    'Contact: "A" <sip:a@1.2.3.4;line=1>;q=0.7;expires=120, <sip:b@h>\r\nm: sip:c@h;x=1\r\nX-A: one\r\nx-a: two, 2\r\n'
    "X-Empty:\r\ns: compact\r\nX-Pad:  padded \r\nUser-Agent: phone 1.0\r\nRefer-To: <sip:r@h?Replaces=x>\r\n"
    "Diversion: <sip:d@h>;reason=busy;privacy=off\r\nP-Preferred-Identity: \"P\" <sip:p@q>\r\n"
    "P-Asserted-Identity: <sip:ai@h>\r\nRemote-Party-ID: <sip:re@h>;party=calling\r\n"
)


@pytest.fixture(scope="module")
def kit() -> Kit:
    return Kit(make_request("INVITE", "sip:u;p=1@h:5080;transport=TCP;lr?X=1", headers=HEADERS, cseq=314))


@pytest.fixture(scope="module")
def bare() -> Kit:
    return Kit(
        "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:h>;tag=t\r\nTo: <sip:h>\r\nCall-ID: c\r\n"
        "CSeq: 1 OPTIONS\r\n\r\n"
    )


def test_request_line(kit: Kit) -> None:
    assert kit.text("$rm $ru $rU $rd $rp $rP") == "INVITE sip:u;p=1@h:5080;transport=TCP;lr?X=1 u;p=1 h 5080 TCP"
    assert kit.text("$ou $oU $od $op $oP $ru_q") == "sip:u;p=1@h:5080;transport=TCP;lr?X=1 u;p=1 h 5080 TCP -1"
    assert [number_of(kit.get(name)) for name in ("$rm", "$rp", "$rP")] == [1, 5080, 2]
    assert isinstance(kit.get("$rp"), TextNumber)


def test_defaults_are_numbers(bare: Kit) -> None:
    assert kit_values(bare, "$rp", "$op") == [5060, 5060] and type(bare.get("$rp")) is int
    bare.ctx.ruri = "sips:h"
    assert bare.text("$rp $rP") == "5061 tls"
    bare.ctx.ruri = "tel:+49"
    assert bare.text("$rU $rd $rp") == "+49 <null> 5060"
    bare.ctx.ruri = bare.ctx.msg.request_uri  # type: ignore[attr-defined]


def kit_values(kit: Kit, *names: str) -> list[object]:
    return [kit.get(name) for name in names]


def test_absent_is_null(bare: Kit) -> None:
    for name in (
        "$ai $au $ar $adu $ad $an $auth.nonce $auth.resp $auth.nc $aU $branch $ct $cT $dd $di $dir $dip $dp $dP $ds $du $fn $fU "
        "$oU $path $pd $pn $pu $pU $re $rr $rs $rt $rU $tn $tt $tU $ua $challenge.realm $rb $cl $sdp $socket_in(tag)"
    ).split():
        assert bare.get(name) is None, name
    for name in ("$mf", "$bf", "$err.info"):
        assert bare.get(name) == ""
    assert bare.get("$Au") == "@h"


def test_headers(kit: Kit) -> None:
    assert kit.text("$hdr(X-A) $(hdr(x-a)[1]) $(hdr(X-A)[-2]) $(hdr(X-A)[2])") == "one two, 2 one <null>"
    assert kit.get("$(hdr(X-A)[*])") == "one, two, 2" and kit.get("$hdrcnt(x-A)") == 2
    assert kit.get("$hdr(X-Empty)") == "" and kit.get("$hdr(None)") is None and kit.get("$hdrcnt(None)") == 0
    assert kit.get("$hdr(Subject)") is None and kit.get("$hdr(s)") == "compact"
    assert kit.get("$hdr(X-Pad)") == "padded "
    assert kit.get("$hdr(i)") == kit.get("$ci") == "call-1"
    assert kit.text("$hdr_name $(hdr_name[-1]) $(hdr_name[99])") == "Via Content-Length <null>"
    kit.set("$var(h)", "x-a")
    assert kit.get("$(hdr($var(h))[1])") == "two, 2"


def test_contacts(kit: Kit) -> None:
    assert kit.get("$ct") == '"A" <sip:a@1.2.3.4;line=1>;q=0.7;expires=120'
    assert kit.text("$(ct[1]) $(ct[-1]) $(ct[3])") == "<sip:b@h> sip:c@h;x=1 <null>"
    assert kit.get("$(ct.fields(uri)[*])") == "sip:a@1.2.3.4;line=1, sip:b@h, sip:c@h"
    assert kit.text("$ct.fields(Name) $ct.fields(q) $ct.fields(expires) $(ct.fields(params)[2])") == '"A" 0.7 120 x=1'
    assert kit.get("$(ct.fields(q)[*])") == "0.7, , "


def test_star_contact() -> None:
    kit = Kit(make_request("REGISTER", headers="Contact: *\r\n"))
    assert kit.text("$ct $(ct[0]) $(ct[1]) $(ct[*]) $ct.fields(uri) [$(ct.fields(uri)[*])]") == "* * <null> * <null> []"


def test_addresses(kit: Kit) -> None:
    assert kit.text("$fu $fU $fd $ft $tu $tU $td $tt") == (
        "sip:alice@example.com alice example.com a1 sip:bob@example.com bob example.com <null>")
    assert kit.text("$from $from.user $from.domain $to $to.user $to.domain") == (
        "sip:alice@example.com alice example.com sip:bob@example.com bob example.com")
    assert kit.text("$rt $ua $di $dir $dip $pu $pU $pd $pn $ai $re") == (
        'sip:r@h?Replaces=x phone 1.0 sip:d@h busy off sip:p@q p q "P" sip:ai@h sip:re@h')


def test_broken_from_is_null_and_pending() -> None:
    kit = Kit(make_request().replace("From: <sip:alice@example.com>;tag=a1", 'From: "open <sip:x>'))
    assert kit.get("$fu") is None
    assert kit.get("$err.info") == "error parsing From header"


MULTIPART = (
    "--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
    "--b1\r\nContent-Type: text/plain\r\n\r\nsecond\r\n--b1--\r\n"
)


def test_bodies() -> None:
    kit = Kit(make_request("INVITE", headers='Content-Type: multipart/mixed;boundary="b1"\r\n', body=MULTIPART))
    assert kit.get("$rb") == MULTIPART and kit.get("$cl") == len(MULTIPART)
    assert kit_values(kit, "$(rb[1])", "$(rb[-1])", "$(rb[3])", "$rb(text/plain)", "$(rb(text/plain)[1])", "$rb(a/b)") == [
        "first", "second", None, "first", "second", None]
    assert kit.text("$(cT[0]) $(cT[-1])") == "application/sdp text/plain"
    assert kit.get("$(cT[*])") == 'multipart/mixed;boundary="b1",application/sdp,text/plain,text/plain'
    assert kit.get("$ml") == len(str(kit.get("$mb")))


def test_flags_are_words_and_numbers(kit: Kit) -> None:
    assert print_of(kit.get("$msg.flag(F)")) == "false"
    kit.set("$msg.flag(F)", 5)
    assert (print_of(kit.get("$msg.flag(F)")), number_of(kit.get("$msg.flag(F)")), kit.get("$mf")) == ("true", 1, "F")
    kit.set("$msg.flag(F)", 0)
    assert kit.get("$mf") == ""
    for value in ("x", None):
        with pytest.raises(ScriptError):
            kit.set("$msg.flag(F)", value)
    assert kit.text("$msg.is_request $msg.type") == "true request"


def test_credentials() -> None:
    digest = 'Digest username="bob@dom", realm="r", nonce="n", uri="sip:x", response="0f", algorithm=MD5, qop=auth, nc=00000001'
    kit = Kit(make_request("REGISTER", headers=f"Authorization: {digest}\r\n"))
    assert kit.text("$au $aU $ad $ar $adu $an $auth.resp $auth.alg $auth.qop $auth.nc $auth.opaque") == (
        "bob bob@dom dom r sip:x n 0f MD5 auth 00000001 <null>")
    proxy = 'Proxy-Authorization: Digest username="p", realm="r2"\r\n'
    both = Kit(make_request("REGISTER", headers=f"Authorization: {digest}\r\n{proxy}"))
    assert both.text("$au $ar") == "p r2"
    assert Kit(make_request("ACK", headers=f"Authorization: {digest}\r\n")).get("$au") is None
    assert Kit(make_request("REGISTER", headers="Authorization: Basic YTpi\r\n")).get("$au") is None


def reply(code: int, header: str = "") -> str:
    return (
        f"SIP/2.0 {code} Some Reason\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\n"
        f"Call-ID: c\r\nCSeq: 77 INVITE\r\n{header}Content-Length: 0\r\n\r\n"
    )


def test_replies() -> None:
    kit = Kit()
    kit.ctx = kit.run_on(reply(183), ONREPLY)
    assert kit.text("$rs $rr $rm $cs $msg.type $msg.is_request") == "183 Some Reason INVITE 77 reply false"
    assert kit_values(kit, "$ru", "$rU", "$ou", "$op", "$ru_q", "$msg.branch.uri") == [None] * 6
    with pytest.raises(ScriptError):
        kit.set("$ru", "sip:x@y")


def test_challenges() -> None:
    kit = Kit()
    kit.ctx = kit.run_on(reply(401, 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'), ONREPLY)
    assert kit.text("$challenge.realm $challenge.nonce $challenge.qop") == "r n auth"
    assert kit.text("[$challenge.opaque] $challenge.algorithm") == "[] MD5"
    kit.ctx = kit.run_on(reply(407, 'WWW-Authenticate: Digest realm="r", nonce="n"\r\n'), ONREPLY)
    assert kit.get("$challenge.realm") is None


def test_a_method_counts_as_its_bit() -> None:
    """INVITE is 1, OPTIONS 32: `1 + $rm` shows it."""
    from engine.script.values import number_of
    from engine.script.variables.common import method_value

    assert [number_of(method_value(name)) for name in ("INVITE", "ACK", "OPTIONS", "REGISTER", "PUBLISH", "FOO")] == [
        1, 4, 32, 128, 8192, 16384]
