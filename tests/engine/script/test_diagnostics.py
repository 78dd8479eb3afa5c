"""How errors are shown."""

import json
from pathlib import Path

import pytest

from engine.errors import ConfigError, ConfigErrors
from engine.script.diagnostics import render, to_json
from engine.script.nodes import ConfigWarning, Pos
from engine.script.parser import parse_file, parse_text

SCRIPT = "log_level=2\nroute {\n\tsetflag(NAT);\n\texit;\n}\n"


def errors_of(text: str, name: str = "x.cfg") -> ConfigErrors:
    with pytest.raises(ConfigErrors) as caught:
        parse_text(text, name)
    return caught.value


def test_context_and_caret() -> None:
    assert render(errors_of(SCRIPT), {"x.cfg": SCRIPT}).split("\n") == [
        "CRITICAL:core:yyerror: parse error in x.cfg:3:10-12: bare word <NAT> as an argument of setflag()",
        "log_level=2",
        "route {",
        "\tsetflag(NAT);",
        "\t        ^~~",
        '\t        quote it: "NAT"',
        "\texit;",
        "}",
        "",
        "ERROR:core:parse_opensips_cfg: bad config file (1 error)",
    ]


def test_included_files_are_traced(tmp_path: Path) -> None:
    (tmp_path / "part.inc").write_text("route { hello; }\n")
    main = tmp_path / "main.cfg"
    main.write_text('include_file "part.inc"\n')
    with pytest.raises(ConfigErrors) as caught:
        parse_file(str(main))
    shown = render(caught.value).split("\n")
    assert shown[0] == "Traceback (last included file at the bottom):"
    assert shown[1].endswith("main.cfg (line 1)")
    assert shown[2].endswith("part.inc (line 1)")
    assert "route { hello; }" in shown


def test_error_without_a_place() -> None:
    shown = render([ConfigError("no socket", file="x.cfg", hint="add one"), ConfigError("gone", "nosuch.cfg", 5, 1)])
    assert "error in x.cfg: no socket" in shown
    assert "add one" in shown
    assert "(2 errors)" in shown


def test_json() -> None:
    found = json.loads(to_json(errors_of(SCRIPT)))
    assert found == [{
        "file": "x.cfg", "line": 3, "column": 10, "end_column": 12, "severity": "error", "code": "",
        "message": "bare word <NAT> as an argument of setflag()", "hint": 'quote it: "NAT"', "included_from": [],
    }]


def test_json_with_warnings_in_the_order_of_the_text() -> None:
    errors = errors_of(SCRIPT)
    warnings = [ConfigWarning(Pos("x.cfg", 9, 1, 4), "late"), ConfigWarning(Pos("x.cfg", 1, 2, 3), "early", "info", "unused-module")]
    found = json.loads(to_json(ConfigErrors(errors.errors, warnings[:1]), warnings))
    assert [(one["line"], one["severity"], one["code"]) for one in found] == [
        (1, "info", "unused-module"), (3, "error", ""), (9, "warning", ""),
    ]
