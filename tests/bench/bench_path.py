"""Time inside the server per message, without sockets: the benchmark's script, whole calls and registrations.

    python -m tests.bench.bench_path [--calls 3000] [--profile]

What is timed is receive(): parsing, script, transactions, building; the kernel's part (receive and send, about 7 µs a
message) is not in it. Compare runs on the same machine only.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import re
import time
from collections.abc import Callable
from pathlib import Path

from tests.helpers import Harness

SDP = "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\n" \
    "c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"


def request(method: str, uri: str, number: int, cseq: int, *, to_tag: str = "", route: str = "", body: str = "", branch: str = "") -> str:
    """A request of the caller."""
    kind = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n" if body else "Content-Length: 0\r\n"
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-{number}-{branch or method}\r\n{route}"
        f'From: "Caller" <sip:caller@127.0.0.1:5070>;tag=c{number}\r\nTo: <sip:callee@127.0.0.1:5060>{to_tag}\r\n'
        f"Call-ID: {number}-call@127.0.0.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:caller@127.0.0.1:5070>\r\nMax-Forwards: 70\r\n"
        f"User-Agent: bench\r\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE\r\nSupported: replaces\r\n{kind}\r\n{body}")


def reply(text: str, status: str, body: str = "") -> str:
    """The callee's reply."""
    copied = "".join(
        f"{line}\r\n" for line in text.split("\r\n\r\n")[0].split("\r\n")[1:]
        if line.split(":")[0] in ("Via", "Record-Route", "From", "Call-ID", "CSeq"))
    to = re.search(r"^To: (.*)\r$", text, re.M)
    assert to
    tag = "" if "tag=" in to[1] else ";tag=s1"
    kind = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n" if body else "Content-Length: 0\r\n"
    return f"SIP/2.0 {status}\r\n{copied}To: {to[1]}{tag}\r\nContact: <sip:callee@127.0.0.1:5080>\r\n{kind}\r\n{body}"


def register(number: int) -> str:
    """A REGISTER of a user of its own."""
    return (
        f"REGISTER sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5071;branch=z9hG4bK-r{number}\r\n"
        f"From: <sip:user{number}@127.0.0.1:5060>;tag={number}\r\nTo: <sip:user{number}@127.0.0.1:5060>\r\n"
        f"Call-ID: reg-{number}\r\nCSeq: 1 REGISTER\r\nContact: <sip:user{number}@127.0.0.1:5071>\r\nMax-Forwards: 70\r\n"
        "User-Agent: bench\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n")


class Line:
    """Feeds messages to a server and times what it does with them."""

    def __init__(self, harness: Harness, profile: cProfile.Profile | None, kind: str) -> None:
        self.kind = kind
        self.server = harness.server
        self.sent = harness.sent
        self.receive: Callable[..., None] = self.server.receiver.receive
        self.socket = self.server.sockets.all[0]
        self.seconds: dict[str, float] = {}
        self.profile = profile

    def feed(self, kind: str, text: str, port: int) -> list[str]:
        """One message; what the server sent for it."""
        data = text.encode("latin-1")
        profiled = self.profile is not None and self.kind in ("", kind)
        if profiled:
            self.profile.enable()
        start = time.thread_time()
        self.receive(data, "127.0.0.1", port, self.socket, None)
        spent = time.thread_time() - start
        if profiled:
            self.profile.disable()
        self.seconds[kind] = self.seconds.get(kind, 0.0) + spent
        out = [message.text for message in self.sent]
        self.sent.clear()
        return out

    def call(self, number: int) -> None:
        """INVITE 100 180 200 ACK BYE 200."""
        out = self.feed("INVITE", request("INVITE", "sip:callee@127.0.0.1:5060", number, 1, body=SDP), 5070)
        invite = next(text for text in out if text.startswith("INVITE"))
        self.feed("180", reply(invite, "180 Ringing"), 5080)
        answer = self.feed("200 INVITE", reply(invite, "200 OK", SDP), 5080)[0]
        record = re.search(r"^Record-Route: (.*)\r$", answer, re.M)
        assert record
        route = f"Route: {record[1]}\r\n"
        target = "sip:callee@127.0.0.1:5080"
        self.feed("ACK", request("ACK", target, number, 1, to_tag=";tag=s1", route=route), 5070)
        bye = self.feed("BYE", request("BYE", target, number, 2, to_tag=";tag=s1", route=route), 5070)[0]
        self.feed("200 BYE", reply(bye, "200 OK"), 5080)


def main() -> None:
    """Print microseconds per message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--sort", default="tottime")
    parser.add_argument("--only", default="", help="call or register")
    parser.add_argument("--kind", default="", help="profile this kind of message only, e.g. ACK")
    args = parser.parse_args()
    text = (Path(__file__).parent / "script.cfg").read_text().replace("@PORT@", "5060").replace("@MPATH@", "")
    profile = cProfile.Profile() if args.profile else None
    with Harness(text) as harness:
        line = Line(harness, profile, args.kind)

        def work() -> None:
            line.feed("first", register(0).replace("user0", "callee").replace(":5071>", ":5080>"), 5080)
            for number in range(200):
                line.call(1_000_000 + number)
                line.feed("warm", register(1_000_000 + number), 5071)
            line.seconds.clear()
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 10, 10)
            if profile is not None:
                profile.clear()
            for number in range(1, args.calls + 1):
                if args.only != "register":
                    line.call(number)
                if args.only != "call":
                    line.feed("REGISTER", register(number), 5071)

        harness.call(work)
    total = 0.0
    for kind, seconds in line.seconds.items():
        micro = seconds / args.calls * 1e6
        total += micro if kind != "REGISTER" else 0.0
        print(f"{kind:<12} {micro:8.1f} µs")
    print(f"{'whole call':<12} {total:8.1f} µs")
    if profile is not None:
        pstats.Stats(profile).sort_stats(args.sort).print_stats(45)


if __name__ == "__main__":
    main()
