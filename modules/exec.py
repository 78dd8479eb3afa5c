"""exec: run an external command from the script.

    exec("push-sender", "$param(2)", $var(out), $var(err), $avp(env));
    async(exec("cmd", , $avp(lines)), resume);      launch(exec("cmd", , , , $avp(env)));

Manual: OpenSIPS 3.6, module exec. The plain call waits until the command has closed its outputs (other messages are served
meanwhile) and does not wait at all when no output is asked for. A command line without shell syntax is started directly;
anything else goes through /bin/sh -c, as it does in OpenSIPS.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import Awaitable

from engine.errors import SipParseError
from engine.module import (
    EVENT, FAILURE, LOCAL, ONREPLY, REQUEST, STARTUP, TIMER, ConfigError, Context, Module, Value, Var, async_function,
    function, modparam, print_of,
)
from engine.sip.uri import parse_uri

ROUTES = REQUEST | FAILURE | LOCAL | STARTUP | TIMER | EVENT | ONREPLY
SHELL_SYNTAX = re.compile(r"[|&;<>()$`\\\"'*?\[\]#~=%{}!\n]|^\s*(?:exit|cd|export|set|exec|ulimit|umask|trap|\.)\b")


def argv_of(command: str) -> list[str]:
    """The arguments to start: the words themselves, or the shell when the line needs one."""
    return ["/bin/sh", "-c", command] if SHELL_SYNTAX.search(command) else shlex.split(command)


class Exec(Module):
    """The module."""

    setvars = modparam(int, 0, min=0, max=1, help="1: hand parts of the message to commands as SIP_* environment variables")
    time_to_kill = modparam(int, 0, min=0, help="seconds a command may run before it gets SIGTERM; 0: any time")

    def mod_init(self) -> None:
        self._running: set[asyncio.subprocess.Process] = set()

    # ---- script functions ----

    @function(ROUTES)
    def exec(
        self, ctx: Context, command: str, stdin: str | None = None, stdout: Var | None = None, stderr: Var | None = None,
        envavp: Var | None = None,
    ) -> int:
        """Run command; stdin text goes in, what it prints goes into stdout and stderr as one text each.

        envavp: AVP whose values become OSIPS_EXEC_0 (newest value) and so on. 1; -1 when it could not be started or
        envavp has no value. The command's own exit status does not matter.
        """
        environment = self._environment(ctx, envavp)
        if environment is None:
            return -1
        if stdout is None and stderr is None:
            self.server.spawn(self._run(command, stdin, environment, False, False), f"exec {command.split(' ')[0]}")
            return 1
        result = ctx.wait(self._run(command, stdin, environment, stdout is not None, stderr is not None))
        if result is None:
            return -1
        for variable, text in zip((stdout, stderr), result, strict=True):
            if variable is not None and variable.set is not None and text:
                variable.set(ctx, text)
        return 1

    @async_function(ROUTES, name="exec")
    def exec_async(
        self, ctx: Context, command: str, stdin: str | None = None, stdout: Var | None = None, stderr: Var | None = None,
        envavp: Var | None = None,
    ) -> int | Awaitable[int]:
        """The same for async() and launch(): each line of the output is one value of stdout, without its line end.

        stderr is not collected (it goes to the server's own), as in OpenSIPS.
        """
        environment = self._environment(ctx, envavp)
        if environment is None:
            return -1
        if stdout is None:
            self.server.spawn(self._run(command, stdin, environment, False, False), f"exec {command.split(' ')[0]}")
            return 1
        return self._collect(ctx, command, stdin, stdout, environment)

    async def _collect(
        self, ctx: Context, command: str, stdin: str | None, stdout: Var, environment: dict[str, str],
    ) -> int:
        result = await self._run(command, stdin, environment, True, False)
        if result is None:
            return -1
        if stdout.set is not None:
            for line in result[0].splitlines():
                stdout.set(ctx, line)
        return 1

    # ---- processes ----

    async def _run(
        self, command: str, stdin: str | None, environment: dict[str, str], want_stdout: bool, want_stderr: bool,
    ) -> tuple[str, str] | None:
        """Run to the end of the outputs; (stdout, stderr), or None when it could not be started."""
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            argv = argv_of(command)
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=pipe if stdin else nothing, stdout=pipe if want_stdout else None,
                stderr=pipe if want_stderr else None, env=environment,
            )
        except (OSError, ValueError, IndexError) as error:
            self.log.error("cannot start %s: %s", command.split(" ")[0], error)
            return None
        self._running.add(process)
        try:
            limit = self.time_to_kill or None
            try:
                out, err = await asyncio.wait_for(process.communicate(stdin.encode("latin-1") if stdin else None), limit)
            except TimeoutError:
                self.log.warning("%s ran longer than %d s, killed", command.split(" ")[0], self.time_to_kill)
                process.terminate()
                out, err = await process.communicate()
        finally:
            self._running.discard(process)
        return (out or b"").decode("latin-1"), (err or b"").decode("latin-1")

    async def destroy(self) -> None:
        """Commands still running when the server stops are told to end."""
        for process in list(self._running):
            if process.returncode is None:
                process.terminate()

    # ---- environment ----

    def _environment(self, ctx: Context, envavp: Var | None) -> dict[str, str] | None:
        """The command's environment, or None when envavp is given and empty."""
        environment = dict(os.environ)
        if self.setvars:
            environment.update(self._message_variables(ctx))
        if envavp is not None:
            if envavp.name != "avp":
                raise ConfigError("exec(): the environment must be an AVP")
            values: list[Value] = ctx.avps.get(str(envavp.inner), [])
            if not values:
                return None
            for i, value in enumerate(reversed(values)):
                environment[f"OSIPS_EXEC_{i}"] = print_of(value)
        return environment

    @staticmethod
    def _message_variables(ctx: Context) -> dict[str, str]:
        """SIP_HF_<name> for each header (comma-joined), SIP_SRCIP, SIP_RURI, SIP_USER, SIP_ORURI, SIP_OUSER, SIP_TID, SIP_DID."""
        msg = ctx.msg
        found: dict[str, str] = {}
        for i in range(len(msg.names)):
            name = "SIP_HF_" + re.sub(r"[^A-Z0-9]", "_", msg.names[i].upper())
            value = msg.value(i)
            found[name] = f"{found[name]},{value}" if name in found else value
        found["SIP_SRCIP"] = ctx.src_ip
        for name, uri in (("", ctx.ruri), ("O", getattr(msg, "request_uri", None))):
            if uri:
                found[f"SIP_{name}RURI"] = uri
                try:
                    found[f"SIP_{name}USER"] = parse_uri(uri).user or ""
                except SipParseError:
                    pass
        branch = msg.via.branch
        if branch:
            found["SIP_TID"] = branch.removeprefix("z9hG4bK")
        found["SIP_DID"] = msg.to_tag or ""
        return found


exports = Exec
