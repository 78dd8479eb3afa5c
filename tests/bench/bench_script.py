"""What a script costs: reading and reloading a long one, and one run of a route of twenty simple statements.

    python -m tests.bench.bench_script [--lines 3000] [--show]

The long script is put together like those in the field: a main route, many short routes that call each other, comments, xlog
lines, switches, conditions on variables and methods. Times are CPU time, the best of a few rounds;
compare runs on the same machine only. --show prints the Python text of the timed routes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from engine.script.reload import reload_routes
from tests.helpers import PREAMBLE, Harness, make_request

MODULES = "".join(f'loadmodule "{name}.so"\n' for name in (
    "tm", "sl", "signaling", "sipmsgops", "textops", "rr", "maxfwd", "usrloc", "registrar", "cfgutils", "mathops",
))

ROUTE = """
route[r{n}] {{
    # calls of customer {n}
    if ($rU =~ "^\\+?[0-9]{{4,{w}}}$" && $si != "10.0.0.{n}") {{
        $avp(prefix) = $(rU{{s.substr,0,3}});
        $var(count) = $var(count) + 1;
        xlog("L_DBG", "[$ci] prefix $avp(prefix), source $si:$sp, user $fU ($var(count))\\n");
    }} else if (is_method("SUBSCRIBE|NOTIFY")) {{
        sl_send_reply(405, "Method Not Allowed");
        exit;
    }}
    switch ($avp(prefix)) {{
        case "001": $ru = "sip:" + $rU + "@gw{n}.example.com:5060"; break;
        case "044":
        case "049":
            strip(3); prefix("0");
            append_hf("X-Route: {n}\\r\\n");
            break;
        default:
            setflag("ACC_{w}");
    }}
    while ($var(tries) < 3 && !is_present_hf("X-Done")) {{
        $var(tries) += 1;
        $avp(gw) = "sip:gw" + $var(tries) + ".example.com";
    }}
    if (!t_relay()) {{
        xlog("L_ERR", "no relay to $ru: $rc\\n");
        send_reply(500, "Relay Failed");
        return(-1);
    }}
}}
"""

STATEMENTS = """
    $var(a) = 1;
    $var(b) = $var(a) + 2;
    $var(c) = $var(b) * 3 - 4;
    if ($var(c) == 5) $var(d) = 7;
    if ($var(c) > 3 && $var(a) < 2) $var(d) = 8;
    $var(s) = "abc";
    if ($var(s) == "abc") $var(t) = "x";
    if ($var(s) != "x" || $var(a) == 3) $var(t) = $var(s) + "d";
    $avp(x) = 5;
    $avp(y) := "text";
    if ($avp(x) == 5) $var(e) = $avp(x);
    if ($rm == "INVITE") $var(e) = 1;
    if ($rU != NULL) $var(f) = $rU;
    $var(a) += 1;
    switch ($var(a)) { case 1: $var(g) = 1; break; case 2: $var(g) = 2; break; default: $var(g) = 3; }
    if ($si == "127.0.0.1" && $sp > 1024) $var(h) = 1;
    xlog("L_DBG", "not shown $ru\\n");
    $avp(x) = NULL;
    $var(i) = $var(a) & 7;
    if (!$var(none)) $var(j) = 0;
"""

SIMPLEST = "".join(f"    $var(v{n}) = {n};\n" for n in range(10)) + "".join(
    f"    if ($var(v{n}) == {n}) $var(w) = {n};\n" for n in range(4)) + '    $var(s) = "x"; $var(t) = $var(s);\n'
"""Twenty again: sixteen assignments and four comparisons."""


def long_script(lines: int) -> str:
    """A script of about so many lines."""
    routes = max(1, lines // ROUTE.count("\n"))
    calls = "\n".join(f'    if ($rd == "c{n}.example.com") route(r{n});' for n in range(routes))
    text = f"{PREAMBLE}{MODULES}route {{\n{calls}\n    exit;\n}}\n"
    return text + "".join(ROUTE.format(n=n, w=5 + n % 9) for n in range(routes))


def best(call: Callable[[], Any], rounds: int = 3) -> float:
    """CPU seconds of the fastest of a few runs."""
    found = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def cost(body: str, show: bool) -> float:
    """Microseconds of one run of a route."""
    with Harness(f"{PREAMBLE}route {{\n exit;\n}}\nroute[timed] {{\n{body}\n}}\n", preamble=False) as harness:
        server = harness.server
        if show:
            print("\n".join(text for title, text in server.script.python if title == "route[timed]"))
        run = server.script.routes["timed"]
        found: list[float] = []

        def rounds() -> None:
            from engine.script.context import REQUEST, Context
            from engine.sip.message import parse_message

            msg: Any = parse_message(make_request("INVITE"))
            ctx = Context(server, server.script, REQUEST, msg)
            ctx.ruri = msg.request_uri
            ctx.src_ip, ctx.src_port = "127.0.0.1", 5070
            for _ in range(5):
                start = time.process_time()
                for _ in range(20_000):
                    run(ctx)
                found.append((time.process_time() - start) * 50)

        harness.call(rounds)
        return min(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--lines", type=int, default=3000, help="length of the long script")
    parser.add_argument("--show", action="store_true", help="print the generated Python of the timed routes")
    args = parser.parse_args()
    text = long_script(args.lines)

    def load() -> None:
        Harness(text, preamble=False).close()

    print(f"load a script of {text.count(chr(10))} lines: {best(load):.2f} s")
    with Harness(text, preamble=False) as harness:
        print(f"reload its routes: {best(lambda: reload_routes(harness.server)):.2f} s")
    print(f"a route of 20 assignments and comparisons: {cost(SIMPLEST, args.show):.2f} µs")
    print(f"a route of 20 lines of conditions, AVPs, texts and a switch: {cost(STATEMENTS, args.show):.2f} µs")


if __name__ == "__main__":
    main()
