"""Statements that steer: if, while, for, switch, break, and lists of statements, to Python text.

Two things go through all of it. `ctx.rc` is $rc. The local `rc` is the code of the statement as its list sees it: what a
route without return gives back, what a block in a condition is judged by. They differ behind an `if` that took no branch:
$rc is then 1 or 0, the code of the statement 1 (language reference, section 12). `rc` is kept only where somebody reads it.
"""

from __future__ import annotations

from engine.errors import ConfigError
from engine.script import nodes
from engine.script.commands import Commands
from engine.script.conditions import Conditions, is_pure
from engine.script.operators import fold
from engine.script.runtime import BREAK
from engine.script.unit import Unit, error_at
from engine.script.valuecode import Values

NESTED_ELSE = 6
"""From this many `else if` on, whose conditions do something first, the alternatives are written one below the other."""


class Statements:
    """Writes the bodies of a unit's routes."""

    __slots__ = ("unit", "conditions", "values", "commands", "_depth")

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.conditions = Conditions(unit)
        self.values = Values(unit)
        self.conditions.values = self.values
        self.conditions.statements = self.values.statements = self
        self.values.conditions = self.conditions
        self.commands = Commands(unit, self.conditions, self.values)
        self._depth = 0

    def body(self, statements: list[nodes.Stmt], need_rc: bool) -> None:
        """A list of statements; need_rc: the local `rc` must be right behind it."""
        last = len(statements) - 1
        for place, statement in enumerate(statements):
            self.statement(statement, need_rc and place == last)

    def command(self, node: nodes.Cond | nodes.Value) -> None:
        """A command or an assignment inside a condition or a value: `rc` holds its code."""
        if isinstance(node, nodes.Return):
            # Inside a condition a return ends the whole script, as exit does.
            self.commands.returned(node, ends_script=True)
            return
        self._leaf(node, True)

    def statement(self, node: nodes.Stmt, need_rc: bool) -> None:
        """One statement. A mistake in it is noted and does not hide those behind it."""
        writer = self.unit.writer
        depth = writer.depth
        writer.at(node.pos)
        self.unit.last_line = 0
        try:
            if self.unit.traces:
                self._trace(node)
            if isinstance(node, nodes.If):
                self._if(node, need_rc)
            elif isinstance(node, nodes.While):
                self._while(node)
            elif isinstance(node, nodes.For):
                self._for(node)
            elif isinstance(node, nodes.Switch):
                self._switch(node)
            elif isinstance(node, nodes.Break):
                writer.line(f"ctx.rc = rc = {BREAK}")
                writer.line("break")
            else:
                self._leaf(node, need_rc)
            if self.unit.has_error_route and not isinstance(node, nodes.Break | nodes.Return | nodes.Exit | nodes.Drop):
                writer.line("if ctx.error is not None and error_route(ctx):")
                writer.line("    return 0")
        except ConfigError as error:
            self.unit.report(error, node.pos)
            writer.depth = depth

    def _leaf(self, node: nodes.Cond | nodes.Value, need_rc: bool) -> None:
        commands = self.commands
        self.unit.last_line = getattr(node, "end_line", 0)
        if isinstance(node, nodes.Call):
            commands.call(node)
        elif isinstance(node, nodes.Assign):
            commands.assign(node)
        elif isinstance(node, nodes.RouteCall):
            commands.route_call(node, need_rc)
        elif isinstance(node, nodes.Xlog | nodes.Xdbg):
            commands.xlog(node)
        elif isinstance(node, nodes.Return):
            commands.returned(node)
        elif isinstance(node, nodes.Exit):
            self.unit.writer.line("return 0")
        elif isinstance(node, nodes.Drop):
            self.unit.writer.line("ctx.dropped = True")
            self.unit.writer.line("return 0")
        elif isinstance(node, nodes.Log):
            commands.log(node)
        elif isinstance(node, nodes.Assert):
            commands.assertion(node)
        elif isinstance(node, nodes.Async):
            commands.async_call(node)
        elif isinstance(node, nodes.Launch):
            commands.launch(node)
        elif isinstance(node, nodes.ErrorStmt):
            first, second = str(node.first.value), str(node.second.value)
            self.unit.writer.line(f"ctx.rc = rc = error_statement({first!r}, {second!r})")
        else:
            raise error_at(ConfigError(f"{type(node).__name__} cannot stand here"), node.pos)

    def _trace(self, node: nodes.Stmt) -> None:
        """The line of script_trace(), when it is switched on."""
        kind, action = self.commands.trace_words(node)
        self.unit.writer.line("if ctx.slots is not None:")
        self.unit.writer.line(f"    trace(ctx, {kind!r}, {action!r}, {node.pos.file!r}, {node.pos.line})")

    # ---------------------------------------------------------------------------------------------------------------- if
    def _condition(self, node: nodes.Cond) -> str:
        """The expression of a condition; a mistake in it is noted, the bodies are compiled all the same."""
        depth = self.unit.writer.depth
        try:
            return self.conditions.plain(node)
        except ConfigError as error:
            self.unit.report(error, node.pos)
            self.unit.writer.depth = depth
            return "False"

    def _if(self, node: nodes.If, need_rc: bool) -> None:
        chain = 0
        at: nodes.Stmt | None = node
        while isinstance(at, nodes.If):
            chain += not is_pure(at.cond)
            at = at.orelse[0] if at.orelse and len(at.orelse) == 1 else None
        if chain > NESTED_ELSE:
            self._flat_if(node, need_rc)
            return
        writer = self.unit.writer
        word = "if"
        branch: nodes.If = node
        while True:
            with writer.block(f"{word} {self._condition(branch.cond)}:"):
                self._branch(branch.then, 1, need_rc)
            orelse = branch.orelse
            only = orelse[0] if orelse and len(orelse) == 1 else None
            if isinstance(only, nodes.If) and is_pure(only.cond) and not self.unit.traces:
                branch = only
                writer.at(branch.pos)
                word = "elif"
                continue
            break
        if orelse or need_rc or self.unit.reads_rc:
            with writer.block("else:"):
                # What a chain without a true condition leaves is the 1 of its last statement, the inner `if`.
                self._branch(orelse or [], int(branch is not node), need_rc)

    def _branch(self, statements: list[nodes.Stmt], truth: int, need_rc: bool) -> None:
        """The statements of a branch; an empty one leaves the truth of the condition in $rc."""
        writer = self.unit.writer
        if not statements:
            if self.unit.reads_rc:
                writer.line(f"ctx.rc = {truth}")
            if need_rc:
                writer.line("rc = 1")
            return
        if self.unit.has_error_route:  # a call in the condition is a statement, too
            writer.line("if ctx.error is not None and error_route(ctx):")
            writer.line("    return 0")
        inner_if = isinstance(statements[-1], nodes.If)
        keep = need_rc or (inner_if and self.unit.reads_rc)
        self.body(statements, keep)
        if inner_if and self.unit.reads_rc:
            writer.line("ctx.rc = rc")

    def _flat_if(self, node: nodes.If, need_rc: bool) -> None:
        """A long chain of alternatives without nesting."""
        writer = self.unit.writer
        done = writer.temp("done")
        writer.line(f"{done} = False")
        branch: nodes.If = node
        while True:
            with writer.block(f"if not {done}:"):
                with writer.block(f"if {self._condition(branch.cond)}:"):
                    writer.line(f"{done} = True")
                    self._branch(branch.then, 1, need_rc)
            orelse = branch.orelse
            if not orelse or len(orelse) != 1 or not isinstance(orelse[0], nodes.If):
                break
            branch = orelse[0]
            writer.at(branch.pos)
        with writer.block(f"if not {done}:"):
            self._branch(orelse or [], int(branch is not node), need_rc)

    # ------------------------------------------------------------------------------------------------------------- loops
    def _while(self, node: nodes.While) -> None:
        writer = self.unit.writer
        with writer.block("for _ in LOOPS:"):
            condition = self._condition(node.cond)
            if condition != "True":
                writer.line(f"if not ({condition}):")
                writer.line("    rc = 1")
                writer.line("    break")
            if node.body:
                self.body(node.body, need_rc=True)
            else:
                # A loop without a body looks at its condition once.
                writer.line("rc = 1")
                writer.line("break")
        writer.at(node.pos)
        with writer.block("else:"):
            writer.line(f"loop_limit({node.pos.file!r}, {node.pos.line})")
            if self.unit.settings.max_while_loops < 1:
                writer.line("rc = 1")
        writer.line("ctx.rc = rc")

    def _for(self, node: nodes.For) -> None:
        unit, writer = self.unit, self.unit.writer
        target = unit.bind(node.iterator.spec, node.iterator.pos)
        if target.set is None:
            raise error_at(ConfigError(f"variable {node.iterator.raw} is read-only"), node.iterator.pos)
        source = unit.bind(node.over.spec, node.over.pos)
        if source.at is None:
            unit.warn(node.over.pos, f"for is skipped: {node.over.raw} is no list, write [*] behind the name")
            self._checked_only(node.body)
            writer.line(f"ctx.rc = rc = no_list({node.pos.file!r}, {node.pos.line})")
            return
        writer.line("ctx.rc = rc = 1")
        if not node.body:
            return
        at = unit.names.name("at", source.at, node.over.raw)
        variable = unit.names.name("var", target, node.iterator.raw)
        index, item = writer.temp("i"), writer.temp("item")
        writer.line(f"{index} = 0")
        with writer.block("while True:"):
            with writer.block("try:"):
                writer.line(f"{item} = {at}(ctx, {index})")
            with writer.block("except Exception as e:"):
                writer.line("fault(ctx, e)")
                writer.line("ctx.rc = rc = -5")
                writer.line("break")
            writer.line(f"if {item} is None:")
            writer.line("    break")
            writer.line(f"if not write_iterator({variable}, ctx, {item}):")
            writer.line("    ctx.rc = rc = -5")
            writer.line("    break")
            writer.line(f"{index} += 1")
            self.body(node.body, need_rc=True)
        writer.at(node.pos)
        writer.line("ctx.rc = rc")

    def _checked_only(self, body: list[nodes.Stmt]) -> None:
        """Statements that never run are judged all the same."""
        with self.unit.writer.block("while False:"):
            self.body(body, need_rc=False)

    # ------------------------------------------------------------------------------------------------------------ switch
    def _switch(self, node: nodes.Switch) -> None:
        unit, writer = self.unit, self.unit.writer
        subject = writer.temp("s")
        code = unit.read(node.subject.spec, node.subject.pos)
        with writer.block("try:"):
            writer.line(f"{subject} = {code}")
        with writer.block("except Exception as e:"):
            writer.line("fault(ctx, e)")
            writer.line(f"{subject} = None")
        writer.line("ctx.rc = rc = 1")
        if all(_ends(case.body) for case in node.cases[:-1]) and _is_plain(node):
            self._plain_switch(node, subject)
        else:
            self._falling_switch(node, subject)
        writer.at(node.pos)
        writer.line("ctx.rc = rc")

    def _label(self, subject: str, case: nodes.Case) -> str:
        value = case.label.value
        if isinstance(value, str):
            if value.isascii() and value == value.swapcase():
                return f"({subject} == {value!r} if {subject}.__class__ is str else same_text({subject}, {value!r}))"
            return f"({subject} == {value!r} or same_text({subject}, {fold(value)!r}))"
        return f"({subject} == {value} if {subject}.__class__ is int else case_number({subject}, {value}))"

    def _plain_switch(self, node: nodes.Switch, subject: str) -> None:
        """No case falls through into another one: if, elif, else."""
        writer = self.unit.writer
        word = "if"
        for case in node.cases:
            writer.at(case.pos)
            with writer.block(f"{word} {self._label(subject, case)}:"):
                self._case(case.body)
            word = "elif"
        if node.default:
            with writer.block("else:"):
                self._case(node.default)

    def _case(self, body: list[nodes.Stmt]) -> None:
        """The body of a case whose `break` is its last statement."""
        writer = self.unit.writer
        if body and isinstance(body[-1], nodes.Break):
            self.body(body[:-1], need_rc=False)
            writer.at(body[-1].pos)
            if self.unit.traces:
                self._trace(body[-1])
            writer.line(f"rc = {BREAK}")
        elif body:
            self.body(body, need_rc=True)

    def _falling_switch(self, node: nodes.Switch, subject: str) -> None:
        """The general form: a loop of one round, which `break` leaves; cases run on once one has matched."""
        writer = self.unit.writer
        matched = writer.temp("m")
        with writer.block("while True:"):
            writer.line(f"{matched} = False")
            for case in node.cases:
                writer.at(case.pos)
                with writer.block(f"if {matched} or {self._label(subject, case)}:"):
                    writer.line(f"{matched} = True")
                    self.body(case.body, need_rc=True)
            if node.default:
                self.body(node.default, need_rc=True)
            writer.line("break")


def _ends(body: list[nodes.Stmt]) -> bool:
    """The list never runs on into what follows it."""
    return bool(body) and isinstance(body[-1], nodes.Break | nodes.Return | nodes.Exit | nodes.Drop)


def _is_plain(node: nodes.Switch) -> bool:
    """Every break that belongs to this switch is the last statement of its case, and the last case does not fall into default."""
    if node.default and not _ends(node.cases[-1].body):
        return False
    bodies = [case.body for case in node.cases] + [node.default or []]
    return not any(_breaks(body[:-1] if body and isinstance(body[-1], nodes.Break) else body) for body in bodies)


def _breaks(body: list[nodes.Stmt]) -> bool:
    """A break in these statements leaves what is around them."""
    for statement in body:
        if isinstance(statement, nodes.Break):
            return True
        if isinstance(statement, nodes.If) and (_breaks(statement.then) or _breaks(statement.orelse or [])):
            return True
    return False
