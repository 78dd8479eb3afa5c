"""The flags arguments of save() and lookup(), in both generations of their spelling.

3.2 and later: names separated by commas, "memory-only, max-contacts=3". 3.1: letters one behind the other, "mc3". A text
without a hyphen in which no known name stands is read as letters.
"""

from __future__ import annotations

import re

from engine.script.posix_regex import compile_posix

PATH_NONE, PATH_OFF, PATH_LAZY, PATH_STRICT = 0, 1, 2, 3

_NUMBER = re.compile(r"[0-9]+")
_SHIELDED = re.compile(r"/(?:[^/\\]|\\.)*/|<[^>]*>|,")


class SaveFlags:
    """Flags of save() and mid_registrar_save()."""

    __slots__ = (
        "memory_only", "no_reply", "socket_header", "path", "path_received", "force", "only_request_contacts", "max_contacts",
        "min_expires", "max_expires", "match", "odd",
    )

    def __init__(self) -> None:
        self.memory_only = False
        self.no_reply = False
        self.socket_header = False
        self.path = PATH_NONE
        self.path_received = False
        self.force = False
        """Beyond max_contacts push old contacts out instead of refusing the new one."""
        self.only_request_contacts = False
        self.max_contacts: int | None = None
        """None: the modparam decides; so for the next two."""
        self.min_expires: int | None = None
        self.max_expires: int | None = None
        self.match: int | str | None = None
        """Matching mode of this call: 0, 1 or the name of a URI parameter. None: usrloc's."""
        self.odd = ""
        """A matching mode that does not exist."""


class LookupFlags:
    """Flags of lookup() and mid_registrar_lookup()."""

    __slots__ = (
        "method_filtering", "no_branches", "global_", "branch", "to_branches_only", "user_agent", "sort_by_latency",
        "max_latency",
    )

    def __init__(self) -> None:
        self.method_filtering = False
        self.no_branches = False
        self.global_ = False
        """Also ask other sites: of effect in federated clusters only, for which usrloc asks at start."""
        self.branch = False
        self.to_branches_only = False
        self.user_agent: re.Pattern[str] | None = None
        self.sort_by_latency = False
        self.max_latency = 0
        """Microseconds, 0: any."""


_SAVE_NAMES = {
    "memory-only": ("memory_only", True), "no-reply": ("no_reply", True), "socket-header": ("socket_header", True),
    "path-strict": ("path", PATH_STRICT), "path-lazy": ("path", PATH_LAZY), "path-off": ("path", PATH_OFF),
    "path-received": ("path_received", True), "force-registration": ("force", True),
    "only-request-contacts": ("only_request_contacts", True),
}
_SAVE_NUMBERS = {"max-contacts": "max_contacts", "min-expires": "min_expires", "max-expires": "max_expires"}
_SAVE_LETTERS = {
    "m": "memory-only", "r": "no-reply", "s": "socket-header", "v": "path-received", "f": "force-registration",
    "o": "only-request-contacts",
}
_SAVE_LETTER_NUMBERS = {"c": "max-contacts", "e": "min-expires", "E": "max-expires"}
_LETTER_PATH = {"0": "path-off", "1": "path-lazy", "2": "path-strict"}

_LOOKUP_NAMES = {
    "method-filtering": "method_filtering", "no-branches": "no_branches", "global": "global_", "branch": "branch",
    "to-branches-only": "to_branches_only", "sort-by-latency": "sort_by_latency",
}
_LOOKUP_LETTERS = {
    "m": "method-filtering", "b": "no-branches", "g": "global", "r": "branch", "B": "to-branches-only", "i": "case-insensitive",
    "e": "extended-regexp", "Y": "sort-by-latency",
}


def _words(text: str) -> list[str]:
    """The flags between commas; commas inside /.../ and <...> do not separate."""
    words: list[str] = []
    start = 0
    for match in _SHIELDED.finditer(text):
        if match[0] == ",":
            words.append(text[start:match.start()])
            start = match.end()
    words.append(text[start:])
    return [word.strip() for word in words]


def _number(flag: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"the flag {flag} takes a number, not <{text}>")
    return int(text)


def is_letters(text: str, names: tuple[str, ...] = ()) -> bool:
    """Whether flags are letters of 3.1: there is neither hyphen nor comma nor equals sign, and it is no name by itself."""
    bare = re.sub(r"/.*/|<[^>]*>", "", text)
    return "-" not in bare and "=" not in bare and "," not in bare and bare.strip() not in names


