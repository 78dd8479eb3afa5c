"""From a URI to addresses: RFC 3263 as OpenSIPS does it (routing reference, section 14).

An IP literal never leaves the process. A name with a port is looked up as A (and AAAA); with a transport as SRV, then A; with
neither as NAPTR (dns_try_naptr), then SRV for UDP, then A. Answers are kept as long as their TTL says, also negative ones,
and simultaneous questions for one name are asked once. The hosts file goes first; "localhost" and ".invalid" are answered
here (RFC 6761).

resolve() is for script code: in a worker it waits without stopping the server.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.transport.address import DEFAULT_PORTS, Target, one_form, plain_ip

if TYPE_CHECKING:
    import dns.asyncresolver

    from engine.sip.uri import SipUri

_SRV_NAMES: Final = {
    "udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp", "sctp": "_sip._sctp", "ws": "_ws._tcp", "wss": "_wss._tcp",
}
_NAPTR_PROTOS: Final = {
    "sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls", "sip+d2s": "sctp", "sip+d2w": "ws", "sips+d2w": "wss",
}
_NEGATIVE_TTL: Final = 30.0
"""Seconds a "no such name" is believed when the answer does not say."""
_FAILURE_TTL: Final = 5.0
"""Seconds in which servers that did not answer are not asked the same again."""
_MAX_CACHE: Final = 10000
_MAX_LITERALS: Final = 8192
"""URIs with an IP literal whose target is kept: contacts come back with every call."""

Record = tuple[Any, ...]
# query(name, "A") -> (records, TTL in seconds); raises NoAnswer
Query = Callable[[str, str], Awaitable[tuple[list[Record], float]]]


class NoAnswer(Exception):
    """Nobody answered, which is not the same as "no such record"."""


class Dns:
    """dnspython's asynchronous resolver behind a query function. timeout and retries: 0 keeps the system's."""

    def __init__(self, timeout: float = 0, retries: int = 0, servers: int = 0, search: bool | None = None) -> None:
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._timeout = timeout
        self._retries = retries
        self._servers = servers
        self._search = search

    def _made(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            # Imported when the first name is asked for: a server that is given addresses starts 0.1 s sooner.
            import dns.asyncresolver

            resolver = dns.asyncresolver.Resolver()
            if self._timeout:
                resolver.timeout = self._timeout
                resolver.lifetime = self._timeout * max(1, self._retries or 1)
            if self._servers:
                resolver.nameservers = resolver.nameservers[:self._servers]
            self._resolver = resolver
        return self._resolver

    async def query(self, name: str, kind: str) -> tuple[list[Record], float]:
        """Records of one kind: A and AAAA (ip,), SRV (priority, weight, port, host), NAPTR (order, preference, flags,
        service, replacement); with their TTL."""
        import dns.exception
        import dns.resolver

        try:
            resolver = self._made()
            answer = await resolver.resolve(name, kind, raise_on_no_answer=False, search=bool(self._search))
        except dns.resolver.NXDOMAIN:
            return [], _NEGATIVE_TTL
        except (dns.exception.DNSException, OSError) as error:
            raise NoAnswer(str(error)) from None
        if answer.rrset is None:
            return [], _NEGATIVE_TTL
        return [_record(kind, data) for data in answer.rrset], float(answer.rrset.ttl)


def _record(kind: str, data: Any) -> Record:
    if kind == "SRV":
        return data.priority, data.weight, data.port, data.target.to_text(omit_final_dot=True)
    if kind == "NAPTR":
        return (
            data.order, data.preference, data.flags.decode("latin-1").lower(), data.service.decode("latin-1").lower(),
            data.replacement.to_text(omit_final_dot=True),
        )
    return (data.address,)


class Hosts:
    """The hosts file, read again when it has changed."""

    def __init__(self, path: str = "/etc/hosts") -> None:
        self._path = Path(path)
        self._stamp = -1.0
        self._names: dict[str, list[str]] = {}

    def find(self, name: str) -> list[str]:
        """Addresses of a name, [] when it is not listed."""
        try:
            stamp = self._path.stat().st_mtime
            if stamp != self._stamp:
                self._names = self._read()
                self._stamp = stamp
        except OSError:
            self._names = {}
        return self._names.get(name, [])

    def _read(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for line in self._path.read_text("latin-1").splitlines():
            words = line.partition("#")[0].split()
            ip = plain_ip(words[0]) if words else None
            for name in words[1:] if ip else ():
                known = names.setdefault(name.lower(), [])
                if ip is not None and ip not in known:
                    known.append(ip)
        return names


class Resolver:
    """Names to addresses for one server.

    wait(awaitable): result of an awaitable, called from script code (Workers.wait). usable(proto): is a protocol loaded;
    others are left out of what NAPTR offers. default_port(proto): the port of destinations that name none.
    stats: counts queries and slow ones, or None.
    """

    def __init__(
        self, wait: Callable[[Awaitable[Any]], Any], query: Query | None = None, *, try_ipv6: bool = False,
        try_naptr: bool = True, usable: Callable[[str], bool] = lambda proto: True, clock: Callable[[], float] = time.monotonic,
        hosts: Hosts | None = None, asked: Callable[[float], None] | None = None,
        default_port: Callable[[str], int] = lambda proto: DEFAULT_PORTS.get(proto, 5060),
    ) -> None:
        self._wait = wait
        self._query: Query = query or Dns().query
        self.try_ipv6 = try_ipv6
        self.try_naptr = try_naptr
        self._usable = usable
        self._default_port = default_port
        self._clock = clock
        self._hosts = hosts or Hosts()
        self._asked = asked
        self._cache: dict[tuple[str, str], tuple[float, list[Record] | None]] = {}
        self._literals: dict[tuple[str, str | None], Target] = {}
        self._asking: dict[tuple[str, str], asyncio.Future[list[Record] | None]] = {}

    def resolve(self, uri: SipUri, *, proto: str | None = None) -> list[Target]:
        """Where a request to this URI goes, best first; [] when nobody knows. proto overrides what the URI says.

        IP literals at once; names from the cache or, in a worker, by waiting. maddr stands for the host.
        """
        key = (uri.text, proto)
        literal = self._literals.get(key)
        if literal is not None:
            return [literal]
        if not uri.host or uri.scheme not in ("sip", "sips"):
            return []
        host = uri.maddr or uri.host
        ip = plain_ip(host)
        wanted = proto or uri.proto
        if ip is not None:
            literal = Target(wanted, ip, uri.port or self._default_port(wanted))
            if len(uri.text) < 256:
                if len(self._literals) >= _MAX_LITERALS:
                    self._literals.clear()
                self._literals[key] = literal
            return [literal]
        explicit = proto is not None or bool(uri.transport)
        found: list[Target] = self._wait(self.locate(host, uri.port or 0, wanted, explicit, uri.scheme == "sips"))
        return found

    def resolve_host(self, host: str, port: int, proto: str) -> list[Target]:
        """The same for a host, a port (0: SRV first) and a protocol."""
        ip = plain_ip(host)
        if ip is not None:
            return [Target(proto, ip, port or self._default_port(proto))]
        found: list[Target] = self._wait(self.locate(host, port, proto, True, False))
        return found

    async def locate(self, host: str, port: int, proto: str, explicit: bool, secure: bool) -> list[Target]:
        """RFC 3263 for a name. explicit: the protocol was asked for; secure: a sips URI, which only takes secure ones."""
        host = host.lower().rstrip(".")
        local = self._local(host)
        if local is not None:
            return [Target(proto, ip, port or self._default_port(proto)) for ip in local]
        if not port:
            if not explicit and self.try_naptr:
                for service, name in await self._services(host, secure):
                    found = await self._by_srv(name, service)
                    if found:
                        return found
            if proto in _SRV_NAMES:
                found = await self._by_srv(f"{_SRV_NAMES[proto]}.{host}", proto)
                if found:
                    return found
            port = self._default_port(proto)
        return [Target(proto, ip, port) for ip in await self.addresses(host)]

    async def addresses(self, host: str) -> list[str]:
        """IP addresses of a name: IPv4, and IPv6 behind them when dns_try_ipv6 is set; [] when unknown."""
        ip = plain_ip(host)
        if ip is not None:
            return [ip]
        local = self._local(host.lower().rstrip("."))
        if local is not None:
            return local
        found = [str(record[0]) for record in await self._ask(host, "A")]
        if self.try_ipv6:
            found += [one_form(str(record[0])) for record in await self._ask(host, "AAAA")]
        return found

    def _local(self, host: str) -> list[str] | None:
        """What needs no DNS; None: ask it."""
        if host == "invalid" or host.endswith(".invalid"):
            return []
        listed = self._hosts.find(host)
        if not self.try_ipv6:
            listed = [ip for ip in listed if ":" not in ip]
        if listed:
            return listed
        return ["127.0.0.1"] if host == "localhost" or host.endswith(".localhost") else None

    async def _services(self, host: str, secure: bool) -> list[tuple[str, str]]:
        """(protocol, SRV name) that NAPTR offers, by order and preference."""
        offers = []
        for order, preference, flags, service, replacement in await self._ask(host, "NAPTR"):
            proto = _NAPTR_PROTOS.get(service)
            if proto and flags == "s" and self._usable(proto) and (not secure or proto in ("tls", "wss")):
                offers.append((order, preference, proto, replacement))
        return [(proto, name) for _, _, proto, name in sorted(offers)]

    async def _by_srv(self, name: str, proto: str) -> list[Target]:
        """Targets of an SRV name: by priority, within one by weighted chance (RFC 2782)."""
        records = [(priority, weight, port, host) for priority, weight, port, host in await self._ask(name, "SRV") if host]
        found: list[Target] = []
        for _, _, port, host in in_srv_order(records):
            found += [Target(proto, ip, port) for ip in await self.addresses(host)]
        return found

    async def _ask(self, name: str, kind: str) -> list[Record]:
        key = (name, kind)
        now = self._clock()
        known = self._cache.get(key)
        if known is not None and now < known[0]:
            return known[1] or []
        asking = self._asking.get(key)
        if asking is not None:
            return await asking or []
        future: asyncio.Future[list[Record] | None] = asyncio.get_running_loop().create_future()
        self._asking[key] = future
        records: list[Record] | None = None
        try:
            records, ttl = await self._query(name, kind)
        except NoAnswer:
            ttl = _FAILURE_TTL
        finally:
            del self._asking[key]
            future.set_result(records)
        if len(self._cache) >= _MAX_CACHE:
            alive = {known: entry for known, entry in self._cache.items() if entry[0] > now}
            self._cache = alive if len(alive) < _MAX_CACHE else {}
        self._cache[key] = (now + ttl, records)
        if self._asked is not None:
            self._asked(self._clock() - now)
        return records or []


def in_srv_order(records: Sequence[Record], chance: Callable[[], float] = random.random) -> list[Record]:
    """SRV records in the order they are to be tried: priority, then weighted chance; weight 0 goes last."""
    ordered: list[Record] = []
    rest = sorted(records, key=lambda record: (record[0], -record[1]))
    while rest:
        same = [record for record in rest if record[0] == rest[0][0]]
        point = chance() * sum(record[1] for record in same)
        chosen = same[-1]
        for record in same:
            point -= record[1]
            if point < 0:
                chosen = record
                break
        ordered.append(chosen)
        rest.remove(chosen)
    return ordered
