"""The lexer: a flattened script to tokens.

One regular expression finds a token and the blanks and `#` comments before it; nested comments, and variables whose parentheses
nest deep, are walked by hand. What a token is does not depend on where it stands, except for the words of some definitions (`as`,
`tag`, `scale`): they are words only behind `socket =`, `alias =` and so on, and plain names elsewhere. A name in front of `=`
outside of any block is a global parameter: its token says what kind of value must follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lark.lexer import Lexer

from engine.errors import ConfigError, ScriptSyntaxError
from engine.script.nodes import ConfigWarning, Pos
from engine.script.preprocessor import Source


class Token:
    """One token: `type` is its name in the grammar, `value` what it means (an int for NUMBER, the text of a STRING).

    `at` is the offset in the flattened text, which orders tokens over all files.
    """

    __slots__ = ("at", "pos", "text", "type", "value")

    def __init__(self, type_: str, text: str, value: int | str, pos: Pos, at: int) -> None:
        self.at = at
        self.type = type_
        self.text = text
        self.value = value
        self.pos = pos

    def __repr__(self) -> str:
        return f"Token({self.type}, {self.text!r}, {self.pos.line}:{self.pos.column})"


class NoLexer(Lexer):
    """Told to the parser generator: the tokens come from `tokenize`, nothing is to be generated."""

    def __init__(self, lexer_conf: object) -> None:
        super().__init__()

    def lex(self, lexer_state: object, parser_state: object) -> Iterator[Token]:  # type: ignore[override]
        """No tokens of its own."""
        return iter(())


_SKIP: Final = r"(?:[ \t\r\n\b]+|\\\r?\n|\#[^\n]*)*"
_HEX4: Final = "[0-9a-fA-F]{1,4}"
_IPV6: Final = (
    rf"(?:{_HEX4}:){{7}}{_HEX4}|(?:{_HEX4}:){{1,7}}(?::{_HEX4}){{1,7}}|:(?::{_HEX4}){{1,7}}|(?:{_HEX4}:){{1,7}}:|::"
)
_NUM: Final = r"(?:0|[1-9][0-9]*)"
_IPV4: Final = rf"{_NUM}\.{_NUM}\.{_NUM}\.{_NUM}"
_PAREN: Final = r"\([^()]*(?:\([^()]*(?:\([^()]*(?:\([^()]*\)[^()]*)*\)[^()]*)*\)[^()]*)*\)"
_TOKEN: Final = re.compile(
    _SKIP + "(?:"
    rf"(?P<VAR>\$(?:[^\s;,()=!<>+\-*/%&|^~:\[\]{{}}\#]|:(?!=))*(?:{_PAREN}|\[[^\]\s]*\](?![\w.]))?)"
    r'|(?P<STRING>"(?:[^"\\]|\\.)*"|\'[^\']*\')'
    rf"|(?P<IPV6>(?:{_IPV6})(?:/(?:{_IPV6}|[0-9]+))?)"
    r"|(?P<RESERVED>mem-group(?![\w\-]))"
    r"|(?P<ID>[a-zA-Z][a-zA-Z0-9_]*)"
    rf"|(?P<IPV4>{_IPV4}(?:/(?:{_IPV4}|{_NUM}))?)"
    rf"|(?P<NUMBER>0x[0-9a-fA-F]+|0[0-7]+|{_NUM})"
    r"|(?P<COMMENT>/\*)"
    r"|(?P<OP>:=|\+=|-=|\*=|/=|%=|&=|\|=|\^=|==|=~|!=|!~|<=|>=|<<|>>|&&|\|\||[-;,(){}\[\]:.=<>!+*/%&|^~])"
    r"|(?P<END>\Z)"
    r"|(?P<OPEN>[\"'])|(?P<QUESTION>\?)"
    r"|(?P<BAD>.))",
    re.DOTALL,
)
_COMMENT_MARK: Final = re.compile(r"/\*|\*/")
_ESCAPE: Final = re.compile(r'\\(?:([nrta"\\])|x([0-9a-fA-F]{1,2})|([0-7]{2,3})|\r?(\n))')
_PLAIN_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", '"': '"', "\\": "\\"}

OPERATORS: Final = {
    ";": "SEMICOLON", ",": "COMMA", "(": "LPAR", ")": "RPAR", "{": "LBRACE", "}": "RBRACE", "[": "LSQB", "]": "RSQB",
    ":": "COLON", ".": "DOT", "=": "EQUAL", ":=": "COLONEQUAL", "==": "EQOP", "!=": "EQOP", "<": "RELOP", ">": "RELOP",
    "<=": "RELOP", ">=": "RELOP", "=~": "MATCHOP", "!~": "MATCHOP", "&&": "AND", "||": "OR", "!": "NOT",
    "+": "PLUS", "-": "MINUS", "*": "STAR", "/": "SLASH", "%": "PERCENT", "~": "TILDE", "&": "BITOP", "|": "BITOP", "^": "BITOP",
    "<<": "BITOP", ">>": "BITOP", "+=": "OPASSIGN", "-=": "OPASSIGN", "*=": "OPASSIGN", "/=": "OPASSIGN", "%=": "OPASSIGN",
    "&=": "OPASSIGN", "|=": "OPASSIGN", "^=": "OPASSIGN",
}
NUMBER_WORDS: Final = {"yes": 1, "true": 1, "on": 1, "enable": 1, "no": 0, "false": 0, "off": 0, "disable": 0}
ROUTE_WORDS: Final = {
    "route": "ROUTE", "onreply_route": "ONREPLY_ROUTE", "failure_route": "NAMED_ROUTE", "branch_route": "NAMED_ROUTE",
    "event_route": "NAMED_ROUTE", "error_route": "SINGLE_ROUTE", "local_route": "SINGLE_ROUTE", "startup_route": "SINGLE_ROUTE",
    "timer_route": "TIMER_ROUTE",
}
KEYWORDS: Final = {
    **ROUTE_WORDS,
    "if": "IF", "else": "ELSE", "while": "WHILE", "for": "FOR", "in": "IN", "switch": "SWITCH", "case": "CASE",
    "default": "DEFAULT", "break": "BREAK", "return": "RETURN", "exit": "EXIT", "drop": "DROP", "xlog": "XLOG", "xdbg": "XDBG",
    "log": "LOG", "assert": "ASSERT", "async": "ASYNC", "launch": "LAUNCH", "error": "ERROR", "and": "AND", "or": "OR",
    "not": "NOT", "NULL": "NULL", "null": "NULL", "loadmodule": "LOADMODULE", "modparam": "MODPARAM",
}
TOP_LEVEL: Final = frozenset({"LOADMODULE", "MODPARAM", *ROUTE_WORDS.values()})
"""Tokens that begin something outside of blocks (global parameters apart)."""

_SOCKET_WORDS: Final = {
    "as": "AS", "AS": "AS", "use_workers": "USE_WORKERS", "USE_WORKERS": "USE_WORKERS", "anycast": "FLAG", "ANYCAST": "FLAG",
    "frag": "FLAG", "FRAG": "FLAG", "reuse_port": "FLAG", "REUSE_PORT": "FLAG", "accept_subdomain": "FLAG",
    "ACCEPT_SUBDOMAIN": "FLAG", "tag": "TAG", "tos": "TOS", "TOS": "TOS", "any": "ANY",
    "use_auto_scaling_profile": "USE_PROFILE", "USE_AUTO_SCALING_PROFILE": "USE_PROFILE",
}
_PROFILE_WORDS: Final = {
    word: word.upper() for low in ("scale", "up", "down", "to", "on", "cycles", "within") for word in (low, low.upper())
}
SOFT_WORDS: Final[dict[str, dict[str, str]]] = {
    "G_SOCKET": _SOCKET_WORDS,
    "G_ALIAS": {"any": "ANY", "accept_subdomain": "FLAG", "ACCEPT_SUBDOMAIN": "FLAG"},
    "G_WORKERS": {"use_auto_scaling_profile": "USE_PROFILE", "USE_AUTO_SCALING_PROFILE": "USE_PROFILE"},
    "G_PROFILE": _PROFILE_WORDS,
    "G_BLACKLIST": {"any": "ANY", "readonly": "READONLY", "expire": "EXPIRE", "read": "READ", "only": "ONLY"},
}
"""Words that mean something only behind `kind =`."""
_NO_WORDS: Final[dict[str, str]] = {}


def number_value(text: str) -> int:
    """A number as OpenSIPS reads it: hexadecimal, octal or decimal, wrapping at 32 bits, signed."""
    if text in NUMBER_WORDS:
        return NUMBER_WORDS[text]
    if text[:2] == "0x":
        value = int(text, 16)
    elif text[0] == "0" and len(text) > 1:
        value = int(text, 8)
    else:
        value = int(text) if len(text) <= 40 else int(text[-40:])
    return (value + 0x80000000) % 0x100000000 - 0x80000000


def _escape(found: re.Match[str]) -> str:
    if found[1]:
        return _PLAIN_ESCAPES[found[1]]
    if found[4]:
        return ""  # a backslash at the end of a line joins the lines
    return chr(int(found[2], 16) if found[2] else int(found[3], 8) & 0xFF)


def string_value(text: str) -> str:
    """What a quoted string means: escapes exist only between double quotes, unknown ones keep their backslash."""
    inner = text[1:-1]
    return _ESCAPE.sub(_escape, inner) if "\\" in inner and text[0] == '"' else inner


class _Scanner:
    """State of one run over a source."""

    __slots__ = ("depth", "errors", "files", "kinds", "line", "line_start", "next_start", "numbers", "source", "text", "tokens",
                 "warnings", "words")

    def __init__(self, source: Source, kinds: dict[str, str]) -> None:
        self.source = source
        self.text = source.text
        self.files = source.files
        self.numbers = source.numbers
        self.kinds = kinds
        self.tokens: list[Token] = []
        self.errors: list[ConfigError] = []
        self.warnings: list[ConfigWarning] = []
        self.depth = 0
        self.words = _NO_WORDS
        self.line = 0
        self.line_start = 0
        self.next_start = self.text.find("\n") + 1

    def place(self, start: int, end: int) -> Pos:
        """The place of the text from `start` to `end`; must be asked in rising order."""
        while start >= self.next_start > 0:
            self.line += 1
            self.line_start = self.next_start
            self.next_start = self.text.find("\n", self.line_start) + 1
        line = min(self.line, len(self.files) - 1)
        column = start - self.line_start + 1
        return Pos(self.files[line], self.numbers[line], column, column + max(min(end, len(self.text)) - start, 1) - 1)

    def fail(self, message: str, pos: Pos, hint: str = "") -> None:
        error = ScriptSyntaxError(message, pos.file, pos.line, pos.column, pos.end_column, hint)
        error.include_stack = self.source.stacks.get(pos.file, ())
        self.errors.append(error)

    def run(self) -> None:
        """Find all tokens; the last one is $END."""
        text = self.text
        match = _TOKEN.match
        tokens = self.tokens
        at = 0
        while True:
            found = match(text, at)
            assert found is not None
            kind = found.lastgroup
            assert kind is not None
            start, at = found.span(kind)
            value = found[kind]
            if kind == "OP":
                tokens.append(token := Token(OPERATORS[value], value, value, self.place(start, at), start))
                if value in "{}=":
                    self.structure(token)
            elif kind == "ID":
                tokens.append(Token(*self.word(value), self.place(start, at), start))
            elif kind == "VAR":
                at = self.variable(start, at, value)
            elif kind == "STRING":
                tokens.append(Token("STRING", value, string_value(value), self.place(start, at), start))
            elif kind == "NUMBER":
                tokens.append(Token("NUMBER", value, number_value(value), self.place(start, at), start))
            elif kind == "COMMENT":
                at = self.comment(start, at)
            elif kind in ("IPV4", "IPV6"):
                type_ = "IPNET" if "/" in value else kind + "ADDR"
                tokens.append(Token(type_, value, value, self.place(start, at), start))
            elif kind == "END":
                last = max(len(text) - 1, 0)
                tokens.append(Token("$END", "", "", self.place(last, last), last + 1))
                return
            elif kind in ("RESERVED", "QUESTION"):
                tokens.append(Token(kind, value, value, self.place(start, at), start))
            elif kind == "OPEN":
                self.fail("the string that begins here is not closed", self.place(start, at), f"a {value} is missing at its end")
                at = len(text)
            else:
                # OpenSIPS steps over what is no part of any token: UTF-8 blanks pasted from a web page, underscores of templates
                message = f"the character {value!r} is ignored outside of strings"
                self.warnings.append(ConfigWarning(self.place(start, at), message))

    def word(self, text: str) -> tuple[str, str, int | str]:
        """Type, text and value of a name."""
        soft = self.words.get(text)
        if soft is not None:
            return soft, text, text
        if text in NUMBER_WORDS:
            return "NUMBER", text, NUMBER_WORDS[text]
        keyword = KEYWORDS.get(text)
        if keyword is not None:
            if not self.depth and keyword in TOP_LEVEL:
                self.words = _NO_WORDS
            return keyword, text, text
        return ("RESERVED" if text in self.kinds else "ID"), text, text

    def structure(self, token: Token) -> None:
        """Keep the depth of braces, and turn a name in front of `=` into a global parameter when outside of blocks."""
        tokens = self.tokens
        if token.text == "{":
            head = next((t.type for t in tokens[-2:-8:-1] if t.type not in _ROUTE_HEAD), "")
            if head in _ROUTE_TYPES:
                self.depth = 0  # `route[x] {` is never inside a block: a brace was forgotten before it
            self.depth += 1
        elif token.text == "}":
            self.depth = max(self.depth - 1, 0)
        elif not self.depth and len(tokens) > 1 and tokens[-2].type in ("ID", "RESERVED", *_SOFT_TYPES):
            name = tokens[-2]
            name.type = self.kinds.get(name.text, "G_SIMPLE")
            self.words = SOFT_WORDS.get(name.type, _NO_WORDS)

    def variable(self, start: int, end: int, text: str) -> int:
        """A variable; when its parenthesis did not match by expression, walk to the end of it."""
        if self.text.startswith("(", end) and ")" not in text:
            depth = 0
            for at in range(end, len(self.text)):
                char = self.text[at]
                if char == "(":
                    depth += 1
                elif char == ")":
                    depth -= 1
                    if not depth:
                        end = at + 1
                        text = self.text[start:end]
                        break
            else:
                pos = self.place(start, end)
                self.fail(f"the variable {text}( is not closed", pos, "a ')' is missing")
                end = self.text.find("\n", end)
                end = len(self.text) if end < 0 else end
        self.tokens.append(Token("VAR", text, text, self.place(start, end), start))
        return end

    def comment(self, start: int, at: int) -> int:
        """Skip a block comment; they nest. One that is open at the end of the text takes the rest with it, no error."""
        depth = 1
        while depth:
            found = _COMMENT_MARK.search(self.text, at)
            if found is None:
                return len(self.text)
            depth += 1 if found[0] == "/*" else -1
            at = found.end()
        return at


_ROUTE_TYPES: Final = frozenset(ROUTE_WORDS.values())
_ROUTE_HEAD: Final = frozenset({"LSQB", "RSQB", "ID", "NUMBER", "STRING", "COMMA"})
_SOFT_TYPES: Final = frozenset(type_ for words in SOFT_WORDS.values() for type_ in words.values())


def tokenize(source: Source, kinds: dict[str, str]) -> tuple[list[Token], list[ConfigError], list[ConfigWarning]]:
    """All tokens of a source, errors and warnings. `kinds` names the token type of each global parameter."""
    scanner = _Scanner(source, kinds)
    scanner.run()
    return scanner.tokens, scanner.errors, scanner.warnings
