"""What transports of the event interface share: an event as JSON-RPC, and the host:port in a subscriber's socket.

The document is a notification, or a request when it has an id: {"jsonrpc":"2.0","method":"E_X","params":{"name":value}}.
Parameters without names make an array, no parameters leave `params` out (management reference, section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.events.bus import Absent, Unnamed, Value
from engine.log import to_bytes
from engine.transport.address import plain_ip
from modules.shared.jsontext import quoted


def _text(value: Value) -> str:
    if value is None or isinstance(value, Absent):
        return "null"
    return quoted(value, False) if isinstance(value, str) else str(int(value))


def event_json(method: str, params: Mapping[str, Value], *, ident: int = 0, extra: tuple[str, str] | None = None) -> bytes:
    """The document of an event. ident: makes a request of it. extra: (name, text) of one more parameter in front, which is
    only there when there are others."""
    parts = [f'{{"id":{ident},"jsonrpc":"2.0","method":{quoted(method, False)}' if ident
             else f'{{"jsonrpc":"2.0","method":{quoted(method, False)}']
    if params:
        if isinstance(next(iter(params)), Unnamed):
            values = [_text(value) for value in params.values()]
            if extra is not None:
                values.insert(0, quoted(extra[1], False))
            parts.append(f',"params":[{",".join(values)}]')
        else:
            values = [f"{quoted(name, False)}:{_text(value)}" for name, value in params.items()]
            if extra is not None:
                values.insert(0, f"{quoted(extra[0], False)}:{quoted(extra[1], False)}")
            parts.append(f',"params":{{{",".join(values)}}}')
    parts.append("}")
    return to_bytes("".join(parts))


def split_socket(text: str) -> tuple[str, int, str]:
    """(host, port, what follows) of "host:port...", the host as written (IPv6 in brackets). Raises ValueError."""
    end = text.find("]:") + 1 if text[:1] == "[" else text.find(":")
    if end <= 0:
        raise ValueError(f"no port in the event socket {text!r}")
    host, rest = text[:end], text[end + 1:]
    digits, slash, behind = rest.partition("/")
    if not (digits.isascii() and digits.isdigit()) or not 0 < int(digits) < 65536:
        raise ValueError(f"bad port in the event socket {text!r}")
    return host, int(digits), slash + behind


def address_of(server: Any, host: str) -> str:
    """IP address of a host; a name is looked up, which waits in a worker. Raises ValueError: nobody knows it."""
    ip = plain_ip(host)
    if ip is None:
        found = server.workers.wait(server.resolver.addresses(host))
        if not found:
            raise ValueError(f"the host {host} of an event socket cannot be resolved")
        ip = found[0]
    return ip
