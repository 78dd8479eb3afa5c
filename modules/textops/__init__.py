"""textops: search and replace in a message as text, by regular expressions.

Manual: OpenSIPS 3.6, module textops. Expressions are POSIX extended, case ignored, and see the message as received;
what they change is recorded and applied when the message leaves.
"""

from __future__ import annotations

import re
from typing import Annotated

from engine.errors import SipParseError
from engine.module import BRANCH, FAILURE, LOCAL, ONREPLY, REQUEST, Context, Module, Pattern, ScriptError, function
from engine.script.subst import Subst, parse_subst
from engine.script.variables.binder import Binder
from engine.sip.uri import parse_uri

ROUTES = REQUEST | ONREPLY | FAILURE | BRANCH | LOCAL
SubstParam = Annotated[Subst, "raw"]
"""Written as a text, made a Subst by the fixup; formats in it are the expression's own business."""
URI_ROUTES = REQUEST | ONREPLY | FAILURE | BRANCH


class TextOps(Module):
    """The module."""

    def substitution(self, text: str) -> Subst:
        """Fixup of the subst functions: "/expression/replacement/flags", variables in the replacement bound."""
        binder = Binder(self.server.registry)
        return parse_subst(text, lambda spec: binder.bind(spec).get)

    # ---- search ----

    @function(ROUTES)
    def search(self, ctx: Context, regex: Pattern) -> bool:
        """Does the expression match anywhere in the message? 1 / -1."""
        return regex.search(ctx.msg.text) is not None

    @function(ROUTES)
    def search_body(self, ctx: Context, regex: Pattern) -> bool:
        """Does it match in the body? 1 / -1."""
        return regex.search(ctx.msg.body) is not None

    @function(ROUTES)
    def search_append(self, ctx: Context, regex: Pattern, txt: str) -> bool:
        """Insert txt behind the first match after the first line. 1 / -1."""
        return self._append(ctx, regex, txt, ctx.msg.text.index("\n") + 1)

    @function(ROUTES)
    def search_append_body(self, ctx: Context, regex: Pattern, txt: str) -> bool:
        """Insert txt behind the first match in the body. 1 / -1."""
        return self._append(ctx, regex, txt, ctx.msg.body_start)

    @staticmethod
    def _append(ctx: Context, regex: re.Pattern[str], txt: str, start: int) -> bool:
        found = regex.search(ctx.msg.text, start)
        if found is None:
            return False
        ctx.new_edits().insert(found.end(), txt)
        return True

    # ---- replace ----

    @function(ROUTES)
    def replace(self, ctx: Context, regex: Pattern, txt: str) -> bool:
        """Replace the first match after the first line by txt. 1 / -1."""
        return self._replace(ctx, regex, txt, ctx.msg.text.index("\n") + 1, 1)

    @function(ROUTES)
    def replace_all(self, ctx: Context, regex: Pattern, txt: str) -> bool:
        """Replace all matches after the first line. 1 / -1."""
        return self._replace(ctx, regex, txt, ctx.msg.text.index("\n") + 1, 0)

    @function(ROUTES)
    def replace_body(self, ctx: Context, regex: Pattern, txt: str) -> bool:
        """Replace the first match in the body. 1 / -1."""
        return self._replace(ctx, regex, txt, ctx.msg.body_start, 1)

    @function(ROUTES)
    def replace_body_all(self, ctx: Context, regex: Pattern, txt: str) -> bool:
        """Replace all matches in the body, one after the other: `^` matches anew behind each. 1 / -1."""
        msg = ctx.msg
        position = msg.body_start
        edits = ctx.new_edits()
        found_one = False
        while position < len(msg.text):
            found = regex.search(msg.text[position:])
            if found is None or found.end() == found.start():
                break
            edits.replace(position + found.start(), position + found.end(), txt)
            found_one = True
            position += found.end()
        return found_one

    @function(ROUTES)
    def replace_body_atonce(self, ctx: Context, regex: Pattern, txt: str) -> bool:
        """Replace all matches in the body in one pass: `^` matches at line starts only. 1 / -1."""
        return self._replace(ctx, regex, txt, ctx.msg.body_start, 0)

    @staticmethod
    def _replace(ctx: Context, regex: re.Pattern[str], txt: str, start: int, limit: int) -> bool:
        edits = ctx.new_edits()
        count = 0
        for found in regex.finditer(ctx.msg.text, start):
            if found.end() > found.start():
                edits.replace(found.start(), found.end(), txt)
                count += 1
                if count == limit:
                    break
        return count > 0

    # ---- subst ----

    @function(ROUTES, expression="substitution")
    def subst(self, ctx: Context, expression: SubstParam) -> bool:
        """Substitute in the headers: "/expression/replacement/flags", \\1..\\9 and variables in the replacement. 1 / -1."""
        return self._subst(ctx, expression, ctx.msg.text.index("\n") + 1)

    @function(ROUTES, expression="substitution")
    def subst_body(self, ctx: Context, expression: SubstParam) -> bool:
        """The same in the body. 1 / -1."""
        return self._subst(ctx, expression, ctx.msg.body_start)

    @staticmethod
    def _subst(ctx: Context, substitution: Subst, start: int) -> bool:
        try:
            changes = substitution.changes(ctx, ctx.msg.text, start)
        except ValueError as error:
            raise ScriptError(f"substitution: {error}") from None
        edits = ctx.new_edits()
        for begin, end, text in changes:
            edits.replace(begin, end, text)
        return bool(changes)

    @staticmethod
    def _applied(ctx: Context, substitution: Subst, text: str) -> str | None:
        """The text with the substitution made, None when nothing matched."""
        try:
            result, count = substitution.apply(ctx, text)
        except ValueError as error:
            raise ScriptError(f"substitution: {error}") from None
        return result if count else None

    @function(URI_ROUTES, expression="substitution")
    def subst_uri(self, ctx: Context, expression: SubstParam) -> bool:
        """Substitute in the Request-URI. 1 / -1."""
        uri = self._applied(ctx, expression, ctx.ruri or "")
        if uri is None:
            return False
        ctx.ruri = uri
        return True

    @function(URI_ROUTES, expression="substitution")
    def subst_user(self, ctx: Context, expression: SubstParam) -> bool:
        """Substitute in the user part of the Request-URI. 1 / -1."""
        uri = ctx.ruri or ""
        try:
            old = parse_uri(uri).user or ""
        except SipParseError:
            return False
        user = self._applied(ctx, expression, old)
        if user is None:
            return False
        scheme, _, rest = uri.partition(":")
        if "@" in rest:
            rest = rest[len(old):] if rest.startswith(old) else rest.partition("@")[2]
        else:
            rest = "@" + rest
        ctx.ruri = f"{scheme}:{user}{rest}" if user else f"{scheme}:{rest.partition('@')[2]}"
        return True


exports = TextOps
