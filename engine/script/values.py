"""The values a script computes with: NULL, texts, 32-bit numbers, and the two kinds that are both.

A value in Python is
    None           NULL
    str            a text
    int            a number (primarily a number; its text is the decimal)
    TextNumber     a text that also has a number ($rp, $rm, $return()): a str with .number
    NumberText     a number whose printed text is something else ({s.int} prints "42abc"): an int with .text
Plain str and int are the hot path; the two subclasses cost nothing unless a variable hands one out. The rules (which
operator takes which kind, when it is an error) are those of the language reference, sections 8 to 10.
"""

from typing import Final

Value = str | int | None

NULL_TEXT: Final = "<null>"


class TextNumber(str):
    """A text that also has a number but counts as a text in arithmetic."""

    __slots__ = ("number",)
    number: int

    def __new__(cls, text: str, number: int) -> "TextNumber":
        made = super().__new__(cls, text)
        made.number = number
        return made


class NumberText(int):
    """A number that prints as `text`; text None: a number without any text (a comparison with a text is an error)."""

    text: str | None

    def __new__(cls, number: int, text: str | None) -> "NumberText":
        made = super().__new__(cls, number)
        made.text = text
        return made

    def __str__(self) -> str:
        return self.text if self.text is not None else int.__repr__(self)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def text_of(value: Value) -> str | None:
    """The text of a value, or None when it has none."""
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is int:
        return str(value)
    if value is None:
        return None
    if isinstance(value, str):
        return str.__str__(value)
    return value.text  # type: ignore[attr-defined]


def print_of(value: Value) -> str:
    """What a format prints for a value: its text, "<null>" for NULL, the digits of a number without text."""
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is int:
        return str(value)
    if value is None:
        return NULL_TEXT
    return str(value)


def number_of(value: Value) -> int | None:
    """The number of a value, or None when it has none ("12" is a text, not a number)."""
    kind = value.__class__
    if kind is int:
        return value  # type: ignore[return-value]
    if kind is str or value is None:
        return None
    if isinstance(value, TextNumber):
        return value.number
    return int(value)


def wrap32(number: int) -> int:
    """A number as 32 bit signed, wrapping as C does."""
    if -0x80000000 <= number <= 0x7FFFFFFF:
        return number
    return ((number + 0x80000000) & 0xFFFFFFFF) - 0x80000000
