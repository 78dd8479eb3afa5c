"""tm's script functions."""

from __future__ import annotations

import re
from typing import Any

from engine.errors import ConfigError, ScriptError, SipParseError
from engine.module import (
    ALL_ROUTES, BRANCH, EVENT, FAILURE, LOCAL, ONREPLY, REQUEST, Branch, Context, Pattern, Value, Var, early, function,
)
from engine.script.context import NO_Q
from engine.script.variables.binder import Binder
from modules.shared.replies import reply_code
from modules.tm.base import run_state
from modules.tm.cell import ClientBranch, Transaction
from modules.tm.fixups import (
    CANCEL_ALL, CANCEL_OTHERS, FROM_EVENT, INJECT_CANCEL, INJECT_LAST, cancel_scope, inject_flags, inject_source,
    no_cluster_function, relay_flags, replied_kind,
)
from modules.tm.handover import Append, Info, appended, fields_of, parse_append, parse_info, write_fifo, write_socket
from modules.tm.uac import Uac

class Functions(Uac):
    """What scripts call. Codes are those of the tm manual and of the routing reference, section 9."""

    # ---- transactions ----

    @function(REQUEST, name="t_newtran")
    def _t_newtran(self, ctx: Context) -> int:
        """Make the transaction: from here on retransmissions are absorbed. 1 made, 0 a retransmission (the script ends) or an
        absorbed ACK, -9 headers missing, -400 bad request, -1 there is one already."""
        return self.t_newtran(ctx)

    @function(REQUEST | BRANCH)
    def t_check_trans(self, ctx: Context) -> int:
        """CANCEL: 1 its INVITE is here, -1 not. ACK: 1 to a negative or local reply, -2 end to end, -1 unknown. Others: -1
        new; a retransmission gets the reply again and the script ends."""
        return self.check_trans(ctx)

    @function(REQUEST | FAILURE, name="t_relay", flags=relay_flags)
    def _t_relay(self, ctx: Context, flags: str | None = None, proxy: str | None = None) -> int:
        """Send the request to its destinations. 1 sent (or, without no-auto-477, answered with the reason it was not), -1
        internal, -2 bad request, -3 no new branches allowed, -4 unresolvable, -5 blacklisted, -6 not sent."""
        return self._relay_request(ctx, flags or 0, proxy, False)  # type: ignore[arg-type]

    @function(REQUEST | FAILURE, flags=relay_flags)
    def t_replicate(self, ctx: Context, uri: str, flags: str | None = None) -> int:
        """Send a copy of the request to uri; its replies end here. Codes as t_relay()."""
        if ctx.msg.method == "ACK" and ctx.transaction is not None:  # type: ignore[attr-defined]
            return -1
        ctx.dst_uri = uri
        return self._relay_request(ctx, flags or 0, None, True)  # type: ignore[arg-type]

    # ---- routes to come ----

    def _route_named(self, kind: str, name: str) -> str:
        known = getattr(self.server.registry, "route_names", {}).get(kind)
        if known is not None and name not in known:
            raise ConfigError(f"{'onreply' if kind == 'onreply' else kind}_route[{name}] is not defined")
        return name

    @early
    def failure_name(self, name: str) -> str:
        """Fixup: a failure_route of the script."""
        return self._route_named("failure", name)

    @early
    def reply_name(self, name: str) -> str:
        """Fixup: an onreply_route of the script."""
        return self._route_named("onreply", name)

    @early
    def branch_name(self, name: str) -> str:
        """Fixup: a branch_route of the script."""
        return self._route_named("branch", name)

    @function(REQUEST | FAILURE | ONREPLY | BRANCH | LOCAL, route="failure_name")
    def t_on_failure(self, ctx: Context, route: str) -> int:
        """Run failure_route[route], once, when all branches have failed."""
        if ctx.transaction is not None:
            ctx.transaction.on_failure = route
        else:
            ctx.on_failure = route
        return 1

    @function(REQUEST | FAILURE | ONREPLY | BRANCH | LOCAL, route="reply_name")
    def t_on_reply(self, ctx: Context, route: str) -> int:
        """Run onreply_route[route] for the replies of the transaction; in a branch_route for those of the branch."""
        if ctx.kind == BRANCH and ctx.branch is not None:
            ctx.branch.on_reply = route
        elif ctx.transaction is not None:
            ctx.transaction.on_reply = route
        else:
            ctx.on_reply = route
        return 1

    @function(REQUEST | FAILURE | ONREPLY | BRANCH, route="branch_name")
    def t_on_branch(self, ctx: Context, route: str) -> int:
        """Run branch_route[route] for every branch before it is sent."""
        if ctx.transaction is not None:
            ctx.transaction.on_branch = route
        else:
            ctx.on_branch = route
        return 1

    # ---- replies ----

    def reply(self, ctx: Context, code: int, reason: str, headers: str = "", body: str = "") -> int:
        """Answer ctx's request statefully, making the transaction if there is none; 1, 0 (retransmission, ACK) or -1."""
        if ctx.msg.method == "ACK":  # type: ignore[attr-defined]
            return 0
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            made = self.t_newtran(ctx)
            if made <= 0:
                return made if made == 0 else -1
            transaction = ctx.transaction
            assert transaction is not None
        return self._answer(transaction, ctx, code, reason, headers, body)

    def reply_to(self, transaction: Transaction, code: int, reason: str, headers: str = "", body: str = "") -> int:
        """Answer a transaction from outside of any run; remaining branches are cancelled. 1, or -1 when a final reply was sent
        already."""
        if transaction.table is None:
            return -1
        return self._answer(transaction, transaction.context, code, reason, headers, body)

    @function(REQUEST | FAILURE, code=reply_code)
    def t_reply(self, ctx: Context, code: int, reason: str) -> int:
        """Answer the request. 1; 0 for an ACK; -1 also when a final reply was sent before."""
        return self.reply(ctx, code, reason)

    @function(REQUEST | FAILURE, code=reply_code)
    def t_reply_with_body(self, ctx: Context, code: int, reason: str, body: str) -> int:
        """t_reply() with a body; its Content-Type comes from append_to_reply()."""
        return self.reply(ctx, code, reason, "", body)

    @function(REQUEST, code=reply_code)
    def t_reply_by_callid(
        self, ctx: Context, code: int, reason: str, callid: str | None = None, cseq: str | None = None,
    ) -> int:
        """Answer another INVITE, by default that with the Call-ID and CSeq of this request. 1, -1, -2 no Call-ID, -3 no CSeq,
        -4 no such transaction."""
        call_id = callid or ctx.msg.call_id
        if not call_id:
            return -2
        number = cseq or ctx.msg.cseq_number
        if not number:
            return -3
        transaction = self.table.find_call(call_id, number)
        return -4 if transaction is None else self.reply_to(transaction, code, reason)

    # ---- questions ----

    @function(REQUEST | FAILURE | ONREPLY | BRANCH)
    def t_check_status(self, ctx: Context, regex: Pattern) -> int:
        """Search in a status code: of the last reply sent (request), this one (reply), the winning one (failure)."""
        pattern: re.Pattern[str] = regex
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            self.log.error("t_check_status: there is no transaction")
            return -1
        if ctx.kind == ONREPLY:
            code = ctx.msg.status_code  # type: ignore[attr-defined]
        elif ctx.kind == FAILURE and transaction.picked is not None:
            code = transaction.picked.last_code
        else:
            code = transaction.status
        return 1 if pattern.search(str(code)) else -1

    @function(REQUEST | FAILURE | ONREPLY | BRANCH, kind=replied_kind)
    def t_local_replied(self, ctx: Context, kind: str) -> int:
        """all: no branch ever got a reply; branch: the winner never got one; last: the last (winning) reply is local."""
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            self.log.error("t_local_replied: there is no transaction")
            return -1
        if kind == "all":
            return -1 if any(branch.answered for branch in transaction.active) else 1
        picked = transaction.picked if ctx.kind == FAILURE else None
        if kind == "branch":
            return 1 if picked is not None and not picked.answered else -1
        if picked is not None:
            return 1 if picked.reply is None else -1
        return 1 if transaction.relayed_branch == -2 else -1

    @function(REQUEST | FAILURE | ONREPLY | BRANCH)
    def t_was_cancelled(self, ctx: Context) -> int:
        """1 when the caller's CANCEL came."""
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            self.log.error("t_was_cancelled: there is no transaction")
            return -1
        return 1 if transaction.cancelled else -1

    @function(REQUEST | BRANCH)
    def t_flush_flags(self, ctx: Context) -> int:
        """Copy the message flags into the transaction, where the other routes see them."""
        if ctx.transaction is None:
            self.log.error("t_flush_flags: there is no transaction")
            return -1
        ctx.transaction.flags = ctx.flags
        return 1

    @function(ONREPLY | BRANCH | FAILURE)
    def t_get_branch_idx_by_attr(
        self, ctx: Context, attr: str, value: str | None = None, number: int | None = None, result: Var | None = None,
        offset: int | None = None,
    ) -> int:
        """Number of the first branch, from offset on, that has an attribute (with that value): 1 and the number in result, -1
        none, -2 no transaction."""
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            return -2
        wanted: Value = value if value is not None else number
        found: int | None = None
        for branch in transaction.branches[offset or 0:]:
            attrs = branch.attrs
            if attrs and attr in attrs and (wanted is None or attrs[attr] == wanted):
                found = branch.index
                break
        if result is not None and result.set is not None:
            result.set(ctx, found)
        return -1 if found is None else 1

    # ---- cancelling ----

    @function(ONREPLY, flags=cancel_scope)
    def t_cancel_branch(self, ctx: Context, flags: str | None = None) -> int:
        """Cancel this branch (when its reply is provisional); o: all others, a: all."""
        transaction: Transaction | None = ctx.transaction
        branch: ClientBranch | None = ctx.branch
        if transaction is None or branch is None:
            self.log.error("t_cancel_branch: the reply belongs to no transaction")
            return -1
        if not transaction.is_invite:
            return -1
        scope: int = flags or 0  # type: ignore[assignment]
        code = ctx.msg.status_code  # type: ignore[attr-defined]
        opened = self._open_branches(transaction)
        if scope & CANCEL_ALL:
            chosen = [each for each in opened if each is not branch or code < 200]
        elif scope & CANCEL_OTHERS:
            chosen = [each for each in opened if each is not branch]
        else:
            chosen = [each for each in opened if each is branch and code < 200]
        if branch in chosen and not branch.last_code:
            branch.last_code = code
        self._cancel(transaction, chosen, "")
        return 1

    @function(REQUEST)
    def t_add_cancel_reason(self, ctx: Context, reason: str) -> int:
        """Reason line (with CRLF) of the CANCELs made for the CANCEL being processed."""
        run_state(ctx).cancel_reason = reason
        return 1

    @function(REQUEST)
    def t_add_hdrs(self, ctx: Context, headers: str) -> int:
        """Header lines (with CRLF) for the CANCEL and ACK requests made for this transaction. -1 without one."""
        if ctx.transaction is None:
            return -1
        ctx.transaction.extra_headers = headers
        return 1

    # ---- requests of our own ----

    @function(ALL_ROUTES)
    def t_new_request(
        self, ctx: Context, method: str, ruri: str, from_: str, to: str, body: str | None = None, context: str | None = None,
    ) -> int:
        """Send a request. from_ and to: [display name, blank,] URI; body: content type, blank, content; context: becomes
        $avp(uac_ctx) of its routes. 1, or -1 when it cannot be sent."""
        headers = ""
        content = ""
        if body is not None:
            kind, blank, content = body.partition(" ")
            if not blank:
                self.log.error("t_new_request: no content type in front of the body")
                return -1
            headers = f"Content-Type: {kind}\r\n"
        avps: dict[str, list[Any]] = {"uac_ctx": [context]} if context is not None else {}
        made = self.local_request(method, ruri, _address(from_), _address(to), headers=headers, body=content, avps=avps)
        return 1 if made is not None else -1

    # ---- branches to come ----

    @function(REQUEST | ONREPLY | EVENT, source=inject_source, flags=inject_flags)
    def t_inject_branches(self, ctx: Context, source: str, flags: str | None = None) -> int:
        """Add branches to the transaction: msg, the current destinations; event, the contact an event brought
        (E_UL_CONTACT_UPDATE in the AVPs). 1, -1 no transaction, -2 a final reply was sent, -3 none added."""
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            remote = ctx.slots.get("tm_remote") if ctx.slots else None
            transaction = self.find(remote) if remote else None
        if transaction is None or transaction.table is None:
            return -1
        if transaction.final_sent:
            return -2
        if source == FROM_EVENT:
            branches = self._event_branch(ctx)
        elif ctx.kind == ONREPLY:
            branches = ctx.branches[:1] if ctx.branches else []
            if ctx.branches:
                ctx.branches = ctx.branches[1:] or None
        else:
            branches = [ctx.main_branch(), *(ctx.branches or ())]
            ctx.branches = None
        if not branches:
            return -1
        mask: int = flags or 0  # type: ignore[assignment]
        return self.inject(transaction, branches, bool(mask & INJECT_CANCEL), bool(mask & INJECT_LAST))

    def _event_branch(self, ctx: Context) -> list[Branch]:
        """The contact that event_routing put into AVPs (uri, received, path, qval, socket, bflags)."""

        def value(name: str) -> Value:
            values = ctx.avps.get(name)
            return values[-1] if values else None

        uri = value("uri")
        if not isinstance(uri, str) or not uri:
            self.log.error("t_inject_branches: no contact in the event's AVPs")
            return []
        path, received, socket = value("path"), value("received"), value("socket")
        q, flags = value("qval"), value("bflags")
        return [Branch(
            uri, None if path else (str(received) if received else None), q if isinstance(q, int) else NO_Q,
            str(path) if path else None, self.server.sockets.find(str(socket)) if socket else None,
            flags if isinstance(flags, int) else 0,
        )]

    @function(REQUEST)
    def t_wait_for_new_branches(self, ctx: Context, count: int | None = None) -> int:
        """Keep an INVITE open for count more branches (without: any number), at most fr_inv_timeout. -1: no transaction, or
        not an INVITE."""
        if ctx.transaction is None:
            return -1
        if not ctx.transaction.is_invite:
            self.log.error("t_wait_for_new_branches: only an INVITE can wait")
            return -1
        return self.wait_for_new_branches(ctx, count)

    @function(REQUEST | ONREPLY | BRANCH | FAILURE)
    def t_wait_no_more_branches(self, ctx: Context) -> int:
        """The branches that are there are all. -1: nothing waits."""
        return -1 if ctx.transaction is None else self._wait_no_more(ctx.transaction)

    @function(REQUEST, check=no_cluster_function)
    def t_anycast_replicate(self, ctx: Context) -> int:
        """Hand a CANCEL or ACK to the node of an anycast cluster that has the transaction: needs the clusterer module."""
        return -1

    # ---- hand-over to other programs ----

    def _bind_appends(self) -> None:
        """tw_append parameters: the variables in them are bound when they are first used, all modules being loaded then."""
        self._appends = {append.name: append for append in map(parse_append, self.tw_append)}
        self._bound_appends: dict[str, list[tuple[str, Any]]] = {}

    def _append_values(self, ctx: Context, append: Append) -> list[str]:
        bound = self._bound_appends.get(append.name)
        if bound is None:
            binder = Binder(self.server.registry)
            bound = [(title, binder.bind_text(text)) for title, text in append.fields]
            self._bound_appends[append.name] = bound
        return appended(ctx, bound)

    @function(REQUEST | FAILURE | BRANCH, info=parse_info)
    def t_write_req(self, ctx: Context, info: str, fifo: str) -> int:
        """Write the request to a FIFO, for a program that answers with the MI command t_reply. info: "action[/name]", name of a
        tw_append. 1 or -1."""
        text = self._handover_text(ctx, info)  # type: ignore[arg-type]
        try:
            write_fifo(fifo, text.encode("latin-1"))
        except OSError as error:
            raise ScriptError(f"FIFO {fifo} cannot be written: {error}") from None
        return 1

    @function(REQUEST | FAILURE | BRANCH, info=parse_info)
    def t_write_unix(self, ctx: Context, info: str, path: str) -> int:
        """t_write_req() as one datagram to a unix socket."""
        text = self._handover_text(ctx, info)  # type: ignore[arg-type]
        try:
            ctx.wait(write_socket(path, text.encode("latin-1"), self.unix_tx_timeout))
        except (OSError, TimeoutError) as error:
            raise ScriptError(f"socket {path} cannot be written: {error}") from None
        return 1

    def _handover_text(self, ctx: Context, info: Info) -> str:
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            raise ScriptError("there is no transaction to hand over, call t_newtran() first")
        append = self._appends.get(info.append) if info.append else None
        if info.append and append is None:
            raise ScriptError(f"there is no tw_append {info.append!r}")
        values = self._append_values(ctx, append) if append is not None else []
        try:
            return fields_of(
                transaction.request, ctx, (transaction.hash_index, transaction.label), info, append, values)
        except SipParseError as error:
            raise ScriptError(f"the request cannot be handed over: {error.message}") from None


def _address(text: str) -> str:
    """Header value of "display uri" or of a bare URI."""
    display, blank, uri = text.rpartition(" ")
    return f"{display} <{uri}>" if blank else f"<{uri}>"
