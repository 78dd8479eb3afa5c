"""Sentences for syntax errors: what is wrong with a token, and what to write instead.

The parser knows which token does not fit and which would; from that and from its neighbours this guesses what the author meant.
"""

from __future__ import annotations

from typing import Any, Final

from engine.errors import ScriptSyntaxError
from engine.script import nodes as n
from engine.script.tokens import KEYWORDS, NUMBER_WORDS, ROUTE_WORDS, Token
from engine.similar import closest

Said = tuple[str, str]
"""Message and hint."""

_NAMES: Final = {
    "SEMICOLON": "';'", "COMMA": "','", "LPAR": "'('", "RPAR": "')'", "LBRACE": "'{'", "RBRACE": "'}'", "LSQB": "'['",
    "RSQB": "']'", "COLON": "':'", "EQUAL": "'='", "STRING": "a string", "NUMBER": "a number", "VAR": "a variable",
    "ID": "a name", "IPV4ADDR": "an address", "IPNET": "a net", "NULL": "NULL", "IN": "'in'", "CASE": "'case'",
    "ELSE": "'else'", "DOT": "'.'", "PERCENT": "'%'", "SLASH": "'/'", "WHILE": "a statement",
}
_COMPARISONS: Final = frozenset({"EQOP", "RELOP", "MATCHOP"})
_ARITHMETIC: Final = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "PERCENT", "BITOP"})
_LOGIC: Final = frozenset({"AND", "OR", "NOT"})
_ADDRESSES: Final = frozenset({"IPV4ADDR", "IPV6ADDR", "IPNET"})
_TERNARY: Final = ("unexpected '?'", "there is no ?: operator; use if / else")
_MINUS_HINT: Final = "write 0 - $var(x)"
_FOREIGN: Final = {
    "continue": "there is no continue; turn the condition around, or use break",
    "elseif": "write else if", "elif": "write else if", "elsif": "write else if",
    "foreach": "write for ($var(x) in $(avp(y)[*]))", "do": "write while (...) { ... }", "goto": "use route(name)",
    "include_file": "include_file must stand on a line of its own", "import_file": "import_file must stand on a line of its own",
    "define": "there are no macros in the language; use a preprocessor (option -p, e.g. m4)",
    "request_route": "write route { ... }", "reply_route": "write onreply_route { ... }",
    "else": "there is no if before it",
}
_PARENTHESES: Final = {
    "IF": "if (condition) ...", "WHILE": "while (condition) ...", "FOR": "for ($var(i) in $(avp(list)[*])) ...",
    "SWITCH": "switch ($var) { case ...: }", "ASSERT": 'assert(condition, "text")', "XLOG": 'xlog("L_INFO", "text\\n")',
    "XDBG": 'xdbg("text\\n")', "LOG": 'log(1, "text")', "ASYNC": "async(function(...), resume_route)",
    "LAUNCH": "launch(function(...), report_route)", "ERROR": 'error("a", "b")', "MODPARAM": 'modparam("module", "name", value)',
}


def explain(tokens: list[Token], at: int, expected: frozenset[str], values: list[Any]) -> ScriptSyntaxError:
    """The error for `tokens[at]`; `expected` are the types that would fit, `values` is the parser's stack."""
    token = tokens[at]
    before = tokens[at - 1] if at else Token("", "", "", token.pos, 0)
    if at + 1 == len(tokens):
        tokens = [*tokens, token]
    after = tokens[at + 1]
    message, hint = (
        (_top_level(token, before, after, values) if token.type != "QUESTION" else _TERNARY)
        or _parameter(tokens, at, values)
        or _statement(tokens, at, expected)
        or _capitals(token, values)
        or _condition(tokens, at, expected, values)
        or _argument(token, after, expected, values)
        or _semicolon(token, before, expected, values)
        or _general(token, before, expected)
    )
    pos = token.pos
    return ScriptSyntaxError(message, pos.file, pos.line, pos.column, pos.end_column, hint)


def _shown(token: Token) -> str:
    """A token as an error quotes it."""
    if token.type == "$END":
        return "the end of the file"
    text = token.text if len(token.text) <= 40 else token.text[:37] + "..."
    return text if token.type in ("STRING",) else repr(text)


