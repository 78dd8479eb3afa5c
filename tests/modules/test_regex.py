"""regex: the file of groups, matching, reloading."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigErrors, MiError
from modules.regex import read_groups
from tests.helpers import Harness, make_request
from tests.modules.small_parts import printed, script, show


def test_groups_of_a_file() -> None:
    text = "# who\n[0]\n^ali\n ignored\n\n^carol$\n[7]\n[1]\n([0-9]{9})"
    assert read_groups(text, 20, 8192) == ["((^ali)|(^carol$))", "^$", "((([0-9]{9})))"]


@pytest.mark.parametrize(("text", "groups", "size", "said"), [
    ("^a\n", 5, 100, "first group"), ("[0]\n[1]\n", 1, 100, "max_groups"), ("[0]\n" + "x" * 600, 5, 8192, "longer"),
    ("[0]\nabcdefgh\nabcdefgh\n", 5, 20, "group_max_size"),
])
def test_bad_files(text: str, groups: int, size: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_groups(text, groups, size)


def test_match_and_groups(tmp_path: Path) -> None:
    file = tmp_path / "groups"
    file.write_text("[0]\n^ALI\n[1]\n^bo\n")
    body = " ".join([
        'pcre_match("Word 12", "\\w+ \\d+$$");', show("$rc"), 'pcre_match("x", "(");', show("$rc"),
        'pcre_match_group("alice");', show("$rc"),
        '$var(g) = 1; pcre_match_group("alice", $var(g));', show("$rc"), 'pcre_match_group("bob", 9);', show("$rc"),
    ])
    with Harness(script("regex", body, {"regex.file": str(file), "regex.pcre_caseless": 1})) as server:
        server.send(make_request())
        assert [line.strip() for line in server.xlog()] == ["1", "-4", "1", "-1", "-4"]
        assert server.mi("regex_match", {"string": "AB", "pcre_regex": "^ab$"}) == "Match"
        assert server.mi("regex_match_group", ["zed", "0"]) == "Not Match"
        file.write_text("[0]\n^z\n")
        assert server.mi("regex_reload") == "OK"
        assert server.mi("regex_match_group", ["zed", "0"]) == "Match"
        file.write_text("[0]\n(\n")
        with pytest.raises(MiError, match="Internal error"):
            server.mi("regex_reload")
        assert server.mi("regex_match_group", ["zed", "0"]) == "Match"
        for params, said in ((["a", "5"], "invalid pcre index"), (["a", "-1"], "invalid pcre index")):
            with pytest.raises(MiError, match=said):
                server.mi("regex_match_group", params)
        with pytest.raises(MiError, match="compilation"):
            server.mi("regex_match", ["a", "("])


def test_without_a_file() -> None:
    assert printed("regex", 'pcre_match_group("x"); ' + show("$rc")) == ["-2"]


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="cannot load the groups"):
        Harness(script("regex", "exit;", {"regex.file": str(tmp_path / "none")}))
