"""From a script to nodes.

The tables come from grammar.lark (LALR); this drives them token by token, so that reading goes on after a syntax error (at the
next statement, behind the parentheses, or at the next route) and a script is told all its mistakes at once.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

import lark
from lark import Lark, Tree
from lark.exceptions import UnexpectedToken
from lark.parse_tree_builder import ParseTreeBuilder
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_parser_state import ParseConf, ParserState

from engine.errors import ConfigError, ConfigErrors
from engine.script.builder import Builder
from engine.script.explain import explain
from engine.script.globals import TOKEN_KINDS, check_globals
from engine.script.nodes import Script
from engine.script.preprocessor import Source, flatten, read_script
from engine.script.tables import kept_tables
from engine.script.tokens import ROUTE_WORDS, TOP_LEVEL, NoLexer, Token, tokenize

MAX_ERRORS: Final = 100
"""After so many errors the rest is not read."""

_ROUTES: Final = frozenset(ROUTE_WORDS.values())
_STAND_INS: Final = (("", ""), ("NUMBER", "0"), ("VAR", "$var(x)"), ("STRING", '""'))


@cache
def _tables() -> tuple[list[Any], Any]:
    """Rules and parse table; the same for every script, so they are kept beside the byte code of this file."""
    source = Path(__file__).with_name("grammar.lark")
    grammar = source.read_text(encoding="utf-8")
    mark = f"{grammar}{lark.__version__}{sys.version}"
    return kept_tables(source.with_name("__pycache__"), mark, lambda: _make_tables(grammar))  # type: ignore[no-any-return]


def _make_tables(grammar: str) -> tuple[list[Any], Any]:
    made = Lark(grammar, parser="lalr", lexer=NoLexer)
    return made.rules, made.parse_interactive("").parser_state.parse_conf.parse_table


class SyntaxErrors(ConfigErrors):
    """The mistakes in the syntax of a script; tree: what could be read besides them, for who wants to judge the names in it.

    tree is None when too much is missing: a mistake outside of the routes, or one that took a part of the text with it.
    """

    def __init__(self, errors: list[ConfigError], tree: Script | None) -> None:
        super().__init__(errors)
        self.tree = tree


class _Driver:
    """Feeds the tokens of one script to the tables."""

    __slots__ = ("at", "builder", "errors", "lost", "source", "state", "states", "tokens", "unclosed")

    def __init__(self, source: Source, tokens: list[Token], builder: Builder) -> None:
        rules, table = _tables()
        callbacks = ParseTreeBuilder(rules, Tree, False, False, True).create_callback(builder)  # type: ignore[no-untyped-call]
        self.state: ParserState[Any] = ParserState(ParseConf(table, callbacks, "start"), None)  # type: ignore[arg-type]
        self.states: dict[Any, dict[str, tuple[Any, Any]]] = table.states
        self.source = source
        self.tokens = tokens
        self.builder = builder
        self.errors: list[ConfigError] = []
        self.at = 0
        self.unclosed = 0
        self.lost = False
        """A part of the text was given up that other parts may refer to."""

    def run(self) -> list[Any]:
        """Read all tokens; the items of the file."""
        feed = self.state.feed_token
        tokens = self.tokens
        last = len(tokens) - 1
        while self.at < last:
            try:
                while self.at < last:
                    feed(tokens[self.at])  # type: ignore[arg-type]
                    self.at += 1
            except UnexpectedToken:
                self.mistake()
                if len(self.errors) >= MAX_ERRORS:
                    return []
        if self.state.position == self.state.parse_conf.end_state:
            return self.state.value_stack[-1]  # type: ignore[no-any-return]
        try:
            return feed(tokens[last], True)  # type: ignore[arg-type,no-any-return]
        except UnexpectedToken:
            self.settle()
            self.note()
            self.lost = True
            return []

    def read_so_far(self) -> list[Any]:
        """The items of a file that could not be read to its end."""
        return next((value for value in self.state.value_stack if isinstance(value, list)), [])

    def note(self) -> None:
        """Describe the token that does not fit."""
        token = self.tokens[self.at]
        error = explain(self.tokens, self.at, self.expected(), self.state.value_stack)
        error.include_stack = self.source.stacks.get(token.pos.file, ())
        self.errors.append(error)

    def expected(self) -> frozenset[str]:
        """The types of token that would fit."""
        return frozenset(name for name in self.states[self.state.position] if not name.islower() and self.fits(name))

    # -------------------------------------------------------------------------------------------------------- recovery

    def settle(self) -> None:
        """Do the reductions that are due whatever follows, so that the stack shows what was read."""
        stack, values = self.state.state_stack, self.state.value_stack
        while True:
            steps = [step for name, step in self.states[stack[-1]].items() if name.isupper() or name == "$END"]
            rule = steps[0][1]
            if any(action is Shift or arg is not rule for action, arg in steps) or not rule.expansion:
                return
            size = len(rule.expansion)
            children = values[-size:]
            del stack[-size:], values[-size:]
            values.append(self.state.parse_conf.callbacks[rule](children))
            stack.append(self.states[stack[-1]][rule.origin.name][1])

    def inside_route(self) -> bool:
        """Is a block open?"""
        read = [value.type for value in self.state.value_stack if isinstance(value, Token)]
        return "LBRACE" in read and not _ROUTES.isdisjoint(read)

    def mistake(self) -> None:
        """Note the error at the current token and find a place to go on."""
        self.settle()
        token = self.tokens[self.at]
        if self.unclosed and token.type == "RBRACE" and len(self.state.value_stack) == 1:
            self.unclosed -= 1  # it belongs to a route that was given up
            self.at += 1
            return
        self.note()
        if token.type != "SEMICOLON" and self.fits("SEMICOLON", token.type):
            self.feed_made_up("SEMICOLON", ";")  # it was forgotten
            return
        if self.at and self.at_route(self.at - 1) and self.inside_route():
            self.at -= 1
        if self.at_route(self.at):
            self.to_top_level()
        elif not self.resume_in_parentheses():
            self.resume_at_statement()

    def feed_made_up(self, type_: str, text: str) -> None:
        """Feed a token that is not in the text."""
        here = self.tokens[self.at]
        token = Token(type_, text, 0 if type_ == "NUMBER" else text.strip('"'), here.pos, here.at)
        self.state.feed_token(token)  # type: ignore[arg-type]

    def fits(self, *types: str) -> bool:
        """Would tokens of these types fit now, one after the other? Tried on a copy of the stack, without the builder."""
        stack = list(self.state.state_stack)
        for type_ in types:
            while True:
                step = self.states[stack[-1]].get(type_)
                if step is None:
                    return False
                action, arg = step
                if action is Shift:
                    stack.append(arg)
                    break
                if arg.expansion:
                    del stack[-len(arg.expansion):]
                stack.append(self.states[stack[-1]][arg.origin.name][1])
        return True

    def at_route(self, at: int) -> bool:
        """Does a route definition begin at this token?"""
        return self.tokens[at].type in _ROUTES and self.tokens[at + 1].type in ("LSQB", "LBRACE")

    def pop_to(self, type_: str) -> int:
        """Drop what was read back to a state in which a token of this type may be shifted; the number of open braces dropped."""
        braces = 0
        stack, values = self.state.state_stack, self.state.value_stack
        while len(stack) > 1 and self.states[stack[-1]].get(type_, (None,))[0] is not Shift:
            stack.pop()
            value = values.pop()
            if isinstance(value, Token) and value.type == "LBRACE":
                braces += 1
        return braces

    def to_top_level(self) -> None:
        """Forget the unfinished route."""
        self.lost = True
        self.builder.breaks.clear()
        self.unclosed += self.pop_to("LOADMODULE")

    def resume_in_parentheses(self) -> bool:
        """Skip to the parenthesis that closes the innermost open one, with something harmless in between."""
        values = self.state.value_stack
        opened = len(values) - 1
        while opened >= 0 and not (isinstance(values[opened], Token) and values[opened].type == "LPAR"):
            if isinstance(values[opened], Token) and values[opened].type == "LBRACE":
                return False
            opened -= 1
        if opened < 0:
            return False
        end = self.at
        depth = 0
        word = values[opened - 1]
        c_style = isinstance(word, Token) and word.type == "FOR"
        while self.tokens[end].type not in ("LBRACE", "RBRACE", "$END") and (c_style or self.tokens[end].type != "SEMICOLON"):
            type_ = self.tokens[end].type
            if type_ == "RPAR" and not depth:
                break
            depth += (type_ == "LPAR") - (type_ == "RPAR")
            end += 1
        if self.tokens[end].type in ("RBRACE", "$END"):
            return False
        if c_style:
            return self.resume_behind_for(end)
        del values[opened + 1:]
        del self.state.state_stack[opened + 2:]
        for type_, text in _STAND_INS:
            if self.fits(*((type_,) if type_ else ()), "RPAR"):
                if type_:
                    self.feed_made_up(type_, text)
                self.feed_made_up("RPAR", ")")
                self.at = end + 1 if self.tokens[end].type == "RPAR" else end
                return True
        return False

    def resume_behind_for(self, end: int) -> bool:
        """Finish the head of a for; False when its parenthesis does not close."""
        if self.tokens[end].type != "RPAR":
            return False
        for type_, text in (("VAR", "$var(x)"), ("IN", "in"), ("VAR", "$var(x)"), ("RPAR", ")")):
            if self.fits(type_):
                self.feed_made_up(type_, text)
        self.at = end + 1
        return True

    def resume_at_statement(self) -> None:
        """Go on behind the next semicolon, or at the brace that ends the block; outside of routes at the next definition."""
        if not self.inside_route():
            self.lost = True
            self.pop_to("LOADMODULE")
            self.skip_to_definition()
            return
        depth = self.pop_to("WHILE")
        if self.fits("SEMICOLON"):
            self.feed_made_up("SEMICOLON", ";")
        tokens = self.tokens
        while (type_ := tokens[self.at].type) != "$END":
            if self.at_route(self.at):
                self.to_top_level()
                return
            if type_ == "LBRACE":
                depth += 1
            elif type_ == "RBRACE":
                if not depth:
                    return
                depth -= 1
                if not depth:
                    self.at += 1
                    return
            elif type_ == "SEMICOLON" and not depth:
                self.at += 1
                return
            self.at += 1

    def skip_to_definition(self) -> None:
        """Outside of routes: the next token that begins something, the current one excepted."""
        tokens = self.tokens
        depth = 0
        if tokens[self.at].type != "$END" and not self.begins_definition(self.at):
            depth += tokens[self.at].type == "LBRACE"
            self.at += 1
        while tokens[self.at].type != "$END":
            type_ = tokens[self.at].type
            depth = max(depth + (type_ == "LBRACE") - (type_ == "RBRACE"), 0)
            if self.begins_definition(self.at) and (not depth or self.at_route(self.at)):
                return
            self.at += 1

    def begins_definition(self, at: int) -> bool:
        """Does a definition begin here, in a place where one may?"""
        type_ = self.tokens[at].type
        if type_ in _ROUTES:
            return self.at_route(at)
        return type_.startswith("G_") or type_ in TOP_LEVEL


def _order(source: Source) -> dict[tuple[str, int], int]:
    """Where in the whole text each line of each file stands first."""
    order: dict[tuple[str, int], int] = {}
    for index, place in enumerate(zip(source.files, source.numbers, strict=True)):
        order.setdefault(place, index)
    return order


def read_source(source: Source) -> tuple[Script, list[ConfigError]]:
    """What can be read of a flattened script, and the mistakes in its syntax, in the order of the text.

    Global parameters are judged by themselves (engine.script.globals.check_globals).
    """
    tokens, errors, warnings = tokenize(source, TOKEN_KINDS)
    builder = Builder(source.stacks)
    driver = _Driver(source, tokens, builder)
    items = driver.run()
    script = Script(source.names[0], items or driver.read_so_far(), builder.warnings, source.names)
    script.warnings += warnings
    if errors and driver.errors and driver.errors[-1].line == tokens[-1].pos.line:
        driver.errors.pop()  # a string that is not closed takes the end of the file with it
    script.whole = not driver.lost and not errors and len(driver.errors) < MAX_ERRORS
    errors = [*errors, *driver.errors, *builder.errors]
    _sort(errors, source)
    return script, errors


def _sort(errors: list[ConfigError], source: Source) -> None:
    """Into the order of the text, each with the files that include its own."""
    if not errors:
        return
    order = _order(source)
    for error in errors:
        error.include_stack = error.include_stack or source.stacks.get(error.file, ())
    errors.sort(key=lambda error: (order.get((error.file, error.line), 0), error.column))


def parse_source(source: Source) -> Script:
    """The nodes of a flattened script. Raises ConfigErrors with every mistake found, in the order of the text."""
    script, errors = read_source(source)
    global_errors, global_warnings = check_globals(script.globals)
    script.warnings += global_warnings
    errors += global_errors
    if not errors and not script.items:
        errors.append(ConfigError("the script is empty", script.file, 1, 1, hint="it needs a route { ... } block"))
    if errors:
        _sort(errors, source)
        raise SyntaxErrors(errors, script if script.whole and script.routes else None)
    return script


def parse_text(text: str, name: str = "<text>", *, preprocessor_cmd: str | None = None) -> Script:
    """Parse a script given as text (one character per byte); relative includes are looked up beside `name`."""
    return parse_source(flatten(text, name, preprocessor_cmd))


def parse_file(path: str, *, preprocessor_cmd: str | None = None) -> Script:
    """Parse a script file (`-`: standard input) and what it includes. Raises ConfigErrors.

    `preprocessor_cmd` is the command of `-p`: it gets the whole text and prints the one to be parsed.
    """
    return parse_source(read_script(path, preprocessor_cmd))