def _top_level(token: Token, before: Token, after: Token, values: list[Any]) -> Said | None:
    """Outside of every block and of every definition."""
    if any(isinstance(value, Token) for value in values):
        return None
    if token.type == "RBRACE":
        return "a '}' that closes nothing", "remove it, or look for a block that was closed too early"
    if token.text in _FOREIGN:
        return f"unexpected '{token.text}'", _FOREIGN[token.text]
    if after.type == "EQOP" and token.type in ("ID", "RESERVED"):
        return f"a global parameter is set with one '=', not '{after.text}'", f"write {token.text} = value"
    if token.type in ("ID", "VAR", "RESERVED") or token.type in _PARENTHESES or token.text in KEYWORDS:
        if after.type in ("LPAR", "EQUAL", "SEMICOLON", "COLONEQUAL") or token.type == "VAR":
            return f"a statement outside of a route: {_shown(token)}", "statements stand in route { ... } and its kin"
        near = closest(token.text, [*ROUTE_WORDS, "loadmodule", "modparam"], 0.75)
        hint = f"did you mean {near}?" if near else "expected name = value or a route"
        return f"unexpected {_shown(token)} outside of a route", hint
    if token.type == "SEMICOLON":
        return "a ';' outside of a route", "parameters, loadmodule and modparam end without one"
    if token.type == "LBRACE":
        return "a block without a route", "write route[name] { ... }"
    if before.type == "RBRACE" or token.type != "DOT":
        return f"unexpected {_shown(token)} outside of a route", "expected name = value, loadmodule, modparam or a route"
    return None


def _parameter(tokens: list[Token], at: int, values: list[Any]) -> Said | None:
    """Inside the value of a global parameter, or the head of a route."""
    token = tokens[at]
    name = next((v for v in reversed(values) if isinstance(v, Token) and v.type.startswith("G_")), None)
    before = tokens[at - 1] if at else token
    if name is not None and not any(isinstance(v, Token) and v.type == "LBRACE" for v in values[values.index(name):]):
        if token.type == "EQOP":
            return f"a global parameter is set with one '=', not '{token.text}'", f"write {name.text} = value"
        after = tokens[at + 1]
        if name.type in ("G_SOCKET", "G_ALIAS", "G_ADDRESS") and (
            before.type == "DOT" or after.type == "DOT" or (after.type == "MINUS" and token.text in NUMBER_WORDS)
        ):
            return f"invalid host name at {_shown(token)}", "use quotes if the name holds words of the language"
        if name.type == "G_SOCKET":
            return _socket(token, before, name)
        if before is name or before.type == "EQUAL":
            return f"a value for {name.text} is expected before {_shown(token)}", ""
        return f"unexpected {_shown(token)} in the value of {name.text}", ""
    if before.text in ROUTE_WORDS and token.type != "LPAR":
        if any(isinstance(v, Token) and v.type == "LBRACE" for v in values) and token.type in ("LSQB", "LBRACE"):
            return f"{before.text} inside a route", "a '}' is missing before it"
        return _route_head(token, before)
    if before.type == "NUMBER" and any(isinstance(v, Token) and v.type == "TIMER_ROUTE" for v in values[-4:]):
        return f"unexpected {_shown(token)} in the head of a timer_route", "write timer_route[name, seconds] { ... }"
    if values and isinstance(values[-1], n.Const) and len(values) > 2 and isinstance(values[-2], Token):
        head = values[-3] if isinstance(values[-3], Token) else None
        if head is not None and head.type == "TIMER_ROUTE":
            return "timer_route needs a name and an interval", "write timer_route[name, seconds] { ... }"
    if before.type == "RSQB" and token.type != "LBRACE" and len(values) > 3 and any(
        isinstance(v, Token) and v.text in ROUTE_WORDS for v in values[-4:]
    ):
        return "a route needs a body", "write route[name] { ... }"
    return None


def _socket(token: Token, before: Token, name: Token) -> Said:
    if before.type == "EQUAL" and token.type in (*_ADDRESSES, "STRING", "STAR", "LSQB"):
        return f"protocol expected before {_shown(token)}", f"write {name.text} = udp:{token.text}"
    if before.type == "COLON" and token.type in ("ID", "RESERVED"):
        return f"invalid port {_shown(token)}", "ports are numbers: 5060, or 5060-5070,5080"
    if before.type == "ID" and token.type != "COLON":
        return f"protocol expected before {before.text!r}", f"write {name.text} = udp:{before.text}"
    return f"invalid socket at {_shown(token)}", "write proto:address[:port] [as host[:port]] [tag name] ..."


