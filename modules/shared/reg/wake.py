"""Waking devices, RFC 8599 5.6.2: requests that wait until a sleeping device has registered again.

A call: the transaction is kept open by tm's placeholder branch, one subscription per sleeping contact waits for its
E_UL_CONTACT_UPDATE, and E_UL_CONTACT_REFRESH tells the script to send the notification. When the device registers, the branch
is injected: once per contact, however often it registers. The placeholder ends the wait after pn_refresh_timeout.

A request inside a dialog (pn_process_purr): the run itself waits, in async(), for the device its PURR means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from engine.errors import SipParseError
from engine.module import Branch, Context
from engine.sip.uri import SipUri, parse_uri
from modules.shared.reg.path import first_hop
from modules.shared.reg.push import Push
from modules.usrloc.api import Udomain

if TYPE_CHECKING:
    from modules.shared.reg.base import RegBase

UPDATED: Final = "E_UL_CONTACT_UPDATE"
MAX_REASON: Final = 28
SLOT: Final = "pn_waiting"
"""In Transaction.slots while lookup() has returned 2: a t_relay() would send the request to its own URI, that is to us again."""


class Waiting:
    """One sleeping contact and what waits for it."""

    __slots__ = ("wake", "prid", "ident", "future", "subscription", "pushed", "group")

    def __init__(self, wake: Wake, prid: str) -> None:
        self.wake = wake
        self.prid = prid
        self.ident: str | None = None
        """$T_id of the waiting call; not the transaction itself, which must be free to end."""
        self.future: asyncio.Future[int] | None = None
        """The waiting run of pn_process_purr()."""
        self.subscription: Any = None
        self.pushed = 0
        """Branches the call has besides those that are woken."""
        self.group: list[Waiting] = []
        """All that one call waits for."""

    def fired(self, params: dict[str, Any]) -> None:
        """The device has registered: add it to the call."""
        wake = self.wake
        wake.end(self)
        tm = wake.mod.tm
        transaction = tm.find(self.ident) if tm is not None and self.ident is not None else None
        if tm is None or transaction is None or transaction.cancelled or not transaction.waiting:
            wake.mod.log.debug("the call a woken contact was meant for is over")
            return
        code = tm.inject(transaction, [wake.branch(params)])
        if code == 1:
            for waiting in self.group:
                waiting.pushed += 1
            wake.count("pn_woken")
        else:
            wake.mod.log.error("failed to inject a branch for the " + UPDATED + " event (%d)", code)

    def expired(self) -> None:
        """It did not; the placeholder branch has answered."""
        self.wake.end(self)
        self.wake.count("pn_timeout")


class Wake:
    """The waiting requests of one registrar module."""

    def __init__(self, mod: RegBase, push: Push) -> None:
        self.mod = mod
        self.push = push
        self.waiting: set[Waiting] = set()

    def count(self, name: str) -> None:
        """Count in a statistic, where the module has it."""
        counter = getattr(self.mod, name, None)
        if counter is not None:
            counter.inc()

    def end(self, waiting: Waiting) -> None:
        """One wait is over."""
        self.waiting.discard(waiting)
        if waiting in waiting.group:
            waiting.group.remove(waiting)

    # ---- initial requests ----

    def wake(self, ctx: Context, domain: Udomain, contacts: list[Any], count: int, pushed: int) -> int:
        """Let the request wait for contacts; count: branches the transaction is to expect, pushed of them known now.

        1 done, 0 a repeat of a request that waits already, -1 no transaction could be made.
        """
        mod = self.mod
        tm = mod.tm
        assert tm is not None
        msg: Any = ctx.msg
        if ctx.transaction is None:
            code = tm.t_newtran(ctx)
            if code == 0:
                mod.log.info("absorbing %s retransmission, use t_check_trans() earlier", msg.method)
                return 0
            if ctx.transaction is None:
                mod.log.error("error %d while creating the %s transaction", code, msg.method)
                return -1
        transaction = ctx.transaction
        code = tm.wait_for_new_branches(ctx, count, float(mod.pn_refresh_timeout))
        if code != 1:
            mod.log.error("failed to keep the %s transaction open (%d)", msg.method, code)
            return -1
        transaction.slots[SLOT] = True
        group: list[Waiting] = []
        for contact in contacts:
            try:
                uri = parse_uri(contact.contact)
            except SipParseError:
                continue
            waiting = Waiting(self, uri.param("pn-prid") or "")
            waiting.ident = transaction.ident
            waiting.pushed = pushed
            waiting.group = group
            group.append(waiting)
            # One second more than the placeholder: the call ends the wait, not the subscription.
            self._subscribe(domain, contact.aor, uri, waiting, mod.pn_refresh_timeout + 1, waiting.fired, waiting.expired)
            self._ask(domain, contact, "ini-", ctx)
        return 1

    def _subscribe(
        self, domain: Udomain, aor: str, uri: SipUri, waiting: Waiting, timeout: int, fired: Any, expired: Any,
    ) -> None:
        event_routing = self.mod.event_routing
        assert event_routing is not None
        values = [(name, uri.param(name)) for name in self.push.match_of(uri)]
        table = domain.name

        def is_it(params: dict[str, Any]) -> bool:
            if params.get("domain") != table:
                return False
            try:
                new = parse_uri(str(params.get("uri")))
            except SipParseError:
                return False
            return all(new.param(name) == value for name, value in values)

        waiting.subscription = event_routing.subscribe(
            UPDATED, [], timeout, fired, expired, once=True, exact=("aor", aor), accept=is_it,
            resumes=waiting.future is not None,
        )
        self.waiting.add(waiting)

    def _ask(self, domain: Udomain, contact: Any, prefix: str, ctx: Context) -> None:
        """Have the script send the notification."""
        msg: Any = ctx.msg
        self.mod.usrloc.raise_refresh(domain, contact, prefix + msg.method[:MAX_REASON], msg.call_id or "")
        self.count("pn_sent")

    def branch(self, params: dict[str, Any]) -> Branch:
        """The branch for a contact as its update event shows it."""
        path = str(params.get("path") or "")
        next_hop = first_hop(path) if path else str(params.get("received") or "")
        socket = str(params.get("socket") or "")
        return Branch(
            self.push.trimmed(str(params["uri"])), next_hop or None, int(params.get("qval", -1)), path or None,
            self.mod.server.sockets.find(socket) if socket else None, int(params.get("bflags", 0)),
        )

    # ---- requests inside a dialog ----

    def process_purr(self, ctx: Context, domain: Udomain) -> int | Awaitable[int]:
        """Wait for the device that the request's PURR means; see pn_process_purr() of registrar.

        2: nothing to wait for. -1: error. Else an awaitable of 1, or of pn_timeout_code when the device stayed away.
        """
        mod = self.mod
        tm = mod.tm
        assert tm is not None
        msg: Any = ctx.msg
        if not msg.is_request or msg.call_id is None:
            mod.log.error("pn_process_purr() needs a request with a Call-ID")
            return -1
        if msg.method in ("ACK", "CANCEL"):
            # These belong to a transaction of their own kind and are never answered: holding them would lose them.
            return 2
        try:
            purr = self._purr_of(ctx)
        except SipParseError as error:
            mod.log.error("pn_process_purr(): %s", error)
            return -1
        if purr is None:
            return 2
        known = (mod.usrloc.by_contact_id(domain, contact_id) for contact_id in self.push.contact_ids(purr))
        found = next((one for one in known if one is not None), None)
        if found is None:
            mod.log.debug("pn-purr <%s> is none of ours or its contact is gone", purr)
            return 2
        contact = found[1]
        try:
            uri = parse_uri(contact.contact)
        except SipParseError:
            return -1
        if not self.push.is_complete(uri):
            mod.log.error("Contact <%s> of pn-purr <%s> lacks a pn- parameter", contact.contact, purr)
            return -1
        result: asyncio.Future[int] = mod.server.loop.create_future()
        if ctx.transaction is None:
            code = tm.t_newtran(ctx)
            if code == 0:
                # A repeat of a request that waits: async() finds that out as well and ends the script.
                result.set_result(1)
                return result
            if ctx.transaction is None:
                mod.log.error("error %d while creating the %s transaction", code, msg.method)
                return -1
        waiting = Waiting(self, uri.param("pn-prid") or "")
        waiting.future = result

        def fired(params: dict[str, Any]) -> None:
            self.end(waiting)
            if not result.done():
                self._push_avps(ctx, params)
                self.count("pn_woken")
                result.set_result(1)

        def expired() -> None:
            self.end(waiting)
            if not result.done():
                self.count("pn_timeout")
                result.set_result(mod.pn_timeout_code)

        self._subscribe(domain, contact.aor, uri, waiting, mod.pn_refresh_timeout, fired, expired)
        result.add_done_callback(lambda _done: self._release(waiting))
        self._ask(domain, contact, "mid-", ctx)
        return result

    def _release(self, waiting: Waiting) -> None:
        """The run goes on, or was given up: nobody listens any more."""
        self.end(waiting)
        waiting.subscription.cancel()

    def _purr_of(self, ctx: Context) -> str | None:
        """pn-purr of the Request-URI, else of the Routes as received: the first one, and further ones that are this server."""
        uri = parse_uri(ctx.ruri or "")
        purr = uri.param("pn-purr")
        if purr is not None:
            return purr
        for number, route in enumerate(ctx.msg.routes):
            uri = route.parsed_uri
            purr = uri.param("pn-purr")
            if purr and (number == 0 or self.mod.server.is_myself(uri.host, uri.port_or_default, uri.proto)):
                return purr
        return None

    def _push_avps(self, ctx: Context, params: dict[str, Any]) -> None:
        """The parameters of the event become AVPs; `uri` without its match parameters, ready to be called."""
        for name, value in params.items():
            if value is not None:
                ctx.avps.setdefault(name, []).append(self.push.trimmed(value) if name == "uri" else value)

    # ---- the push failed ----

    def failed(self, prid: str) -> int:
        """End all waits for the device with this token; how many there were.

        A call that has nobody else to wait for is answered 480, RFC 8599 5.6.2; others go on without this device.
        """
        mod = self.mod
        tm = mod.tm
        assert tm is not None
        found = [waiting for waiting in self.waiting if waiting.prid == prid]
        for waiting in found:
            self.end(waiting)
            waiting.subscription.cancel()
            self.count("pn_failed_count")
            if waiting.future is not None:
                if not waiting.future.done():
                    waiting.future.set_result(mod.pn_timeout_code)
                continue
            transaction = tm.find(waiting.ident) if waiting.ident is not None else None
            if transaction is None or transaction.final_sent or waiting.group:
                continue
            if waiting.pushed:
                tm.no_more_branches(transaction)
            else:
                tm.reply_to(transaction, 480, "Temporarily Unavailable")
        return len(found)
