r"""regex: Perl-style regular expressions, one by one or in groups from a file.

Manual: OpenSIPS 3.6, module regex. The expressions are Python's `re`, which covers what PCRE scripts use: \d, lazy quantifiers,
lookaround, (?i) in front. Groups are numbered in the order of the file, whatever their headings say; the pcre_* parameters count
for all expressions once there is a file, as in OpenSIPS.
"""

from __future__ import annotations

import re

from engine.errors import MiError
from engine.module import (
    BRANCH, EVENT, FAILURE, LOCAL, ONREPLY, REQUEST, STARTUP, TIMER, ConfigError, Context, Module, ScriptError, function,
    mi_command, modparam,
)
from modules.shared.pcre import compile_pcre

ROUTES = REQUEST | FAILURE | ONREPLY | BRANCH | LOCAL | STARTUP | TIMER | EVENT
_MAX_LINE = 498
"""Longest line of the file, as in OpenSIPS."""


def read_groups(text: str, max_groups: int, group_max_size: int) -> list[str]:
    """The expression of each group of a file. Raises ValueError with what is wrong."""
    groups: list[list[str]] = []
    for line in text.split("\n"):
        if not line or line[0] in " \t\r\n\v\f#":
            continue
        if line[0] == "[":
            if len(groups) >= max_groups:
                raise ValueError(f"max_groups: {max_groups} exceeded")
            groups.append([])
            continue
        if not groups:
            raise ValueError("first group must be initialized with [0] before any regular expression")
        line = line.rstrip("\r")
        if len(line) > _MAX_LINE:
            raise ValueError(f"a line is longer than {_MAX_LINE} characters")
        groups[-1].append(f"({line})")
        if sum(len(part) + 1 for part in groups[-1]) >= group_max_size - 2:
            raise ValueError(f"a group is larger than group_max_size ({group_max_size})")
    return [f"({'|'.join(parts)})" if parts else "^$" for parts in groups]


class Regex(Module):
    """The module."""

    file = modparam(str, None, help="file of the groups; without it there are none")
    max_groups = modparam(int, 20, min=1, help="most groups a file may have")
    group_max_size = modparam(int, 8192, min=3, help="most bytes a group may have")
    pcre_caseless = modparam(int, 0, help="1: cases do not count, (?i)")
    pcre_multiline = modparam(int, 0, help="1: ^ and $ match at every line, (?m)")
    pcre_dotall = modparam(int, 0, help="1: a dot matches a line feed too, (?s)")
    pcre_extended = modparam(int, 0, help="1: blanks and # comments in expressions do not count, (?x)")

    def mod_init(self) -> None:
        self.flags = 0
        self.groups: list[re.Pattern[str]] = []
        if self.file is None:
            self.log.notice("'file' parameter is not set, group matching disabled")
            return
        for wanted, flag in (
            (self.pcre_caseless, re.IGNORECASE), (self.pcre_multiline, re.MULTILINE), (self.pcre_dotall, re.DOTALL),
            (self.pcre_extended, re.VERBOSE),
        ):
            if wanted:
                self.flags |= flag
        try:
            self.groups = self._load()
        except (OSError, ValueError) as error:
            raise ConfigError(f"regex: cannot load the groups of {self.file}: {error}") from None

    def _load(self) -> list[re.Pattern[str]]:
        with open(self.file, encoding="latin-1", newline="\n") as stream:
            texts = read_groups(stream.read(), self.max_groups, self.group_max_size)
        return [compile_pcre(text, self.flags) for text in texts]

    @function(ROUTES)
    def pcre_match(self, ctx: Context, string: str, pcre_regex: str) -> int:
        """Does the expression match anywhere in string? In a literal write $$ for $. 1 / -1; -4 it is broken."""
        return self._match(string, pcre_regex)

    def _match(self, string: str, pcre_regex: str) -> int:
        try:
            return 1 if compile_pcre(pcre_regex, self.flags).search(string) is not None else -1
        except ValueError as error:
            raise ScriptError(f"compilation of '{pcre_regex}' failed: {error}", -4) from None

    @function(ROUTES)
    def pcre_match_group(self, ctx: Context, string: str, group: int = 0) -> int:
        """Does any expression of a group match? 1 / -1; -2 there is no file, -4 no such group."""
        return self._match_group(string, group)

    def _match_group(self, string: str, group: int) -> int:
        if self.file is None:
            raise ScriptError("group matching is disabled", -2)
        if not 0 <= group < len(self.groups):
            raise ScriptError(f"invalid pcre index '{group}', there are {len(self.groups)} pcres", -4)
        return 1 if self.groups[group].search(string) is not None else -1

    @mi_command("regex_reload", help="reads the groups from the file again")
    def mi_reload(self) -> None:
        """403: there is no file; 500: it cannot be used, the groups stay as they are."""
        if self.file is None:
            raise MiError(403, "Group matching not enabled")
        try:
            self.groups = self._load()
        except (OSError, ValueError) as error:
            self.log.error("failed to reload %s: %s", self.file, error)
            raise MiError(500, "Internal error") from None

    @mi_command("regex_match", help="matches a string against a regular expression")
    def mi_match(self, string: str, pcre_regex: str) -> str:
        """"Match" or "Not Match"; 500: the expression is broken."""
        try:
            return "Match" if self._match(string, pcre_regex) == 1 else "Not Match"
        except ScriptError:
            raise MiError(500, "Error pcre_re compilation") from None

    @mi_command("regex_match_group", help="matches a string against a group of regular expressions")
    def mi_match_group(self, string: str, group: str) -> str:
        """"Match" or "Not Match"; 500: no such group, or no file. A group that is no number is 0."""
        digits = re.match(r"\s*[+-]?[0-9]+", group)
        try:
            return "Match" if self._match_group(string, int(digits[0]) if digits else 0) == 1 else "Not Match"
        except ScriptError as error:
            text = "Error group matching is disabled" if error.code == -2 else "Error invalid pcre index"
            raise MiError(500, text) from None


exports = Regex
