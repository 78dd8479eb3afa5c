"""The command line: OpenSIPS' options, all of them, and a few of our own (management reference, section 6)."""

from __future__ import annotations

import getopt
from dataclasses import dataclass, field
from typing import Final

from engine.script.definitions import SocketSpec
from engine.script.nodes import Pos
from engine.script.settings import Settings
from engine.transport.address import DEFAULT_PORTS, split_host_port

USAGE: Final = """\
Usage: opensips-like [options]
       opensips-like demo          a sleeping phone is woken for a call, message by message
       opensips-like db create URL  a database with the standard tables, e.g. sqlite:///path/registrations.sqlite
       opensips-like port FILE     what a script needs that is not here, and what must be written differently

Script
  -f FILE        the routing script (default: ./opensips_like.cfg; "-": standard input)
  -c, -C         check the script and exit (C also where functions may stand); status 0 or 255
  --json         with -C: the errors as JSON
  --show-python  print the Python the routes are compiled to, and exit
  --compat V     behave as release V where releases differ (3.1 ... 3.6)
  -p CMD         send the script through CMD (standard input to standard output) first
  -o NAME=VALUE  a value for $argv(NAME)
Running
  -F             stay in the foreground
  -D             debug: foreground, most detailed log
  -d             more log; repeat for still more
  -E             log to standard error
  -w DIR         working directory
  -P FILE        write the process id there
  -G FILE        write the process group id there
  -u USER        run as this user, -g GROUP as this group
  -t DIR         chroot
Network
  -l ADDRESS     listen also on [proto:]host[:port]
  -A ADDRESS     advertised address
  -b BYTES       receive buffer of UDP sockets
  -v             check that the first Via of replies is ours
  -r, -R         DNS for received=: accepted, addresses are compared as they are
Accepted without effect (one process, memory managed by Python)
  -n N -N N -m MB -M MB -a ALLOC -k ALLOC -s ALLOC -e ALLOC -W METHOD
Information
  -V, -h         version, this text
"""

_SHORT: Final = "f:cCm:M:b:l:n:N:rRvdDFEVhw:t:u:g:p:P:G:W:o:a:k:s:e:A:"
_LONG: Final = ["json", "show-python", "compat=", "help", "version"]
_NUMBERS: Final = {"-n": "UDP workers number", "-N": "TCP workers number", "-b": "max buffer size number",
                   "-m": "shared memory size", "-M": "private memory size"}
_NO_EFFECT: Final = {
    "-n": "this server runs in one process", "-N": "this server runs in one process", "-m": "memory is managed by Python",
    "-M": "memory is managed by Python", "-a": "memory is managed by Python", "-k": "memory is managed by Python",
    "-s": "memory is managed by Python", "-e": "memory is managed by Python", "-W": "the event loop chooses its method",
    "-r": "addresses are compared as they are", "-R": "addresses are compared as they are",
}
COMMAND_LINE: Final = "<command line>"


class UsageError(Exception):
    """The command line cannot be understood."""


@dataclass(slots=True)
class Options:
    """What the command line says."""

    cfg: str = "opensips_like.cfg"
    check: str = ""
    """"c" or "C": check only."""
    json: bool = False
    show_python: bool = False
    compat: str = "3.6"
    preprocessor: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    """-o NAME=VALUE."""
    foreground: bool = False
    debug: bool = False
    verbosity: int = 0
    stderror: bool = False
    workdir: str = ""
    chroot: str = ""
    pid_file: str = ""
    pgid_file: str = ""
    user: str = ""
    group: str = ""
    listen: list[SocketSpec] = field(default_factory=list)
    advertised: str = ""
    max_buffer: int = 0
    check_via: bool = False
    version: bool = False
    help: bool = False
    no_effect: list[str] = field(default_factory=list)
    """Sentences for the log."""

    def apply(self, settings: Settings) -> None:
        """Put what was given over the script's global parameters."""
        if self.debug:
            settings.debug_mode = True
            settings.log_level = 4
            settings.stderror_enabled, settings.syslog_enabled = True, False
        settings.log_level = min(4, settings.log_level + self.verbosity)
        if self.stderror:
            settings.stderror_enabled = True
        if not (self.foreground or self.debug or settings.debug_mode) and "syslog_enabled" not in settings.explicit:
            settings.syslog_enabled = True
        settings.sockets += self.listen
        if self.advertised:
            settings.advertised_address = self.advertised
        if self.max_buffer:
            settings.maxbuffer = self.max_buffer
        settings.check_via = settings.check_via or self.check_via


def _number(option: str, text: str) -> int:
    if not text.isdigit():
        raise UsageError(f"bad {_NUMBERS[option]}: {option} {text}")
    return int(text)


def _listen(text: str) -> SocketSpec:
    """[proto:]host[:port]; udp without a protocol."""
    proto, colon, rest = text.partition(":")
    if not colon or proto.lower() not in DEFAULT_PORTS:
        proto, rest = "udp", text
    try:
        host, port = split_host_port(rest)
    except ValueError:
        raise UsageError(f"bad -l address specifier: {text}") from None
    if not host:
        raise UsageError(f"bad -l address specifier: {text}")
    return SocketSpec(Pos(COMMAND_LINE, 0, 0), proto.lower(), host, [(port, port)] if port else [])


def parse(argv: list[str]) -> Options:
    """The options of a command line without the program's name. UsageError says what is wrong."""
    try:
        given, rest = getopt.getopt(argv, _SHORT, _LONG)
    except getopt.GetoptError as error:
        name = f"-{error.opt}" if len(error.opt) == 1 else f"--{error.opt}"
        if "requires argument" in error.msg:
            raise UsageError(f"Option `{name}` requires an argument.") from None
        raise UsageError(f"Unknown option `{name}`.") from None
    if rest:
        raise UsageError(f"Unknown argument `{rest[0]}`.")
    options = Options()
    for option, value in given:
        _take(options, option, value)
    return options


def _take(options: Options, option: str, value: str) -> None:
    if option in _NO_EFFECT:
        if option in _NUMBERS:
            _number(option, value)
        options.no_effect.append(f"{option} has no effect here: {_NO_EFFECT[option]}")
        return
    match option:
        case "-f":
            options.cfg = value
        case "-c" | "-C":
            options.check = max(options.check, option[1], key=lambda letter: ("", "c", "C").index(letter))
        case "--json":
            options.json = True
        case "--show-python":
            options.show_python = True
        case "--compat":
            if value not in ("3.1", "3.2", "3.3", "3.4", "3.5", "3.6"):
                raise UsageError(f"unknown release {value}, known are 3.1 to 3.6")
            options.compat = value
        case "-p":
            options.preprocessor = value
        case "-o":
            name, equals, text = value.partition("=")
            if not name:
                raise UsageError(f"cannot add option {value}")
            options.values[name] = text if equals else ""
        case "-F":
            options.foreground = True
        case "-D":
            options.debug = True
        case "-d":
            options.verbosity += 1
        case "-E":
            options.stderror = True
        case "-w":
            options.workdir = value
        case "-t":
            options.chroot = value
        case "-P":
            options.pid_file = value
        case "-G":
            options.pgid_file = value
        case "-u":
            options.user = value
        case "-g":
            options.group = value
        case "-l":
            options.listen.append(_listen(value))
        case "-A":
            options.advertised = value
        case "-b":
            options.max_buffer = _number(option, value)
        case "-v":
            options.check_via = True
        case "-V" | "--version":
            options.version = True
        case "-h" | "--help":
            options.help = True
