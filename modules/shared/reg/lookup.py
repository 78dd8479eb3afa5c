"""From an AoR to the branches of a call: which contacts, in which order, what each of them sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.errors import DbError
from engine.module import Branch, Context
from modules.shared.reg.flags import LookupFlags
from modules.shared.reg.methods import method_bit
from modules.shared.reg.path import first_hop
from modules.shared.reg.refusals import Refused
from modules.shared.reg.wake import SLOT
from modules.usrloc.api import Udomain

if TYPE_CHECKING:
    from modules.shared.reg.base import RegBase

FOUND: Final = 1
PUSHED: Final = 2
"""No branch yet, devices are being woken."""
ABSORBED: Final = 0
NOT_FOUND: Final = -1
NO_METHOD: Final = -2
ERROR: Final = -3

_NO_FLAGS = LookupFlags()


class Lookup:
    """One lookup()."""

    __slots__ = ("mod", "ctx", "domain", "flags", "now", "code", "ruri_taken", "branches", "woken")

    def __init__(self, mod: RegBase, ctx: Context, domain: Udomain, flags: LookupFlags | None) -> None:
        self.mod = mod
        self.ctx = ctx
        self.domain = domain
        self.flags = flags = flags or _NO_FLAGS
        self.now = mod.seconds()
        self.code = NOT_FOUND
        self.ruri_taken = False
        """The Request-URI is a contact's already, the next one becomes a branch."""
        self.branches = 0
        """Branches the request will have: what a waiting transaction counts."""
        self.woken = False
        if ctx.branches and not flags.branch:
            self.branches = len(ctx.branches)
        if flags.to_branches_only and ctx.ruri is not None:
            self.branches += 1

    def run(self, uri: str, aor: str | None = None) -> int:
        """Look up a URI (or an AoR already made of it); with the flag `branch` each branch of the script as well.

        1 found, 2 devices are being woken, 0 a repeat of a request that waits, -1 none, -2 none takes the method, -3 error.
        """
        ctx = self.ctx
        others: list[Branch] = []
        if self.flags.branch and ctx.branches:
            others, ctx.branches = ctx.branches, None
        wanted: list[str | None] = [None, *[branch.uri for branch in others]]
        for other in wanted:
            try:
                found = self.find(uri, aor) if other is None else self.find(other, None)
            except Refused as refused:
                self.mod.log.error("failed to extract Address Of Record from <%s>: %s", other or uri, refused)
                return ERROR
            except DbError as error:
                self.mod.log.error("%s cannot be looked up: %s", other or uri, error)
                return ERROR
            if found is None:
                continue
            done = self.take(*found)
            if done is not None:
                return done
        return self.result()

    def find(self, uri: str, aor: str | None) -> tuple[list[Any], str, str] | None:
        """The contacts a URI (or an AoR already made of it) means, and the instance and Call-ID they must have; None when
        there are none. Raises Refused."""
        key, instance, call_id = self.mod.aor_rules.target(uri) if aor is None else (aor, "", "")
        record = self.domain.get(key)
        return None if record is None else (record.contacts, instance, call_id)

    def result(self) -> int:
        """The code for what was found so far."""
        if self.ruri_taken:
            transaction = self.ctx.transaction
            if transaction is not None:
                transaction.slots.pop(SLOT, None)
            return FOUND
        return PUSHED if self.woken else self.code

    def take(self, contacts: list[Any], instance: str = "", call_id: str = "") -> int | None:
        """Make branches of the contacts, wake the sleepers. A code when the lookup ends here, else None."""
        chosen = self.select(contacts, instance, call_id)
        if self.flags.to_branches_only:
            self.ruri_taken = True
        rules, single = self.mod.push, self.flags.no_branches
        sleepers: list[Any] = []
        for contact in chosen:
            uri: str = contact.contact
            if rules is not None and rules.is_sleeper(contact):
                if not rules.is_awake(contact, self.now):
                    sleepers.append(contact)
                    continue
                uri = rules.trimmed(uri)
            if not self._push(contact, uri):
                return ERROR
            self.branches += 1
            if single:
                return self.result()
        if sleepers:
            wake = self.mod.wake
            assert wake is not None
            if single:
                sleepers = sleepers[:1]
            code = wake.wake(self.ctx, self.domain, sleepers, self.branches + len(sleepers), self.branches)
            if code <= 0:
                return ABSORBED if code == 0 else ERROR
            self.woken = True
            self.branches += len(sleepers)
            if single:
                return self.result()
        return None

    def select(self, contacts: list[Any], instance: str, call_id: str) -> list[Any]:
        """The contacts that pass the filters, in the order they are called."""
        flags = self.flags
        chosen: list[Any] = []
        msg: Any = self.ctx.msg
        method = method_bit(str(msg.method)) if flags.method_filtering else 0
        for contact in contacts:
            if contact.expires and contact.expires <= self.now:
                continue
            if method and not contact.methods & method:
                if self.code == NOT_FOUND and not chosen:
                    self.code = NO_METHOD
                continue
            if flags.user_agent is not None and flags.user_agent.search(contact.user_agent) is None:
                self.code = NOT_FOUND
                continue
            if flags.max_latency and contact.latency > flags.max_latency:
                self.code = NOT_FOUND
                continue
            if instance and contact.instance[1:-1] != instance:
                self.code = NOT_FOUND
                continue
            if call_id and contact.callid != call_id:
                self.code = NOT_FOUND
                continue
            chosen.append(contact)
        if instance and chosen:
            # One device under two bindings (it moved): the newer one counts. RFC 5627 5.1.
            chosen = [max(chosen, key=lambda contact: float(contact.last_modified))]
        if flags.sort_by_latency:
            chosen.sort(key=lambda contact: contact.latency or 0xFFFFFFFF)
        return chosen

    def _push(self, contact: Any, uri: str) -> bool:
        """Make a contact the Request-URI, or a branch when that is taken. False: its Path cannot be read."""
        ctx, mod = self.ctx, self.mod
        next_hop: str | None = contact.received or None
        if contact.path:
            next_hop = first_hop(contact.path)
            if next_hop is None:
                mod.log.error("failed to get the first hop of Path <%s>", contact.path)
                return False
        attrs: dict[str, Any] | None = {mod.attr_avp: contact.attr} if mod.attr_avp is not None else None
        if self.ruri_taken:
            branch = Branch(uri, next_hop, contact.q, contact.path or None, contact.socket, contact.cflags, attrs)
            if ctx.branches is None:
                ctx.branches = [branch]
            else:
                ctx.branches.append(branch)
            return True
        self.ruri_taken = True
        ctx.ruri = uri
        if next_hop is not None:
            ctx.dst_uri = next_hop
        if contact.path:
            ctx.path = contact.path
        ctx.q = contact.q
        ctx.branch_flags |= contact.cflags
        if contact.socket is not None:
            ctx.send_socket = contact.socket
        if attrs is not None:
            ctx.branch_attrs = attrs if ctx.branch_attrs is None else {**ctx.branch_attrs, **attrs}
        return True