def parse_save_flags(text: str) -> SaveFlags:
    """The flags of save(). Raises ValueError for one that does not exist, and for an empty text as OpenSIPS does."""
    words = _save_letters(text.strip()) if is_letters(text, ()) and text.strip() else _words(text)
    flags = SaveFlags()
    for word in words:
        simple = _SAVE_NAMES.get(word)
        name, equals, value = word.partition("=")
        if simple is not None:
            setattr(flags, simple[0], simple[1])
        elif equals and name.strip() in _SAVE_NUMBERS:
            setattr(flags, _SAVE_NUMBERS[name.strip()], _number(name.strip(), value.strip()))
        elif equals and name.strip() == "matching-mode":
            flags.match = _matching_mode(value.strip())
            flags.odd = value if flags.match is None else flags.odd
        else:
            raise ValueError(f"unknown flag <{word}>")
    return flags


def _matching_mode(value: str) -> int | str | None:
    """None for a mode that does not exist: OpenSIPS goes on with that of usrloc."""
    if value[:1] in ("0", "1"):
        return int(value[0])
    name, end, _ = value[1:].partition(">")
    return name.strip().lower() or None if value[:1] == "<" and end else None


def _save_letters(text: str) -> list[str]:
    words: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        at += 1
        if letter in _SAVE_LETTERS:
            words.append(_SAVE_LETTERS[letter])
        elif letter in _SAVE_LETTER_NUMBERS:
            number = _NUMBER.match(text, at)
            if number is None:
                raise ValueError(f"the flag {letter} wants a number behind it")
            words.append(f"{_SAVE_LETTER_NUMBERS[letter]}={number[0]}")
            at = number.end()
        elif letter == "p" and text[at:at + 1] in _LETTER_PATH:
            words.append(_LETTER_PATH[text[at]])
            at += 1
        elif letter == "M":
            end = text.find(">", at) + 1 if text[at:at + 1] == "<" else at + 1
            words.append(f"matching-mode={text[at:end]}")
            at = max(end, at + 1)
        else:
            raise ValueError(f"unknown flag <{letter}>")
    return words


def parse_lookup_flags(text: str) -> LookupFlags:
    """The flags of lookup(). Raises ValueError for one that does not exist, a broken regex, and an empty text."""
    letters = is_letters(text, ("global", "branch")) and text.strip()
    flags = LookupFlags()
    expression: str | None = None
    ignore_case = extended = False
    for word in _lookup_letters(text.strip()) if letters else _words(text):
        name, equals, value = word.partition("=")
        name = name.strip()
        if not equals and name in _LOOKUP_NAMES:
            setattr(flags, _LOOKUP_NAMES[name], True)
        elif word == "case-insensitive":
            ignore_case = True
        elif word == "extended-regexp":
            extended = True
        elif equals and name == "max-ping-latency":
            flags.max_latency = _number(name, value.strip())
        elif equals and name == "ua-filtering":
            value = value.strip()
            if len(value) < 3 or value[0] != "/" or value.find("/", 1) < 2:
                raise ValueError("ua-filtering takes /regular expression/")
            expression = value[1:value.index("/", 1)]
        else:
            raise ValueError(f"unknown flag <{word}>")
    if expression is not None:
        flags.user_agent = _regex(expression if extended else basic_to_extended(expression), ignore_case)
    return flags


def _regex(expression: str, ignore_case: bool) -> re.Pattern[str]:
    try:
        return compile_posix(expression, ignore_case=ignore_case, multi_line=False)
    except ValueError as error:
        raise ValueError(f"bad regular expression /{expression}/: {error}") from None


def _lookup_letters(text: str) -> list[str]:
    words: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        at += 1
        if letter in _LOOKUP_LETTERS:
            words.append(_LOOKUP_LETTERS[letter])
        elif letter == "y":
            number = _NUMBER.match(text, at)
            if number is None:
                raise ValueError("the flag y wants a number behind it")
            words.append(f"max-ping-latency={number[0]}")
            at = number.end()
        elif letter == "u":
            end = text.find("/", at + 1)
            if text[at:at + 1] != "/" or end < 0:
                raise ValueError("the flag u takes /regular expression/")
            words.append(f"ua-filtering={text[at:end + 1]}")
            at = end + 1
        else:
            raise ValueError(f"unknown flag <{letter}>")
    return words


def basic_to_extended(expression: str) -> str:
    """A POSIX basic regular expression as an extended one: braces, parentheses, bar, plus and question mark change sides."""
    out: list[str] = []
    at = 0
    while at < len(expression):
        char = expression[at]
        at += 1
        if char == "\\" and at < len(expression):
            following = expression[at]
            at += 1
            out.append(following if following in "(){}|+?" else "\\" + following)
        elif char == "[":
            end = expression.find("]", at + (2 if expression[at:at + 1] == "^" else 1))
            end = len(expression) if end < 0 else end + 1
            out.append(expression[at - 1:end])
            at = end
        else:
            out.append("\\" + char if char in "(){}|+?" else char)
    return "".join(out)
