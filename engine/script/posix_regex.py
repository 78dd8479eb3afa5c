"""POSIX extended regular expressions, as the C library of the reference understands them, for Python's `re`.

Scripts are written for regcomp(): brackets know no backslash and have classes ([[:digit:]]), `\\d` is the letter d while `\\w`,
`\\s`, `\\b`, `\\<` and `\\>` are the GNU extensions, a quantifier may follow another one, an unmatched `)` is a plain character,
and nothing is lazy or possessive. The translation walks once over the text and keeps where the last atom began, which is all
that the difference in quantifiers needs. One difference stays: of several alternatives that match at one place Python takes the
first, POSIX the longest.
"""

import re
from functools import lru_cache
from typing import Final

CLASSES: Final[dict[str, str]] = {
    "alpha": "A-Za-z", "digit": "0-9", "alnum": "A-Za-z0-9", "upper": "A-Z", "lower": "a-z", "space": r" \t\n\r\f\v",
    "blank": r" \t", "xdigit": "0-9A-Fa-f", "cntrl": r"\x00-\x1f\x7f", "print": r"\x20-\x7e", "graph": r"\x21-\x7e",
    "punct": r"!-/:-@\[-`{-~",
}
_ESCAPES: Final[dict[str, str]] = {
    "w": r"\w", "W": r"\W", "s": r"\s", "S": r"\S", "b": r"\b", "B": r"\B", "<": r"\b(?=\w)", ">": r"\b(?<=\w)",
    "`": r"\A", "'": r"\Z",
}
_ANCHORS: Final = frozenset("bB<>`'")
_INTERVAL: Final = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}")
_IN_BRACKETS: Final = frozenset("\\]^-[&~|")


class _Translator:
    """State of one translation."""

    __slots__ = ("text", "multi_line", "out", "atom", "repeated", "groups")

    def __init__(self, text: str, multi_line: bool) -> None:
        self.text = text
        self.multi_line = multi_line
        self.out: list[str] = []
        self.atom = -1
        """Index in `out` where the last atom begins, -1 when a quantifier cannot stand here."""
        self.repeated = False
        """The last atom carries a quantifier already."""
        self.groups: list[int] = []

    def add_atom(self, piece: str) -> None:
        self.atom = len(self.out)
        self.repeated = False
        self.out.append(piece)

    def add_anchor(self, piece: str) -> None:
        self.atom = -1
        self.out.append(piece)

    def quantify(self, quantifier: str) -> None:
        if self.atom < 0:
            raise ValueError("a quantifier has nothing to repeat")
        if self.repeated and quantifier in "*+?" and self.out[-1] in ("*", "+", "?"):
            # a+* and the like: one quantifier says the same, and nesting them would cost exponential time.
            if self.out[-1] != quantifier:
                self.out[-1] = "*"
            return
        if self.repeated:
            self.out.insert(self.atom, "(?:")
            self.out.append(")")
        self.out.append(quantifier)
        self.repeated = True

    def run(self) -> str:
        text = self.text
        size = len(text)
        at = 0
        while at < size:
            char = text[at]
            at += 1
            if char == "\\":
                if at >= size:
                    raise ValueError("a backslash ends the expression")
                self.escape(text[at])
                at += 1
            elif char == "[":
                piece, at = self.brackets(at)
                self.add_atom(piece)
            elif char == "(":
                self.groups.append(len(self.out))
                self.out.append("(")
                self.atom = -1
            elif char == ")":
                if self.groups:
                    start = self.groups.pop()
                    self.out.append(")")
                    self.atom = start
                    self.repeated = False
                else:
                    self.add_atom(r"\)")
            elif char == "|":
                self.out.append("|")
                self.atom = -1
            elif char in "*+?":
                self.quantify(char)
            elif char == "{":
                at = self.interval(at)
            elif char == "^":
                self.add_anchor("^")
            elif char == "$":
                self.add_anchor("$" if self.multi_line else r"\Z")
            elif char == ".":
                self.add_atom(".")
            else:
                self.add_atom(re.escape(char))
        if self.groups:
            raise ValueError("a parenthesis is not closed")
        return "".join(self.out)

    def escape(self, char: str) -> None:
        found = _ESCAPES.get(char)
        if found is not None:
            if char in _ANCHORS:
                self.add_anchor(found)
            else:
                self.add_atom(found)
        elif "1" <= char <= "9":
            self.add_atom(f"(?:\\{char})")
        else:
            self.add_atom(re.escape(char))

    def interval(self, at: int) -> int:
        match = _INTERVAL.match(self.text, at - 1)
        if match is None or not (match[1] or match[2]):
            self.add_atom(r"\{")
            return at
        low, comma, high = match.groups()
        if high and low and int(high) < int(low):
            raise ValueError(f"bad interval {match[0]}")
        self.quantify(f"{{{low or 0}{comma}{high}}}")
        return match.end()

    def brackets(self, at: int) -> tuple[str, int]:
        """A bracket expression whose inside begins at `at`; its translation and the offset behind it."""
        text = self.text
        size = len(text)
        negated = text.startswith("^", at)
        if negated:
            at += 1
        out: list[str] = []
        first = True
        while at < size:
            char = text[at]
            if char == "]" and not first:
                inside = "".join(out)
                if negated:
                    return f"[^{inside}{chr(92) + 'n' if self.multi_line else ''}]", at + 1
                return f"[{inside}]", at + 1
            first = False
            if char == "[" and at + 1 < size and text[at + 1] in ":.=":
                mark = text[at + 1]
                end = text.find(mark + "]", at + 2)
                if end < 0:
                    raise ValueError("a class in brackets is not closed")
                name = text[at + 2:end]
                at = end + 2
                if mark == ":":
                    if name not in CLASSES:
                        raise ValueError(f"unknown class [:{name}:]")
                    out.append(CLASSES[name])
                else:
                    out.append(_escaped(name))
                continue
            at += 1
            if at + 1 < size and text[at] == "-" and text[at + 1] != "]":
                high = text[at + 1]
                if ord(high) < ord(char):
                    raise ValueError(f"bad range {char}-{high}")
                out.append(f"{_escaped(char)}-{_escaped(high)}")
                at += 2
            else:
                out.append(_escaped(char))
        raise ValueError("a bracket is not closed")


def _escaped(text: str) -> str:
    return "".join(["\\" + char if char in _IN_BRACKETS else char for char in text])


def translate(text: str, multi_line: bool = True) -> str:
    """The expression in Python's notation. Raises ValueError for a broken one."""
    return _Translator(text, multi_line).run()


@lru_cache(maxsize=1024)
def compile_posix(text: str, ignore_case: bool = True, multi_line: bool = True) -> re.Pattern[str]:
    """Compile a POSIX extended expression; use .search().

    ignore_case and multi_line (REG_NEWLINE: ^ and $ at every line, neither `.` nor [^x] match a line feed) are what the `=~`
    operator and function parameters ask for. Raises ValueError with a reason for a broken expression.
    """
    flags = re.ASCII
    if ignore_case:
        flags |= re.IGNORECASE
    flags |= re.MULTILINE if multi_line else re.DOTALL
    try:
        return re.compile(translate(text, multi_line), flags)
    except (re.error, OverflowError) as error:
        raise ValueError(str(error)) from None
