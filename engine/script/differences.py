"""What is there but behaves differently from OpenSIPS, by the name a script writes: docs/differences.md for programs.

What has no effect here says so in its own declaration (modparam effect=, the table of global parameters); the porting report adds
those by itself. Here is the rest: same name, other behaviour.
"""

from __future__ import annotations

from typing import Final

DOCUMENT: Final = "docs/differences.md"

DIFFERENCES: Final[dict[str, dict[str, str]]] = {
    "function": {
        "sleep": "the run waits, the server goes on with other messages: no worker process is held up",
        "usleep": "the run waits, the server goes on with other messages: no worker process is held up",
        "exec": "the run waits for the command, the server goes on with other messages",
        "ds_mark_dst": "\"p\" sends an inactive destination to probing; OpenSIPS 3.6 makes it active",
        "db_is_to_authorized": "it needs a www_authorize() or proxy_authorize() that succeeded; OpenSIPS needs none",
        "db_is_from_authorized": "it needs a www_authorize() or proxy_authorize() that succeeded; OpenSIPS needs none",
        "script_trace": "it costs something only in scripts that call it: the routes are compiled differently",
        "abort": "the server ends with a message in its log; there is no core dump",
        "pkg_status": "memory is managed by Python: the figures are those of the process",
        "shm_status": "memory is managed by Python: the figures are those of the process",
    },
    "variable": {
        "pp": "the same for all messages: the server runs in one process",
        "shv": "one process: the same speed as $var, kept over a reload",
    },
    "transformation": {
        "s.substr": "a length beyond the beginning of the text gives what there is; OpenSIPS 3.6 may crash",
    },
    "route": {
        "timer": "the interval is kept by one timer; a route that waits does not delay the other timer routes",
        "startup": "it runs once, in the one process",
    },
    "operator": {
        "/=": "a division by zero is an error of the statement (-1, logged); OpenSIPS 3.6 ends",
        "%=": "a division by zero is an error of the statement (-1, logged); OpenSIPS 3.6 ends",
    },
}
"""Kind of thing -> name -> what is different, in one sentence."""


def difference(kind: str, name: str) -> str:
    """What is different about a name, or ""."""
    return DIFFERENCES.get(kind, {}).get(name, "")
