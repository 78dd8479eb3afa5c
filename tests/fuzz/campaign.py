"""A long attack on the whole receive path: `python -m tests.fuzz.campaign --messages 1000000 --seed 1`.

Mutations of recorded messages and of the torture messages go through parser, script, tm, rr, registrar, auth, nathelper and the
functions that scripts call on headers and bodies. What the server relays is answered, often with mutated replies. Virtual
time passes, so that every timer fires. Three things are demanded: no exception that nobody expected is logged, every message is
done within a second of computing, and in the end the memory that transactions and registrations took is given back.

Exit status 0: all held. Each new kind of failure is printed once, with the message that made it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sys
import time
from typing import Any

from engine.sip.framing import FramingError, StreamFramer
from tests.fuzz.corpus import seeds
from tests.fuzz.mutate import mutate
from tests.helpers import Harness, Sent, make_reply

MODULES = "".join(f'loadmodule "{name}.so"\n' for name in (
    "proto_udp", "proto_tcp", "signaling", "sl", "tm", "rr", "maxfwd", "sipmsgops", "textops", "options", "usrloc", "registrar", "nathelper",
    "diversion", "auth", "dialog", "uac", "permissions", "path", "gflags",
))
SCRIPT = f"""
log_level=1
socket=udp:127.0.0.1:5060
socket=tcp:127.0.0.1:5060
disable_stateless_fwd=no
{MODULES}
modparam("tm", "fr_timeout", 2)
modparam("tm", "fr_inv_timeout", 3)
modparam("tm", "wt_timer", 2)
modparam("dialog", "default_timeout", 20)
modparam("registrar", "max_expires", 30)
modparam("registrar", "max_contacts", 5)
modparam("usrloc", "timer_interval", 5)
modparam("nathelper|registrar", "received_avp", "$avp(rcv)")
modparam("nathelper", "natping_interval", 10)
modparam("nathelper", "sipping_bflag", "SIP")
modparam("nathelper", "sipping_from", "sip:ping@example.com")
modparam("nathelper", "remove_on_timeout_bflag", "SIP")
route {{
    $var(n) = $var(n) + 1;
    if ($var(n) > 6) $var(n) = 0;
    if (!mf_process_maxfwd_header(10)) {{ send_reply(483, "Too Many Hops"); exit; }}
    if (nat_uac_test("private-contact,diff-ip-src-via,private-via,private-sdp,diff-port-src-via,diff-ip-src-contact,diff-port-src-contact")) {{
        force_rport();
        if (is_method("REGISTER")) fix_nated_register(); else fix_nated_contact(";nat=yes");
        fix_nated_sdp("rewrite-media-ip,rewrite-origin-ip,add-dir-active");
        add_rcv_param($var(n));
    }}
    if ($var(n) == 0) {{
        xlog("$ru $rU $rd $rp $tu $tU $fu $fU $ci $cs $ct $(ct[*]) $rr_params $ua $cl $cT $au $ar $adu\\n");
        xlog("$ad $aU $an $rs $rr $hdr(Contact) $(hdrcnt(Via)) $rb $ml $si\\n");
        xlog("$ct.fields(uri) $ct.fields(q) $ct.fields(expires) $(hdr(Via)[1]) $pu $ai $ou $tt $ft $di $dir\\n");
        xlog("$dip $re $rt $pd $sdp.line(m) $sdp.stream(audio)\\n");
        xlog("$(ru{{uri.params}}) $(fu{{uri.user}}) $(hdr(Via){{via.branch}}) $(hdr(Contact){{nameaddr.uri}}) $(hdr(Contact){{csv.count}})\\n");
        xlog("$(hdr(Route){{param.value,lr}}) $(rb{{sdp.line,m}})\\n");
        sipmsg_validate("shrf");
    }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ if (is_method("INVITE")) record_route(); t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        if ($var(n) < 3) {{ send_reply(404, "Not here"); exit; }}
    }}
    loose_route();
    t_check_trans();
    if (is_method("REGISTER")) {{
        if ($var(n) == 1 && !pv_www_authorize("example.com")) {{ www_challenge("example.com", "auth,auth-int", "MD5,SHA-256"); exit; }}
        setbflag("SIP");
        add_path_received();
        if (!save("location", "path-lazy, max-contacts=3")) xlog("not stored\\n");
        exit;
    }}
    if ($var(n) == 2 && !pv_proxy_authorize("example.com")) {{ proxy_challenge("example.com", "auth"); exit; }}
    if (is_method("OPTIONS") && $rU == NULL) {{ options_reply(); exit; }}
    if ($var(n) == 3) {{
        if (subst_uri("/sip:(.*)/sip:x\\1/")) xlog("changed\\n");
        subst_body("/a=/b=/g"); search("branch"); remove_hf("X"); append_hf("X-A: $fu\\r\\n"); insert_hf("X-B: $ct\\r\\n", "From");
        add_diversion("unconditional"); remove_body_part("application/sdp"); append_time();
        list_hdr_has_option("Supported", "path"); codec_delete("PCMU"); ruri_add_param("a=b"); is_present_hf("Path"); has_body("application/sdp");
    }}
    if ($var(n) == 4) {{ forward(); exit; }}
    if ($var(n) == 6 && is_method("INVITE")) create_dialog("B");
    if (has_totag()) match_dialog();
    if ($var(n) == 1 && $fu != NULL) uac_replace_from("\\"X\\"", "sip:hidden@example.com");
    record_route(";x=y");
    add_rr_param(";z=1");
    if (!lookup("location")) $ru = "sip:next@127.0.0.1:5099";
    if ($du == NULL) $du = "sip:127.0.0.1:5099";
    if ($var(n) == 5) {{ append_msg_branch("sip:other@127.0.0.1:5098"); serialize_branches(1); next_branches(); }}
    t_on_branch("out"); t_on_reply("back"); t_on_failure("lost");
    if (!t_relay()) send_reply(500, "No");
}}
branch_route[out] {{ xlog("$ru $du\\n"); append_hf("X-Branch: $T_branch_idx\\r\\n"); }}
onreply_route[back] {{ xlog("$rs $rr $ct $rb\\n"); fix_nated_contact(); fix_nated_sdp("rewrite-media-ip"); if ($rs == 183) drop; }}
failure_route[lost] {{
    if (t_was_cancelled()) exit;
    if (next_branches()) {{ t_on_failure("lost"); t_relay(); }}
    else if ($T_reply_code == 404) t_reply(480, "Gone");
}}
onreply_route {{ xlog("$rs $(hdr(Via)[*])\\n"); }}
error_route {{ xlog("$(err.class) $(err.info)\\n"); sl_send_reply(400, "Bad Request"); exit; }}
"""
BATCH = 200
"""Messages between two steps of the clock."""
STEP = 0.3
"""Seconds the clock goes on after a batch."""
SLOW = 1.0


class Findings:
    """Failures, one of each kind."""

    def __init__(self) -> None:
        self.kinds: dict[str, int] = {}

    def note(self, kind: str, data: bytes, detail: str) -> None:
        """One more; printed when it is the first of its kind."""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] == 1:
            print(f"FOUND {kind}\n{detail}\n{data!r}\n", flush=True)


class Target(Harness):
    """The server under attack."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(SCRIPT)
        self.findings = findings
        self.current = b""

    def look(self) -> None:
        """Read the log; keep nothing."""
        lines = self.server.log.lines  # type: ignore[attr-defined]
        for at, line in enumerate(lines):
            if "unexpected" in line or "traceback" in line:
                trace = [one.rstrip() for one in lines[at:at + 25] if "traceback" in one or "unexpected" in one]
                kind = (trace[-1] if trace else line).partition("traceback:")[2].strip() or line.strip()
                self.findings.note(f"{kind} {line.rpartition(': ')[0][-60:]}", self.current, "\n".join(trace))
                break
        lines.clear()

    async def feed(self, data: bytes, port: int, stream: bool) -> None:
        """One message in; over a stream it is framed first, byte groups at a time."""
        self.current = data
        sockets = self.server.sockets
        started = time.process_time()
        receive = self.server.receiver.receive
        if not stream:
            self.server.workers.run(lambda: receive(data, "127.0.0.1", port, sockets.first("udp"), None))
        else:
            socket: Any = sockets.first("tcp")
            connection = socket.transport.connection("127.0.0.1", port, socket)
            framer = StreamFramer()
            try:
                for at in range(0, len(data), 700):
                    for message in framer.feed(data[at:at + 700]):
                        if isinstance(message, bytes) and len(message) > 4:
                            self.server.workers.run(lambda one=message: receive(one, "127.0.0.1", port, socket, connection))
            except FramingError:
                pass
        taken = time.process_time() - started
        if taken > SLOW:
            self.findings.note("slow message", data, f"{taken:.2f} s")
        if self.log:
            self.look()

    async def attack(self, rnd: random.Random, start: list[bytes], count: int) -> int:
        """A batch of messages and the answers to what they set off; how many that were."""
        done = 0
        while done < count:
            await self.feed(mutate(rnd, start), rnd.randrange(5070, 5080), rnd.random() < 0.1)
            done += 1
            sent, self.sent[:] = self.sent[-3:], []
            for one in sent:
                if done < count and one.first_line.endswith("SIP/2.0") and rnd.random() < 0.5:
                    await self.feed(answer(rnd, one), one.port, False)
                    done += 1
        await asyncio.sleep(0)
        self.sent.clear()
        return done


