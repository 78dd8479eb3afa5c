"""The second step of a REGISTER: carrying it out against usrloc, RFC 3261 10.3 step 7, all of it or nothing."""

from __future__ import annotations

from typing import Any

from engine.sip.uri import same_uri
from modules.shared.reg import push
from modules.shared.reg.aor import is_uri
from modules.shared.reg.flags import PATH_STRICT
from modules.shared.reg.methods import read_methods
from modules.shared.reg.path import supports
from modules.shared.reg.reading import MAX_RECEIVED, Reading, Wanted
from modules.shared.reg.refusals import BAD_CSEQ, CONTACT_LENGTH, INSERT_CONTACT, PATH_UNSUPPORTED, TOO_MANY, Refused
from modules.usrloc.api import ALL_METHODS, FL_MEM, FL_PN_ON

MAX_USER_AGENT = 254


class Storing(Reading):
    """One REGISTER: the bindings."""

    __slots__ = ()

    def store(self) -> None:
        """Carry it out: list, remove all, or insert, refresh and remove contact by contact."""
        if not self.wanted:
            if self.star:
                self._remove_all()
            self.listed = True
            return
        self.apply(*self.prepare())

    def prepare(self) -> tuple[list[Wanted], list[Any]]:
        """What is to be done: contacts of the request, and stored ones that must give way. Changes nothing."""
        self.record = self.domain.get(self.aor)
        if self.path and self.flags.path == PATH_STRICT and not supports(self.msg, "path"):
            raise Refused(PATH_UNSUPPORTED)
        self.listed = True
        return self._plan()

    def apply(self, plan: list[Wanted], victims: list[Any]) -> None:
        """Do what prepare() has found."""
        domain = self.domain
        for item in plan:
            if item.lifetime:
                self.common = self._common()
                break
        record = self.record
        flag = FL_MEM if self.flags.memory_only else 0
        for victim in victims:
            domain.delete(record, victim, True)
        for item in plan:
            contact = item.contact
            if contact is not None and item.lifetime == 0:
                contact.flags = contact.flags & ~FL_MEM | flag
                domain.delete(record, contact, True)
            elif contact is not None:
                domain.update(record, contact, self._fields(item, self._replaces_uri(item)))
            else:
                self._insert(item, record is not None)
        if record is not None and not record.contacts:
            domain.release(record)
        self._keep_connection()

    def _remove_all(self) -> None:
        record = self.domain.get(self.aor)
        if record is not None:
            flag = FL_MEM if self.flags.memory_only else 0
            for contact in record.contacts:
                contact.flags = contact.flags & ~FL_MEM | flag
            self.domain.delete_aor(self.aor)

    def _plan(self) -> tuple[list[Wanted], list[Any]]:
        """The contacts there is something to do for, and the stored ones that must give way. Changes nothing."""
        record = self.record
        if record is None and len(self.wanted) == 1:
            # A new user with one device: 2 µs less than below.
            item = self.wanted[0]
            if item.lifetime == 0:
                return [], []
            self._check(item)
            self._check_new(item)
            return [item], []
        plan: list[Wanted] = []
        stored: list[Any] = record.contacts if record is not None else []
        current = [contact for contact in stored if contact.expires == 0 or contact.expires > self.now]
        count = len(current)
        fresh: set[str] = set()
        seen: dict[int, int] = {}
        for item in self.wanted:
            contact = self._match(item) if record is not None else None
            if contact is not None and len(self.wanted) > 1:
                before = seen.get(contact.contact_id)
                if before == 0:
                    # Removed by a Contact in front of this one.
                    contact = None
                elif before and not self.mod.allow_dup_cseq:
                    item.contact_id = contact.contact_id
                    continue
                else:
                    seen[contact.contact_id] = item.lifetime
            if contact is not None:
                item.contact_id = contact.contact_id
                if not self._is_news(contact):
                    continue
                item.contact = contact
                if contact in current:
                    count -= 0 if item.lifetime else 1
                else:
                    count += 1 if item.lifetime else 0
            elif item.lifetime == 0:
                continue
            else:
                self._check_new(item)
                count += item.uri not in fresh
                fresh.add(item.uri)
            self._check(item)
            plan.append(item)
        excess = count - self.max_contacts if self.max_contacts else 0
        if excess <= 0 or not any(item.lifetime for item in plan):
            return plan, []
        if not self.flags.force:
            self.mod.log.info("too many contacts for AOR <%s>, max=%d", self.aor, self.max_contacts)
            raise Refused(TOO_MANY)
        touched = [item.contact for item in plan]
        spare = [contact for contact in current if contact not in touched]
        victims = spare[max(0, len(spare) - excess):][::-1]
        if len(victims) < excess:
            # More new ones in one request than there is room for at all: those that would stand last stay out.
            new = sorted((item for item in plan if item.contact is None), key=lambda item: -item.q)
            out = new[max(0, len(new) - excess + len(victims)):]
            plan = [item for item in plan if item not in out]
        return plan, victims

    @staticmethod
    def _check(item: Wanted) -> None:
        """q and methods must be readable. Raises Refused."""
        if item.fault is not None and item.lifetime:
            raise Refused(item.fault)

    def _check_new(self, item: Wanted) -> None:
        """Contact, and where calls to it go, must be URIs. Raises Refused."""
        if not item.readable and not is_uri(item.uri):
            raise Refused(INSERT_CONTACT)
        if not self.path and (self.mod.received_avp is not None or "received" in item.params):
            received = item.params.get("received") or self.mod.newest(self.ctx.avps, self.mod.received_avp)
            if received and len(received) <= MAX_RECEIVED and not is_uri(received):
                raise Refused(INSERT_CONTACT)

    def _match(self, item: Wanted) -> Any:
        record = self.record
        if item.push == push.REMOVE:
            return self._push_binding(item)
        return self.domain.match(record, item.uri, self.call_id, self._mode(item))

    def _mode(self, item: Wanted) -> Any:
        if item.push == push.ON or item.push == push.UPSTREAM:
            assert self.mod.push is not None
            return item.provider.match if item.provider is not None else self.mod.push.match
        return self.mod.usrloc.matching_mode if self.flags.match is None else self.flags.match

    def _replaces_uri(self, item: Wanted) -> bool:
        """Matched by parameters, the rest of the URI may have changed."""
        return item.push in (push.ON, push.UPSTREAM) or isinstance(self.flags.match, str)

    def _push_binding(self, item: Wanted) -> Any:
        """The push contact a device means that does not name its token: by Call-ID, else by URI without pn- parameters."""
        rules = self.mod.push
        assert rules is not None
        sleepers = [contact for contact in self.record.contacts if contact.flags & FL_PN_ON]
        for contact in sleepers:
            if contact.callid == self.call_id:
                return contact
        plain = rules.trimmed(item.uri)
        for contact in sleepers:
            if same_uri(rules.trimmed(contact.contact), plain):
                return contact
        return None

    def _is_news(self, contact: Any) -> bool:
        """False for a repeat of the last request of this Call-ID. Raises Refused for one that is out of order."""
        if contact.callid != self.call_id:
            return True
        if self.cseq > contact.cseq or (self.cseq == contact.cseq and self.mod.allow_dup_cseq):
            return True
        if self.cseq == contact.cseq and int(contact.last_modified) + self.mod.usrloc.cseq_delay > self.now:
            return False
        raise Refused(BAD_CSEQ)

    def _insert(self, item: Wanted, known: bool) -> None:
        """Store a new contact, unless one before it in the same request was the same: of a known AoR the first counts (the
        second has a CSeq that was seen already), of a new one the last."""
        domain = self.domain
        if len(self.wanted) > 1:
            self.record = domain.get(self.aor)
            contact = self._match(item) if self.record is not None else None
            if contact is not None:
                if not known or self.mod.allow_dup_cseq:
                    domain.update(self.record, contact, self._fields(item, self._replaces_uri(item)))
                item.contact, item.contact_id = contact, contact.contact_id
                return
        item.contact = domain.insert(self.aor, self._new_fields(item))
        item.contact_id = item.contact.contact_id

    def _common(self) -> dict[str, Any]:
        ctx, msg, mod = self.ctx, self.msg, self.mod
        user_agent = msg.header("user-agent")
        cflags = ctx.branch_flags
        received = self.path_received
        if received:
            cflags |= mod.usrloc.nat_flag
        elif mod.received_avp is not None:
            received = mod.newest(ctx.avps, mod.received_avp)
        if len(received) > MAX_RECEIVED:
            raise Refused(CONTACT_LENGTH)
        return {
            "received": received, "path": self.path, "callid": self.call_id, "cseq": self.cseq, "cflags": cflags,
            "user_agent": user_agent if user_agent and len(user_agent) <= MAX_USER_AGENT else "n/a", "socket": self._socket(),
            "attr": mod.newest(ctx.avps, mod.attr_avp),
        }

    def _fields(self, item: Wanted, with_uri: bool) -> dict[str, Any]:
        """The fields of a stored contact, as usrloc takes them."""
        params = item.params
        fields = self.common.copy()
        if "received" in params and not self.path_received:
            fields["received"] = params["received"]
        fields["expires"] = self.now + item.lifetime
        fields["q"] = item.q
        fields["flags"] = (FL_MEM if self.flags.memory_only else 0) | (FL_PN_ON if item.push == push.ON else 0)
        fields["methods"] = read_methods(params["methods"]) or 0 if "methods" in params else self._allowed()
        fields["instance"] = params.get("+sip.instance", "")
        if with_uri:
            fields["contact"] = item.uri
        return fields

    def _new_fields(self, item: Wanted) -> dict[str, Any]:
        """The fields of a contact that is not stored yet."""
        return self._fields(item, True)

    def _allowed(self) -> int:
        """The methods in Allow, all without one or when it cannot be read."""
        if "allow" not in self.msg.names:
            return ALL_METHODS
        mask = read_methods(",".join(self.msg.header_values("allow")))
        return ALL_METHODS if mask is None else mask

    def _socket(self) -> Any:
        """The socket calls to the contact leave by: where the REGISTER came in, or the one an earlier server tells."""
        name = getattr(self.mod, "sock_hdr_name", None)
        if name and self.flags.socket_header:
            text = self.msg.header(name.lower())
            if text is not None:
                found = self.mod.server.sockets.find(text.strip())
                if found is not None:
                    return found
                self.mod.log.error("non-local socket <%s>", text.strip())
        return self.ctx.socket

    def _keep_connection(self) -> None:
        """Let a stream connection live as long as the longest registration over it."""
        ctx = self.ctx
        connection = ctx.connection
        if connection is None or not ctx.flags & self.mod.tcp_flag:
            return
        longest = max((item.lifetime for item in self.wanted), default=0)
        connection.keep_for(longest + 10)