def _route_head(token: Token, word: Token) -> Said | None:
    if word.text in ("error_route", "local_route", "startup_route") and token.type == "LSQB":
        return f"{word.text} has no name", f"write {word.text} {{ ... }}"
    if word.text in ("failure_route", "branch_route", "event_route") and token.type == "LBRACE":
        return f"{word.text} needs a name", f"write {word.text}[name] {{ ... }}"
    if word.text == "timer_route":
        return "timer_route needs a name and an interval", "write timer_route[name, seconds] { ... }"
    return f"invalid {word.text} statement at {_shown(token)}", f"write {word.text}[name] {{ ... }}"


def _capitals(token: Token, values: list[Any]) -> Said | None:
    """A keyword in capitals looks like a call."""
    call = _open_call(values)
    word = call or (values[-1].name if values and isinstance(values[-1], n.Call) else None)
    name = word.text if isinstance(word, Token) else word or ""
    if name.lower() == name or name.lower() not in KEYWORDS:
        return None
    return f"unexpected {_shown(token)} behind {name}(...", f"keywords are in lower case: {name.lower()}"


def _statement(tokens: list[Token], at: int, expected: frozenset[str]) -> Said | None:
    """Where a statement might begin, or right after a word that could have begun one."""
    token, before = tokens[at], tokens[at - 1] if at else tokens[at]
    after = tokens[at + 1]
    if before.type == "ID" and expected == {"LPAR"}:
        name = before.text
        if name in _FOREIGN:
            return f"unexpected '{name}'", _FOREIGN[name]
        if token.type == "LBRACE" or name.lower() in KEYWORDS or name.lower() in _FOREIGN:
            near = name.lower() if name.lower() in KEYWORDS else closest(name, KEYWORDS, 0.75)
            return f"bare word <{name}> found", f"did you mean {near}? Keywords are in lower case" if near else "calls need ()"
        return f"bare word <{name}> found, command calls need '()'", f"write {name}() for a call, \"{name}\" for a text"
    if "WHILE" not in expected or "SEMICOLON" not in expected:
        return None
    if token.type == "RBRACE" and before.type == "LBRACE":
        return "the body of a route is empty", "put at least one statement into it, e.g. exit;"
    if token.type in _ROUTE_TYPES and after.type in ("LSQB", "LBRACE"):
        return f"{token.text} inside a route", "a '}' is missing before it"
    if token.type == "$END":
        return "the file ends inside a route", "a '}' is missing"
    if token.type == "LBRACE":
        return "a block cannot be a statement of its own", "write if (1) { ... }, or put its statements here"
    if token.type == "ELSE":
        return "else without if", "only one statement or one { block } may stand between if (...) and else"
    if token.type in ("CASE", "DEFAULT"):
        if token.type == "CASE" and any(t.type == "DEFAULT" for t in tokens[max(at - 60, 0):at]):
            return "case after default", "default must be the last label of a switch"
        return f"{token.text} outside of a switch", ""
    if token.type in ("NUMBER", "STRING", "NULL") or token.type in _ADDRESSES:
        if after.type in ("EQUAL", "COLONEQUAL", "OPASSIGN"):
            return f"a constant on the left of an assignment: {_shown(token)}", "only variables can be set"
        return f"a constant is not a statement: {_shown(token)}", ""
    if token.type == "RESERVED":
        return f"the global parameter {token.text} inside a route", "parameters are set outside of routes"
    return None