def answer(rnd: random.Random, sent: Sent) -> bytes:
    """What the far end says to a request, half the time broken."""
    code = rnd.choice((100, 180, 183, 200, 200, 302, 401, 404, 408, 486, 503, 603))
    headers = rnd.choice(("", "Contact: <sip:b@10.0.0.1:5090>\r\n", "Contact: <sip:x>;q=0.5, <sip:y>\r\nContent-Type: application/sdp\r\n"))
    text = make_reply(sent.text, code, headers=headers, body=rnd.choice(("", "v=0\r\nc=IN IP4 10.0.0.1\r\n"))).encode("latin-1", "replace")
    return mutate(rnd, [text]) if rnd.random() < 0.5 else text


def memory() -> int:
    """Bytes this process holds."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def rest(target: Target) -> dict[str, int]:
    """Let all timers run out; what is left."""
    target.advance(120)
    target.sent.clear()
    target.look()
    server = target.server
    registry: Any = server.registry.modules
    table = registry["usrloc"].domain("location")
    return {
        "transactions": sum(1 for _ in server.async_hook.table), "contacts": table.contact_count, "records": table.record_count,
        "dialogs": registry["dialog"].active_dialogs.count + registry["dialog"].early_dialogs.count,
        "parked runs": server.workers.parked, "pings awaited": registry["nathelper"]._pinger.awaited,
    }


def run(messages: int, seed: int, quiet: bool = False) -> Findings:
    """The campaign; prints how it goes."""
    findings = Findings()
    rnd = random.Random(seed)
    start = seeds()
    began = time.monotonic()
    with Target(findings) as target:
        done = 0
        first: int | None = None
        while done < messages:
            done += target.loop.run_until_complete(target.attack(rnd, start, min(BATCH, messages - done)))
            target.advance(STEP)
            target.look()
            if done % (BATCH * 250) < BATCH and done < messages:
                left = rest(target)
                held = memory()
                if first is None and done >= messages / 10:
                    first = held
                if not quiet:
                    rate = done / (time.monotonic() - began)
                    print(f"{done} messages, {rate:.0f}/s, {held >> 20} MiB, {len(findings.kinds)} kinds of failure", flush=True)
                for name, number in left.items():
                    if number:
                        findings.note(f"{name} left over", target.current, str(number))
        left = rest(target)
        for name, number in left.items():
            if number:
                findings.note(f"{name} left over", b"", str(number))
        held = memory()
        if first is not None and held > first * 1.25 + (8 << 20):
            findings.note("memory is not given back", b"", f"{first >> 20} MiB after the first tenth, {held >> 20} MiB in the end")
    if not quiet:
        print(f"{done} messages, seed {seed}, {time.monotonic() - began:.0f} s, {held >> 20} MiB in the end: {len(findings.kinds)} kinds of failure")
        for kind, number in findings.kinds.items():
            print(f"{number:8} x {kind}")
    return findings


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Attack the receive path with mutated messages.")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    return 1 if run(args.messages, args.seed).kinds else 0


if __name__ == "__main__":
    sys.exit(main())
