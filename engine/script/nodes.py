"""The node classes of a parsed routing script, nothing else.

The parser makes them, the checker and the compiler read them. Every node knows where it stands (`pos`). Nodes that may be used
as a condition or a value as well as a statement (calls, assignments, `route(...)`, `exit` ...) exist once: the same class stands
in a statement list, in a condition and on the right side of an assignment.

    statement   Call RouteCall Assign If While For Switch Break Return Exit Drop Xlog Xdbg Log Assert Async Launch ErrorStmt
    condition   And Or Not Compare Bracket BlockCond Var, Const with a number, Assign, and the commands (Call ... ErrorStmt)
    value       Const Var Compare Arith BitNot, and the commands; Null only as the whole right side of `=`, `:=` and comparisons

Empty statements (`;`) leave no node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from engine.script.varspec import VarSpec


class Pos(NamedTuple):
    """A place in a script: file as it was opened, line and columns from 1; `end_column` is the last column of the token."""

    file: str
    line: int
    column: int
    end_column: int = 0


# ---------------------------------------------------------------------------------------------------------------- operands
@dataclass(slots=True)
class Const:
    """A literal: a number, a string (escapes already replaced), or a bare route name."""

    pos: Pos
    value: int | str
    quote: str = ""
    """`"` or `'` for strings (the first of several joined ones), empty for numbers and bare names."""

    @property
    def is_string(self) -> bool:
        """True for a quoted string."""
        return self.quote != ""


@dataclass(slots=True)
class Null:
    """The word NULL."""

    pos: Pos


@dataclass(slots=True)
class IpNet:
    """An address or a net, `10.0.0.0/8` or `10.0.0.0/255.0.0.0`, as the right side of `==` and `!=`."""

    pos: Pos
    text: str
    """As `ipaddress.ip_network(text, strict=False)` takes it: no brackets around IPv6, a mask or a length behind `/`."""


@dataclass(slots=True)
class Var:
    """A variable: the text of the token and its parsed form."""

    pos: Pos
    raw: str
    spec: VarSpec


# ------------------------------------------------------------------------------------------------------------- expressions
@dataclass(slots=True)
class And:
    pos: Pos
    left: Cond
    right: Cond


@dataclass(slots=True)
class Or:
    pos: Pos
    left: Cond
    right: Cond


@dataclass(slots=True)
class Not:
    pos: Pos
    operand: Cond


@dataclass(slots=True)
class Compare:
    """`left op right`; op is one of == != < > <= >= =~ !~. The left side is always a variable."""

    pos: Pos
    op: str
    left: Var
    right: Var | Const | Null | IpNet


@dataclass(slots=True)
class Bracket:
    """`[ value ]` as a condition."""

    pos: Pos
    value: Value


@dataclass(slots=True)
class BlockCond:
    """`{ statements }` as a condition: its truth is the code of the last statement."""

    pos: Pos
    body: list[Stmt]


@dataclass(slots=True)
class Arith:
    """`left op right`; op is one of + - * / % & | ^ << >>."""

    pos: Pos
    op: str
    left: Value
    right: Value


@dataclass(slots=True)
class BitNot:
    """`~ operand`."""

    pos: Pos
    operand: Value


# -------------------------------------------------------------------------------------------------------------- statements
@dataclass(slots=True)
class Assign:
    """`target op value`; op is one of = := += -= *= /= %= &= |= ^=. Null stands only behind = and :=."""

    pos: Pos
    target: Var
    op: str
    value: Value | Null


@dataclass(slots=True)
class Call:
    """A function of the core or of a module. An argument left empty is None; `f()` has no arguments, `f(,)` two empty ones."""

    pos: Pos
    name: str
    args: list[Const | Var | None]
    end_line: int = 0
    """Where the closing parenthesis stands; 0 when not known."""


@dataclass(slots=True)
class RouteCall:
    """`route(target, args)`. A quoted target with `$` in it is a format; a bare one is a name, numbers are their decimal text."""

    pos: Pos
    target: Const | Var
    args: list[Const | Var | Null]


@dataclass(slots=True)
class If:
    pos: Pos
    cond: Cond
    then: list[Stmt]
    orelse: list[Stmt] | None


@dataclass(slots=True)
class While:
    pos: Pos
    cond: Cond
    body: list[Stmt]


@dataclass(slots=True)
class For:
    """`for (iterator in over) body`."""

    pos: Pos
    iterator: Var
    over: Var
    body: list[Stmt]


@dataclass(slots=True)
class Case:
    pos: Pos
    label: Const
    body: list[Stmt]


@dataclass(slots=True)
class Switch:
    pos: Pos
    subject: Var
    cases: list[Case]
    default: list[Stmt] | None


@dataclass(slots=True)
class Break:
    pos: Pos


@dataclass(slots=True)
class Return:
    """`return`, `return n`, `return (code, value, ...)`; the code is None in `return (, value)`, the list empty in `return;`."""

    pos: Pos
    values: list[Const | Var | Null | None]


@dataclass(slots=True)
class Exit:
    pos: Pos


@dataclass(slots=True)
class Drop:
    pos: Pos


@dataclass(slots=True)
class Xlog:
    """`xlog([level,] text)`; both are strings, adjacent ones already joined; the level may be a format."""

    pos: Pos
    level: Const | None
    text: Const
    end_line: int = 0


@dataclass(slots=True)
class Xdbg:
    pos: Pos
    text: Const
    end_line: int = 0


@dataclass(slots=True)
class Log:
    """`log([level,] text)`: the text as it is."""

    pos: Pos
    level: Const | None
    text: Const


@dataclass(slots=True)
class Assert:
    pos: Pos
    cond: Cond
    text: Const | None


@dataclass(slots=True)
class Async:
    """`async(call, route[, timeout])`; timeout in seconds."""

    pos: Pos
    call: Call
    route: Const
    timeout: Const | None


@dataclass(slots=True)
class Launch:
    """`launch(call[, route[, param]])`; param is a format."""

    pos: Pos
    call: Call
    route: Const | None
    param: Const | None


@dataclass(slots=True)
class ErrorStmt:
    """`error("a", "b")`: logs that it does nothing."""

    pos: Pos
    first: Const
    second: Const


Command: TypeAlias = (
    Call | RouteCall | Return | Exit | Drop | Xlog | Xdbg | Log | Assert | Async | Launch | ErrorStmt
)
Stmt: TypeAlias = Command | Assign | If | While | For | Switch | Break
Value: TypeAlias = Const | Var | Compare | Arith | BitNot | Command
Cond: TypeAlias = And | Or | Not | Compare | Bracket | BlockCond | Const | Var | Assign | Command


# --------------------------------------------------------------------------------------------------------------- top level
@dataclass(slots=True)
class LoadModule:
    """`loadmodule "x.so"`."""

    pos: Pos
    path: str


@dataclass(slots=True)
class ModParam:
    """`modparam("modules", "name", value)`; `modules` is an anchored regular expression, case ignored."""

    pos: Pos
    modules: str
    name: str
    value: int | str


@dataclass(slots=True)
class GlobalParam:
    """`name = value` between routes.

    What `value` holds depends on the name (`engine.script.globals`): int, str, a bare word as `Word`, or a list of definitions.
    """

    pos: Pos
    name: str
    value: object
    value_pos: Pos


@dataclass(slots=True)
class Route:
    """One routing block."""

    pos: Pos
    kind: str
    """request, branch, failure, onreply, local, error, startup, timer or event."""
    name: str
    """Empty for the nameless one; `route[0]` is nameless as well."""
    body: list[Stmt]
    interval: int = 0
    """Seconds, of a timer route."""
    end: Pos | None = None
    """Where the closing brace stands."""


@dataclass(slots=True)
class Script:
    """A whole script: everything between routes, in the order of the file."""

    file: str
    items: list[GlobalParam | LoadModule | ModParam | Route]
    warnings: list[ConfigWarning] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """Every file read, the script itself first."""
    whole: bool = True
    """Nothing but single statements is missing: mistakes in the syntax did not cost a definition."""

    @property
    def globals(self) -> list[GlobalParam]:
        """The settings, in order."""
        return [item for item in self.items if isinstance(item, GlobalParam)]

    @property
    def modules(self) -> list[LoadModule | ModParam]:
        """loadmodule and modparam lines, in order."""
        return [item for item in self.items if isinstance(item, LoadModule | ModParam)]

    @property
    def routes(self) -> list[Route]:
        """The routing blocks, in order."""
        return [item for item in self.items if isinstance(item, Route)]


@dataclass(slots=True)
class ConfigWarning:
    """Something accepted that the author may want to change."""

    pos: Pos
    message: str
    level: str = "warning"
    """`warning`, or `info` for what has another meaning here (memory sizes, numbers of workers)."""
    code: str = ""
    """Short name of the rule (`engine.script.lint.RULES`), where there is one."""