def _condition(tokens: list[Token], at: int, expected: frozenset[str], values: list[Any]) -> Said | None:
    """Operators and operands that do not go together."""
    token = tokens[at]
    type_ = token.type
    before = tokens[at - 1] if at else token
    top = values[-1] if values else None
    if type_ in _COMPARISONS:
        return _comparison(token, before, top)
    if before.type in _COMPARISONS and "VAR" in expected:
        return _right_side(token, before)
    if type_ in ("PLUS", "MINUS") and type_ in (before.type, tokens[at + 1].type):
        return f"there is no {token.text}{token.text} operator", f"write $var(i) {token.text}= 1"
    if type_ == "VAR" and before.type in ("MINUS", "PLUS") and expected <= {"NUMBER"}:
        return f"a sign in front of a variable: {before.text}{token.text}", _MINUS_HINT
    if type_ in _ARITHMETIC and isinstance(top, n.Var | n.Call | n.Const | Token):
        if "AND" in expected or "EQOP" in expected and "SEMICOLON" not in expected and "EQUAL" in expected:
            return (
                f"arithmetic in a condition: {token.text!r} cannot stand here",
                "assign the result to a variable first, or use [ ... ] for its truth",
            )
        if "COMMA" in expected:
            return f"an expression as an argument: {token.text!r} cannot stand here", "assign it to a variable and pass that"
    if type_ == "RPAR" and before.type == "LPAR" and "LSQB" in expected:
        return "the condition is empty", "write a condition between the parentheses"
    if type_ == "STRING" and "LSQB" in expected and "VAR" in expected:
        return f"a string alone is not a condition: {_shown(token)}", 'compare it: $var(x) == "text"'
    if type_ == "STRING" and before.type == "CASE":
        return None
    if type_ in ("ID", "RESERVED") and "LSQB" in expected and "VAR" in expected:
        return f"unexpected {_shown(token)} in a condition", f'quote it if it is a text: "{token.text}"'
    if before.type == "CASE":
        return f"a case label is a string or a number, not {_shown(token)}", "use if / else if for variables"
    if type_ == "RBRACE" and expected == {"CASE"} or type_ == "DEFAULT" and expected == {"CASE"}:
        return "a switch needs a case before its default and its end", "default comes last, after at least one case"
    if type_ == "CASE" and expected == {"RBRACE"}:
        return "case after default", "default must be the last label of a switch"
    if any(isinstance(v, Token) and v.type == "FOR" for v in values[-3:]) and "IN" in expected:
        return "unexpected " + _shown(token) + " in a for", "the only form is for ($var(i) in $(avp(list)[*]))"
    if any(isinstance(v, Token) and v.type in ("FOR", "SWITCH") for v in values[-2:]) and expected == {"VAR"}:
        word = "switch" if values[-2].type == "SWITCH" else "for"
        return f"{word} expects a variable, not {_shown(token)}", _PARENTHESES[word.upper()]
    return None


def _comparison(token: Token, before: Token, top: Any) -> Said:
    op = token.text
    if before.type in ("NUMBER", "STRING", "NULL") or before.type in _ADDRESSES:
        if isinstance(top, n.Compare):
            return f"a comparison of a comparison: a {top.op} b {op} c", "write a == b && b == c"
        return f"a constant on the left of {op}", f"turn it around: $var(x) {_turned(op)} {before.text}"
    if before.type == "RPAR":
        return f"the result of a call cannot be compared with {op}", "assign it first: $var(rc) = f(...); or use $rc afterwards"
    if isinstance(top, n.Compare | n.Arith):
        return f"an expression on the left of {op}", "only a variable may stand there: assign to one first"
    return f"{op} cannot stand here", "the left side of a comparison is a variable"


