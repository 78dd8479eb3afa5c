"""dialplan: rules, partitions, reloading, MI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError, ConfigErrors, MiError
from modules.dialplan.rules import Ruleset, build_rule
from tests.helpers import Harness, make_request
from tests.modules.small_parts import script, show

HEAD = ("id(int,auto) dpid(int) pr(int) match_op(int) match_exp(string) match_flags(int) subst_exp(string,null) "
        "repl_exp(string,null) disabled(int) attrs(string,null) timerec(string,null)\n")
RULES = r"""1:1:1:0:Bob:1::robert:0:friend:
2:1:2:1:^00[1-9]:0:^00(.*)$:+\\1:0:intl:
3:1:1:1:^00:0:^00(.)(.*)$:\\2-\\1-$rU:0::
4:2:1:1:^[0-9]+$:0:::0:digits:
5:3:1:1:x:0::$rU:0::
6:4:1:1:(:0::broken:0::
7:4:1:1:a:0:a:\\3:0::
8:4:1:1:a:0:b:c:0::
9:5:1:0:now:0::yes:0::20000101T000000|20000102T000000
10:5:1:0:now:0::always:0::
11:6:1:0:k:0::never:1::
"""


def database(folder: Path, rules: str = RULES, table: str = "dialplan", version: int = 5) -> str:
    (folder / table).write_text(HEAD + rules)
    (folder / "version").write_text(f"table_name(string) table_version(int)\ndialplan:{version}\nother:5\n")
    return f"text://{folder}"


def call(*arguments: str) -> str:
    return f'$var(o) = "-"; $var(a) = "-"; dp_translate({", ".join(arguments)}); ' + show("$rc $var(o) $var(a)")


def test_translations(tmp_path: Path) -> None:
    body = " ".join(call(*one) for one in (
        ("1", '"bOB"', "$var(o)", "$var(a)"), ("1", '"00149"', "$var(o)", "$var(a)"), ("1", '"0x"', "$var(o)"), ("2", '"12"',
        "$var(o)", "$var(a)"),
        ("3", '"x"', "$var(o)"), ("4", '"a"', "$var(o)"), ("5", '"now"', "$var(o)"), ("6", '"k"', "$var(o)"), ("9", '"x"'),
        ("1", '""'),
        ("2", '"12"', "", "$var(a)", '"default"'), ("2", '"12"', "$ci"),
    ))
    with Harness(script("db_text dialplan", body, {"dialplan.db_url": database(tmp_path)})) as server:
        server.send(make_request())
        assert [line.strip() for line in server.xlog()] == [
            "1 robert friend", "1 +149 intl", "-1 - -", "1 - digits", "1 $rU -", "-1 - -", "1 always -", "-1 - -", "-1 - -",
            "-1 - -",
            "1 - digits", "1 - -",
        ]
        assert server.server.status_reports.check("dialplan", "default") == 1
        assert server.server.status_reports.groups["dialplan"]["default"].reports[-1].text == "8 rules loaded (2 discarded)"


def rule(place: int, priority: int, operator: int, match: str, out: str, flags: int = 0) -> Any:
    return build_rule(place, (1, priority, operator, match, flags, None, out, None, None), lambda spec: lambda ctx: None)


@pytest.mark.parametrize(("rules", "winner"), [
    ([(1, 0, "a"), (2, 1, "a")], 0), ([(2, 0, "a"), (1, 1, "a")], 1), ([(1, 1, "a"), (1, 0, "a")], 0), ([(1, 0, "a"), (1, 1,
    "a")], 0),
    ([(1, 1, "b"), (5, 1, "a"), (6, 1, "a")], 1), ([(1, 0, "A"), (2, 0, "a")], 1),
])
def test_which_rule_wins(rules: list[tuple[int, int, str]], winner: int) -> None:
    made = Ruleset()
    for place, (priority, operator, match) in enumerate(rules):
        made.add(rule(place, priority, operator, match, str(place)))
    found = made.find("a", 0.0)
    assert found is not None and found.place == winner
    assert made.find("zzz", 0.0) is None


def test_variables_and_the_request_uri_in_a_replacement(tmp_path: Path) -> None:
    rules = "1:1:1:1:^(.)(.*)$:0:^(.)(.*)$:\\\\2\\\\1 $rm \\\\u:0::\n"
    with Harness(script("db_text dialplan", call("1", '"abc"', "$var(o)"), {"dialplan.db_url": database(tmp_path,
        rules)})) as server:
        server.send(make_request())
        assert server.xlog() == [" 1 bca OPTIONS sip:bob@example.com -"]


def test_partitions_and_mi(tmp_path: Path) -> None:
    url = database(tmp_path)
    database(tmp_path, "1:1:1:0:k:0::other:0::\n", "other")
    params = {"dialplan.db_url": url, "dialplan.partition": ["pstn: table_name = other;", "default: pstn", "more"]}
    with Harness(script("db_text dialplan", call("1", '"k"', "$var(o)") + call("1", '"bob"', "$var(o)", "", '"more"'),
        params)) as server:
        server.send(make_request())
        assert [line.strip() for line in server.xlog()] == ["1 other -", "1 robert -"]
        assert server.mi("dp_translate", ["1", "k"]) == {"Output": "other", "ATTRIBUTES": ""}
        assert server.mi("dp_translate", ["1", "bob", "more"]) == {"Output": "robert", "ATTRIBUTES": "friend"}
        assert server.mi("dp_show_partition", ["pstn"]) == {"Partition": "pstn", "Table": "other", "db_url": url}
        assert [one["name"] for one in server.mi("dp_show_partition")["Partitions"]] == ["pstn", "more"]
        (tmp_path / "other").write_text(HEAD + "1:1:1:0:k:0::changed:0::\n")
        assert server.mi("dbt_reload") == "OK" and server.mi("dp_reload", ["pstn"]) == "OK"
        assert server.mi("dp_translate", ["1", "k"])["Output"] == "changed"
        (tmp_path / "other").write_text("name(str)\n")
        server.mi("dbt_reload")
        with pytest.raises(MiError):
            server.mi("dp_reload")
        assert server.mi("dp_translate", ["1", "k"])["Output"] == "changed"
        for command, given in (
            ("dp_reload", ["x"]), ("dp_translate", ["", "k"]), ("dp_translate", ["x", "k"]), ("dp_translate", ["1", ""]),
            ("dp_translate", ["9", "k"]),
            ("dp_translate", ["1", "zz"]), ("dp_translate", ["1", "k", "none"]), ("dp_show_partition", ["none"]),
        ):
            with pytest.raises(MiError):
                server.mi(command, given)


def test_mistakes_stop_the_start(tmp_path: Path) -> None:
    url = database(tmp_path, version=4)
    for params, body in (
        ({"dialplan.db_url": url}, "exit;"), ({"dialplan.db_url": "text:///none"}, "exit;"), ({"dialplan.partition": "a: x=1"},
        "exit;"),
        ({"dialplan.partition": "a"}, "exit;"), ({}, 'dp_translate(1, "x", , , "none");'), ({"dialplan.db_url": "mysql://x/y"},
        "exit;"),
    ):
        with pytest.raises((ConfigError, ConfigErrors)):
            Harness(script("db_text dialplan", body, params))
