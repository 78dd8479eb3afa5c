"""tm's variables: $T_*, $bavp, $tm.branch.*."""

from __future__ import annotations

from typing import Any

from engine.errors import ScriptError
from engine.module import ALL_INDEXES, BRANCH, FAILURE, ONREPLY, REQUEST, Context, Value, pvar
from engine.script.context import NO_Q
from engine.script.values import NumberText, number_of
from engine.script.variables.storage import StorageVariables, stored
from engine.sip.headers import format_q
from modules.tm.base import run_state
from modules.tm.cell import ClientBranch, Transaction
from modules.tm.functions import Functions

_IN_BRANCH = BRANCH | ONREPLY | FAILURE
_TRUE, _FALSE = NumberText(1, "true"), NumberText(0, "false")


class _Holder:
    """The values of one branch in the place of a run's AVPs: $bavp follows the rules of $avp."""

    __slots__ = ("avps", "server")

    def __init__(self, avps: dict[str, list[Value]], server: Any) -> None:
        self.avps = avps
        self.server = server


class Variables(Functions):
    """What scripts read."""

    _storage = StorageVariables()

    # ---- the transaction ----

    @pvar("T_branch_idx")
    def t_branch_idx(self, ctx: Context) -> Value:
        """Number of the branch of this reply, being built, or (failure_route) whose reply came last; NULL elsewhere. Release
        3.1 has none in failure_route."""
        if not ctx.kind & _IN_BRANCH or (ctx.kind == FAILURE and self.server.compat == "3.1"):
            return None
        return ctx.branch.index if ctx.branch is not None else 0

    @pvar("T_reply_code")
    def t_reply_code(self, ctx: Context) -> Value:
        """Code of the last reply sent (request route), of this reply, of the winning one (failure_route); 0 without."""
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            return 0
        if ctx.kind == REQUEST:
            return transaction.status
        if ctx.kind == ONREPLY:
            return ctx.msg.status_code  # type: ignore[attr-defined, no-any-return]
        if ctx.kind == FAILURE and transaction.picked is not None:
            return transaction.picked.last_code
        return 0

    @pvar("T_ruri")
    def t_ruri(self, ctx: Context) -> Value:
        """Request-URI of the branch; without a transaction that of the request; NULL for a branch being built."""
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            return ctx.ruri
        if ctx.kind == BRANCH:
            return None
        branch = self._current(ctx)
        return branch.uri if branch is not None else None

    @pvar("T_id")
    def t_id(self, ctx: Context) -> Value:
        """Identifier of the transaction, NULL without one."""
        return ctx.transaction.ident if ctx.transaction is not None else None

    @pvar("T_fr_timeout")
    def t_fr_timeout(self, ctx: Context) -> Value:
        """fr_timeout of this transaction, or of the one to come, in seconds; NULL sets the default."""
        if ctx.transaction is not None:
            return int(ctx.transaction.fr_timeout)
        own = ctx.tm.fr_timeout if ctx.tm is not None else None
        return self.fr_timeout if own is None else own  # type: ignore[no-any-return]

    @t_fr_timeout.setter
    def set_t_fr_timeout(self, ctx: Context, value: Value) -> None:
        seconds = self._seconds(value, self.fr_timeout)
        if ctx.transaction is not None:
            ctx.transaction.fr_timeout = seconds
            ctx.transaction.server.fr_timeout = seconds
        else:
            run_state(ctx).fr_timeout = seconds

    @pvar("T_fr_inv_timeout")
    def t_fr_inv_timeout(self, ctx: Context) -> Value:
        """fr_inv_timeout, likewise."""
        if ctx.transaction is not None:
            return int(ctx.transaction.fr_inv_timeout)
        own = ctx.tm.fr_inv_timeout if ctx.tm is not None else None
        return self.fr_inv_timeout if own is None else own  # type: ignore[no-any-return]

    @t_fr_inv_timeout.setter
    def set_t_fr_inv_timeout(self, ctx: Context, value: Value) -> None:
        seconds = self._seconds(value, self.fr_inv_timeout)
        if ctx.transaction is not None:
            ctx.transaction.fr_inv_timeout = seconds
            for branch in ctx.transaction.branches:
                if branch.client is not None and not branch.placeholder:
                    branch.client.fr_inv_timeout = seconds
        else:
            run_state(ctx).fr_inv_timeout = seconds

    @staticmethod
    def _seconds(value: Value, default: int) -> int:
        if value is None:
            return default
        number = number_of(value)
        if number is None:
            raise ScriptError("a timeout is a number of seconds")
        return number

    # ---- branches ----

    @staticmethod
    def _current(ctx: Context) -> ClientBranch | None:
        """The branch meant without an index."""
        if ctx.branch is not None:
            return ctx.branch  # type: ignore[no-any-return]
        transaction: Transaction | None = ctx.transaction
        return transaction.branches[0] if transaction is not None and transaction.branches else None

    def _branch(self, ctx: Context, index: Any) -> ClientBranch | None:
        """The branch meant with an index, negative from the end. In branch_route the branch being built has no index yet."""
        transaction: Transaction | None = ctx.transaction
        if transaction is None:
            return None
        if index is None:
            return self._current(ctx)
        if index == ALL_INDEXES:
            self.log.error("$tm.branch takes no [*]")
            return None
        branches = transaction.branches
        if self._unborn(ctx):
            branches = [branch for branch in branches if branch is not ctx.branch]
        return branches[index] if -len(branches) <= index < len(branches) else None

    @staticmethod
    def _unborn(ctx: Context, index: Any = None) -> bool:
        """Whether a branch of branch_route is meant that is still being built: OpenSIPS fills its fields afterwards."""
        return index is None and ctx.kind == BRANCH and ctx.branch is not None

    @pvar("T_branch_last_reply_code")
    def t_branch_last_reply_code(self, ctx: Context, index: Any) -> Value:
        """Code of the last reply of a branch, 0 none yet; NULL without the branch."""
        branch = self._branch(ctx, index)
        return None if branch is None else branch.last_code

    @pvar("tm.branch.uri")
    def branch_uri(self, ctx: Context, index: Any) -> Value:
        """Request-URI of a branch."""
        branch = self._branch(ctx, index)
        if branch is None or branch.placeholder:
            return None
        return "" if self._unborn(ctx, index) else branch.uri

    @pvar("tm.branch.duri")
    def branch_duri(self, ctx: Context, index: Any) -> Value:
        """Next hop a branch was forced to."""
        branch = self._branch(ctx, index)
        return None if branch is None or self._unborn(ctx, index) else branch.dst_uri or None

    @pvar("tm.branch.path")
    def branch_path(self, ctx: Context, index: Any) -> Value:
        """Path vector of a branch."""
        branch = self._branch(ctx, index)
        return None if branch is None else branch.path or None

    @pvar("tm.branch.q")
    def branch_q(self, ctx: Context, index: Any) -> Value:
        """q of a branch, "" without one."""
        branch = self._branch(ctx, index)
        if branch is None:
            return None
        return "0" if self._unborn(ctx, index) else "" if branch.q == NO_Q else format_q(branch.q)

    @pvar("tm.branch.flags")
    def branch_flags(self, ctx: Context, index: Any) -> Value:
        """Names of the flags of a branch, newest name first."""
        branch = self._branch(ctx, index)
        return None if branch is None else ctx.script.branch_flag_names.text(0 if self._unborn(ctx, index) else branch.flags)

    @pvar("tm.branch.socket")
    def branch_socket(self, ctx: Context, index: Any) -> Value:
        """Socket a branch was sent by."""
        branch = self._branch(ctx, index)
        if branch is None or branch.socket is None or self._unborn(ctx, index):
            return None
        return branch.socket.name  # type: ignore[no-any-return]

    @pvar("tm.branch.last_received")
    def branch_last_received(self, ctx: Context, index: Any) -> Value:
        """Code of the last reply of a branch, NULL without any."""
        branch = self._branch(ctx, index)
        return None if branch is None else branch.last_code or None

    @pvar("tm.branch.type")
    def branch_type(self, ctx: Context, index: Any) -> Value:
        """sip, or phony for a placeholder."""
        branch = self._branch(ctx, index)
        return None if branch is None else "phony" if branch.placeholder else "sip"

    @pvar("tm.branch.flag")
    def branch_flag(self, ctx: Context, name: str, index: Any) -> Value:
        """One flag of a branch: true or false; set by a number."""
        branch = self._branch(ctx, index)
        if branch is None:
            return None
        flags = 0 if self._unborn(ctx, index) else ctx.branch_flags if branch is ctx.branch else branch.flags
        return _TRUE if flags & ctx.script.branch_flag_names.known(name) else _FALSE

    @branch_flag.setter
    def set_branch_flag(self, ctx: Context, name: str, index: Any, value: Value) -> None:
        number = number_of(value)
        branch = self._branch(ctx, index)
        if number is None or branch is None:
            raise ScriptError("a branch flag takes a number" if number is None else f"there is no branch {index}")
        bit = ctx.script.branch_flag_names.bit(name)
        branch.flags = branch.flags | bit if number else branch.flags & ~bit
        if branch is ctx.branch:
            ctx.branch_flags = ctx.branch_flags | bit if number else ctx.branch_flags & ~bit

    @pvar("tm.branch.attr")
    def branch_attr(self, ctx: Context, name: str, index: Any) -> Value:
        """A free attribute of a branch, text or number."""
        branch = self._branch(ctx, index)
        if branch is None:
            return None
        attrs = ctx.branch_attrs if ctx.kind == BRANCH and branch is ctx.branch else branch.attrs
        return attrs.get(name) if attrs else None

    @branch_attr.setter
    def set_branch_attr(self, ctx: Context, name: str, index: Any, value: Value) -> None:
        branch = self._branch(ctx, index)
        if branch is None:
            raise ScriptError(f"there is no branch {index}")
        own = ctx.kind == BRANCH and branch is ctx.branch
        attrs = (ctx.branch_attrs if own else branch.attrs) or {}
        if value is None:
            attrs.pop(name, None)
        else:
            attrs[name] = stored(value)
        if own:
            ctx.branch_attrs = attrs
        branch.attrs = attrs

    # ---- values of a branch ----

    def _holder(self, ctx: Context) -> Any:
        if not ctx.kind & _IN_BRANCH or ctx.branch is None:
            return None
        return _Holder(self.bavps_of(ctx.branch), self.server)

    @pvar("bavp", index_words=("append",))
    def bavp(self, ctx: Context, name: str, index: Any) -> Value:
        """Like $avp, but of one branch: in branch, onreply and failure routes; NULL elsewhere."""
        found: Value
        if not ctx.kind & _IN_BRANCH or ctx.branch is None or ctx.branch.bavps is None:
            return None
        found = StorageVariables.avp.get(self._storage, self._holder(ctx), name, index)
        return f"{found}, " if index == ALL_INDEXES and found is not None else found    # [*] ends with its comma, unlike $avp's

    @bavp.setter
    def set_bavp(self, ctx: Context, name: str, index: Any, value: Value) -> None:
        holder = self._holder(ctx)
        if holder is None:
            raise ScriptError("$bavp belongs to a branch: there is none in this route")
        StorageVariables.avp.set(self._storage, holder, name, index, value)

    @bavp.assigner
    def replace_bavp(self, ctx: Context, name: str, index: Any, value: Value) -> None:
        """:= drops all values first."""
        holder = self._holder(ctx)
        if holder is None:
            raise ScriptError("$bavp belongs to a branch: there is none in this route")
        StorageVariables.avp.assign(self._storage, holder, name, index, value)