def _turned(op: str) -> str:
    return {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(op, op)


def _right_side(token: Token, operator: Token) -> Said | None:
    op = operator.text
    if token.type == "NULL":
        return f"NULL with {op}", "NULL can be compared with == and != only"
    if token.type in _ADDRESSES:
        return f"an address with {op}", "addresses and nets can be compared with == and != only"
    if token.type == "NUMBER":
        return f"{op} with a number", f'write a string: {op} "{token.text}"'
    if token.type in ("ID", "RESERVED"):
        return f"unexpected {_shown(token)} behind {op}", f'quote it if it is a text: "{token.text}"; calls cannot be compared'
    return None


def _argument(token: Token, after: Token, expected: frozenset[str], values: list[Any]) -> Said | None:
    """Inside the parentheses of a call."""
    call = _open_call(values)
    if call is not None and call.type == "ASYNC" and token.type == "RPAR":
        return "async() without a resume route", "write async(function(...), resume_route)"
    if call is None or "VAR" not in expected and "STRING" not in expected and "RPAR" not in expected:
        return None
    name = call.text
    if token.type == "NULL":
        return f"NULL as an argument of {name}()", "leave the argument out instead"
    if token.type in ("ID", "RESERVED") or token.text in KEYWORDS:
        if after.type == "LPAR":
            return f"a call as an argument of {name}()", "assign its result to a variable and pass that"
        if "STRING" in expected:
            return f"bare word <{token.text}> as an argument of {name}()", f'quote it: "{token.text}"'
    if token.type == "VAR" and "STRING" in expected:
        return f"{name}() expects a string, not the variable {token.text}", f'put it into one: "{token.text}"'
    if token.type == "SEMICOLON" or token.type in ("RBRACE", "LBRACE"):
        return f"')' is missing before {_shown(token)}", ""
    if token.type in _ARITHMETIC or token.type in _COMPARISONS:
        return f"an expression as an argument of {name}()", "assign it to a variable and pass that"
    if token.type in ("STRING", "VAR", "NUMBER") and "COMMA" in expected:
        return f"',' is missing before {_shown(token)}", ""
    if name in _PARENTHESES or name.upper() in _PARENTHESES:
        return f"bad arguments for {name}()", f"write {_PARENTHESES[name.upper()]}"
    return f"bad arguments for command <{name}>: unexpected {_shown(token)}", ""


def _open_call(values: list[Any]) -> Token | None:
    """The word before the innermost open parenthesis, when it is one."""
    closed = 0
    for index in range(len(values) - 1, 0, -1):
        value = values[index]
        if isinstance(value, Token):
            if value.type == "LBRACE":
                return None
            closed += value.type == "RPAR"
            if value.type == "LPAR" and closed:
                closed -= 1
            elif value.type == "LPAR":
                word = values[index - 1]
                known = isinstance(word, Token) and (word.type in ("ID", "ROUTE") or word.type in _PARENTHESES)
                return word if known and word.type not in ("IF", "WHILE", "FOR", "SWITCH") else None
    return None


def _semicolon(token: Token, before: Token, expected: frozenset[str], values: list[Any]) -> Said | None:
    """A statement that goes on where it should have ended."""
    if before.type == "VAR" and "EQUAL" in expected and token.type in ("SEMICOLON", "RBRACE"):
        return f"the variable {before.text} alone is not a statement", f"assign something to it: {before.text} = 1;"
    if "SEMICOLON" not in expected:
        return None
    top = values[-1] if values else None
    if isinstance(top, n.Assign) and token.type in _LOGIC:
        return f"{token.text} in an assignment", "a value is not a condition: use if (...) $var(x) = 1; else $var(x) = 0;"
    if token.type in ("EQUAL", "COLONEQUAL", "OPASSIGN") and before.type == "VAR":
        return "an assignment is not a value: a = b = c", "write one assignment per statement"
    return f"';' is missing before {_shown(token)}", f"end the statement before it with ';' (line {before.pos.line})"


def _general(token: Token, before: Token, expected: frozenset[str]) -> Said:
    """When nothing better is known."""
    word = _PARENTHESES.get(before.type)
    if word and token.type != "LPAR" and expected == {"LPAR"}:
        return f"'(' expected behind {before.text}, not {_shown(token)}", f"write {word}"
    if before.type == "VAR" and "EQUAL" in expected and "WHILE" not in expected and "AND" not in expected:
        return f"unexpected {_shown(token)} behind {before.text}", "an assignment is expected: = := += -= *= /= %= &= |= ^="
    if token.type == "LSQB" and before.type == "VAR":
        return f"an index behind {before.text}", f"write $({before.text[1:]}[index])"
    if token.type == "RESERVED":
        return f"the reserved word {_shown(token)} cannot stand here", f'quote it: "{token.text}"'
    if "RPAR" in expected and token.type in ("LBRACE", "SEMICOLON", "RBRACE") or expected == {"RPAR"}:
        return f"')' is missing before {_shown(token)}", ""
    names = sorted({_NAMES[name] for name in expected if name in _NAMES})
    missing = f"expected {' or '.join(names)}" if 0 < len(names) <= 5 else ""
    if token.text in _FOREIGN and token.type == "ID":
        missing = _FOREIGN[token.text]
    return f"syntax error at {_shown(token)}", missing


_ROUTE_TYPES: Final = frozenset(ROUTE_WORDS.values())
