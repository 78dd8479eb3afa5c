"""Pings: every contact once per interval, the load spread evenly, and what happens when nobody answers.

The records of usrloc are visited in shares, one per tick of a tenth of a second, by the hash of the AoR: a contact keeps its
moment within the interval however many others come and go, and ten thousand of them in thirty seconds are thirty-three per
tick. A share that is larger lets other messages go first now and then. A contact without a host address is resolved by itself,
so that a slow name server holds nobody up.

SIP pings of contacts that are to be removed, or measured, are awaited: a Ping stands for the contact until it answers. Any
reply will do. A lost ping is counted; after max_pings_lost in a row the contact is removed from usrloc.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, NamedTuple

from engine.errors import DbError, SipParseError, TransportError
from engine.module import Context
from engine.sip.uri import SipUri, parse_uri
from engine.transport.address import Target, plain_ip
from modules.nathelper.pings import PingText
from modules.nathelper.raw import RawSender
from modules.shared.reg.path import first_hop
from modules.usrloc.api import Ucontact, Udomain, Usrloc

TICK: Final = 0.1
"""Seconds from one share to the next."""
BURST: Final = 50
"""Pings in a row before other messages get their turn."""
LATENCY_OF_LOST: Final = 1_800_000_000
"""Microseconds noted for a contact that did not answer."""
_ZEROS: Final = b"\0\0\0\0"
_KEEP_ALIVE: Final = b"\r\n\r\n"
"""RFC 5626 3.5.1: the ping of a stream."""


class PingRules(NamedTuple):
    """What the parameters say. The flags are masks, 0 when unset."""

    interval: int
    nat_flag: int
    sip_flag: int
    remove_flag: int
    latency_flag: int
    streams: bool
    threshold: int
    max_lost: int
    ignored_codes: frozenset[int]


class Ping:
    """A contact whose answer is awaited, or that owes some."""

    __slots__ = ("domain", "aor", "contact_id", "flags", "number", "sent", "lost")

    def __init__(self, domain: Udomain, aor: str, contact_id: int) -> None:
        self.domain = domain
        self.aor = aor
        self.contact_id = contact_id
        self.flags = 0
        self.number = 0
        """Of the last ping sent."""
        self.sent = 0.0
        self.lost = 0
        """Pings in a row without an answer."""


class Pinger:
    """The pings of one server. text: writes SIP pings, None without sipping_from. raw: sends the 4-byte ones, or None."""

    def __init__(
        self, server: Any, log: Any, usrloc: Usrloc, rules: PingRules, text: PingText | None, raw: RawSender | None,
    ) -> None:
        self.enabled = True
        """nh_enable_ping."""
        self.force_socket: Any = None
        self._server = server
        self._log = log
        self._usrloc = usrloc
        self._rules = rules
        self._text = text
        self._raw = raw
        self._shares = max(1, round(rules.interval / TICK))
        self._next = 0
        self._open: dict[tuple[str, int], Ping] = {}
        self._numbers: dict[int, Ping] = {}
        self._due: deque[tuple[float, Ping, int]] = deque()
        self._stale: deque[tuple[float, Ping, int]] = deque()

    @property
    def awaited(self) -> int:
        """Contacts that are awaited or owe answers."""
        return len(self._open)

    def start(self) -> None:
        """Begin to ping."""
        self._server.timers.every(TICK, self._tick)
        if self._text is not None:
            self._server.response_handlers.append(self._on_reply)

    def close(self) -> None:
        """Let go of the raw socket."""
        if self._raw is not None:
            self._raw.close()

    # ---------------------------------------------------------------- sending

    def _tick(self) -> None:
        if self._due or self._stale:
            self._judge(self._server.now())
        share = self._next
        self._next = (share + 1) % self._shares
        if not self.enabled:
            return
        nat_flag = self._rules.nat_flag
        sent = 0
        for domain in self._usrloc.tables():
            try:
                records = domain.share(share, self._shares)
            except DbError as error:
                self._log.error("table %s cannot be read: %s", domain.name, error)
                continue
            for record in records:
                for contact in list(record.contacts):
                    if contact.cflags & nat_flag == nat_flag and contact.is_valid(self._usrloc.now()):
                        self._ping(domain, contact)
                        sent += 1
                        if sent % BURST == 0 and self._server.workers.can_wait():
                            self._server.workers.wait(asyncio.sleep(0))

    def _ping(self, domain: Udomain, contact: Ucontact) -> None:
        """Send to the next hop of a contact: its Path, else where it was seen, else its URI."""
        text = (first_hop(contact.path) or "") if contact.path else contact.received or contact.contact
        try:
            uri = parse_uri(text)
        except SipParseError:
            self._log.error("contact %s cannot be pinged: bad URI %r", contact.contact, text)
            return
        if uri.proto != "udp" and not self._rules.streams:
            return
        if plain_ip(uri.maddr or uri.host) is not None:
            self._send(domain, contact, self._server.resolver.resolve(uri))
        elif uri.host:
            self._server.spawn(self._ping_name(domain, contact, uri), "ping of a name")

    async def _ping_name(self, domain: Udomain, contact: Ucontact, uri: SipUri) -> None:
        found = await self._server.resolver.locate(
            uri.maddr or uri.host, uri.port or 0, uri.proto, bool(uri.transport), uri.scheme == "sips",
        )
        self._send(domain, contact, found)

    def _send(self, domain: Udomain, contact: Ucontact, targets: list[Target]) -> None:
        if not targets:
            self._log.error("contact %s cannot be pinged: its next hop has no address", contact.contact)
            return
        target = targets[0]
        sockets = self._server.sockets
        is_stream = target.proto != "udp"
        socket = sockets.pick(target.proto, target.ip, None, contact.socket or self.force_socket)
        if socket is None:
            self._log.error("no socket to ping %s from", target)
            return
        try:
            text = self._text
            if text is not None and (contact.cflags & self._rules.sip_flag or is_stream):
                number, data = text.write(contact.contact, contact.path, socket)
                if contact.cflags & self._rules.sip_flag:
                    self._await(domain, contact, number)
                sockets.send(data, target, socket, 0, None, False)
            elif is_stream:
                sockets.send(_KEEP_ALIVE, target, socket, 0, None, False)
            elif self._raw is not None:
                self._raw.send(_ZEROS, target.ip, target.port)
            else:
                sockets.send(_ZEROS, target, socket)
        except TransportError as error:
            # A stream is only pinged over a connection it has; that it has none any more is nothing to be alarmed of.
            (self._log.info if is_stream else self._log.error)("ping of %s failed: %s", contact.contact, error)

    # ---------------------------------------------------------------- awaiting

    def _await(self, domain: Udomain, contact: Ucontact, number: int) -> None:
        """Count the ping as lost unless a reply comes."""
        rules = self._rules
        flags = contact.cflags & (rules.remove_flag | rules.latency_flag)
        if not flags:
            return
        key = (domain.name, contact.contact_id)
        ping = self._open.get(key)
        if ping is None:
            ping = self._open[key] = Ping(domain, contact.aor, contact.contact_id)
        else:
            self._numbers.pop(ping.number, None)
        ping.flags = flags
        ping.number = number
        ping.sent = self._server.now()
        self._numbers[number] = ping
        self._due.append((ping.sent + rules.threshold, ping, number))

    def _on_reply(self, ctx: Context) -> bool:
        """Handler of replies no transaction knows: True for those to pings, which end here."""
        text = self._text
        reply: Any = ctx.msg
        try:
            if text is None or not text.is_ours(reply):
                return False
            number = text.number(reply)
        except SipParseError:
            return False
        if reply.status_code not in self._rules.ignored_codes:
            ping = self._numbers.pop(number, None)
            if ping is not None:
                self._forget(ping)
                if ping.flags & self._rules.latency_flag:
                    self._note_latency(ping, round((self._server.now() - ping.sent) * 1_000_000))
        return True

    def _forget(self, ping: Ping) -> None:
        self._open.pop((ping.domain.name, ping.contact_id), None)
        self._numbers.pop(ping.number, None)

    def _judge(self, now: float) -> None:
        """Count what was not answered in time; forget what is not pinged any more."""
        due = self._due
        while due and due[0][0] <= now:
            _, ping, number = due.popleft()
            if ping.number == number and number in self._numbers:
                self._lose(ping, now)
        stale = self._stale
        while stale and stale[0][0] <= now:
            _, ping, number = stale.popleft()
            if ping.number == number:
                self._forget(ping)

    def _lose(self, ping: Ping, now: float) -> None:
        rules = self._rules
        if ping.flags & rules.latency_flag:
            self._note_latency(ping, LATENCY_OF_LOST)
        ping.lost += 1
        if not ping.flags & rules.remove_flag:
            self._forget(ping)
        elif ping.lost >= rules.max_lost:
            self._forget(ping)
            self._remove(ping)
        else:
            self._stale.append((now + 2 * rules.interval, ping, ping.number))

    def _find(self, ping: Ping) -> tuple[Any, Any] | None:
        """(record, contact) of a ping, None when it is gone. Raises DbError."""
        record = ping.domain.get(ping.aor)
        for contact in record.contacts if record is not None else ():
            if contact.contact_id == ping.contact_id:
                return record, contact
        return None

    def _note_latency(self, ping: Ping, microseconds: int) -> None:
        try:
            found = self._find(ping)
            if found is not None:
                self._usrloc.set_latency(ping.domain, found[1], microseconds)
        except DbError as error:
            self._log.error("table %s: %s", ping.domain.name, error)

    def _remove(self, ping: Ping) -> None:
        try:
            found = self._find(ping)
            if found is not None:
                self._log.info("contact %s of %s answers no pings, it is removed", found[1].contact, ping.aor)
                ping.domain.delete(*found)
        except DbError as error:
            self._log.error("a contact of %s that answers no pings cannot be removed: %s", ping.aor, error)
