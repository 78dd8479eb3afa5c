"""Plays one torture message against a registrar and proxy, and says what became of it.

The script is what a careful operator writes: Max-Forwards and Request-URI looked at, an error_route that tries to answer
400, unknown extensions refused, REGISTER stored, the rest relayed to a fixed next hop. A verdict is one word or two:

    relayed METHOD   the request went to the next hop          stored N       REGISTER answered 200 with N contacts
    reply CODE       refused with that code                    reply relayed  a reply went to its second Via
    nothing          neither answer nor relay: dropped, with a line in the log
"""

from __future__ import annotations

from engine.sip.message import Response, parse_message
from tests.helpers import Harness
from tests.torture.messages import TortureMessage

MODULES = "".join(f'loadmodule "{name}.so"\n' for name in (
    "proto_udp", "proto_tcp", "signaling", "sl", "tm", "rr", "maxfwd", "sipmsgops", "usrloc", "registrar",
))
SCRIPT = f"""
log_level=3
socket=udp:127.0.0.1:5060
socket=tcp:127.0.0.1:5060
socket=udp:[::1]:5060
disable_stateless_fwd=no
{MODULES}
modparam("registrar", "min_expires", 0)
route {{
    force_rport();
    if (!mf_process_maxfwd_header(70)) {{
        if ($rc == -1) send_reply(483, "Too Many Hops");
        else send_reply(400, "Bad Max-Forwards");
        exit;
    }}
    if ($ru == NULL) {{
        send_reply(400, "Bad Request-URI");
        exit;
    }}
    if ($(hdr(Proxy-Require)) != NULL) {{
        append_to_reply("Unsupported: $hdr(Proxy-Require)\\r\\n");
        send_reply(420, "Bad Extension");
        exit;
    }}
    if (is_method("REGISTER")) {{
        if (!save("location")) xlog("refused\\n");
        exit;
    }}
    loose_route();
    $du = "sip:127.0.0.1:5099";
    if (!t_relay()) send_reply(400, "Bad Request");
}}
error_route {{ sl_send_reply(400, "Bad Request"); exit; }}
"""


class Judge(Harness):
    """The server under torture."""

    def __init__(self) -> None:
        super().__init__(SCRIPT)

    def verdict(self, message: TortureMessage, proto: str = "udp") -> str:
        """What became of a message that arrives by UDP or, already framed, by TCP."""
        sent = self.send(message.data.decode("latin-1"), ("127.0.0.1", 5070), proto=proto)
        is_reply = message.data.startswith(b"SIP/2.0 ")
        words = []
        for one in sent:
            found = parse_message(one.text)
            if not isinstance(found, Response):
                words.append(f"relayed {found.method}")
            elif is_reply:
                words.append("reply relayed")
            elif found.status_code == 200:
                words.append(f"stored {len(found.contacts)}")
            elif found.status_code > 100:
                words.append(f"reply {found.status_code}")
        return ", ".join(words) or "nothing"

    @property
    def crashes(self) -> list[str]:
        """Log lines of exceptions that nobody expected."""
        return [line for line in self.log if "unexpected" in line or "Traceback" in line or "CRITICAL" in line]
