"""opensips-like port: what is missing, what changed, what differs; on text that is no script of today as well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.script.catalogue import Catalogue, build_catalogue
from engine.script.coverage import Coverage, analyse
from engine.script.differences import DIFFERENCES
from engine.script.parser import read_source
from engine.script.preprocessor import flatten
from engine.script.unit import KINDS
from engine.server import cli, port

ROOT = Path(__file__).parents[3]
HEAD = 'socket=udp:127.0.0.1:5060\nloadmodule "proto_udp.so"\nloadmodule "sipmsgops.so"\n'


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return build_catalogue()


def cover(catalogue: Catalogue, text: str) -> Coverage:
    """The coverage of a text."""
    tree, errors = read_source(flatten(text, "x.cfg"))
    return analyse(tree, catalogue, errors)


def said(coverage: Coverage) -> list[tuple[str, str, str, list[int]]]:
    """(kind, name, verdict, lines) of each finding."""
    return [(one.kind, one.name, one.verdict, [pos.line for pos in one.places]) for one in coverage.findings]


def test_everything_is_here(catalogue: Catalogue) -> None:
    coverage = cover(catalogue, HEAD + 'route { if (is_method("INVITE")) xlog("$ru $(ru{uri.user})"); }')
    assert coverage.complete
    assert coverage.read
    assert coverage.modules == ["proto_udp", "sipmsgops"]
    assert coverage.functions == {"is_method"}
    assert coverage.variables == {"ru"}
    assert coverage.transformations == {"uri.user"}


@pytest.mark.parametrize(("text", "finding"), [
    ('loadmodule "no_such.so"\nroute { exit; }', ("module", "no_such", "missing", [4])),
    ('loadmodule "siptrace.so"\nroute { exit; }', ("module", "siptrace", "change", [4])),
    ('loadmodule "event_route.so"\nroute { exit; }', ("module", "event_route", "old", [4])),
    ('route {\nno_such();\nno_such(1);\n}', ("function", "no_such", "missing", [5, 6])),
    ('route { t_newtran(); }', ("function", "t_newtran", "change", [4])),
    ('route { avp_db_query("select 1"); }', ("function", "avp_db_query", "change", [4])),
    ('route { rewritehost("a.example"); }', ("function", "rewritehost", "old", [4])),
    ('route { strip("1"); }', ("argument", "strip", "change", [4])),
    ('route { sethost(1); }', ("argument", "sethost", "change", [4])),
    ('route { strip(1, 2); }', ("argument", "strip", "change", [4])),
    ('route { $var(x) = $no_such; }', ("variable", "no_such", "missing", [4])),
    ('route { xlog("$no_such"); }', ("variable", "no_such", "missing", [4])),
    ('route { sethost("$T_branch_idx"); }', ("variable", "T_branch_idx", "change", [4])),
    ('route { xlog("$Ri"); }', ("variable", "Ri", "old", [4])),
    ('route { xlog("$(ru{no.such})"); }', ("transformation", "no.such", "missing", [4])),
    ('modparam("proto_udp", "no_such", 1)\nroute { exit; }', ("parameter", "proto_udp.no_such", "missing", [4])),
    ('modparam("proto_udp", "udp_port", "x")\nroute { exit; }', ("parameter", "proto_udp.udp_port", "change", [4])),
    ('modparam("tm", "fr_timeout", 5)\nroute { exit; }', ("parameter", "tm.fr_timeout", "change", [4])),
    ('loadmodule "tm.so"\nmodparam("tm", "fr_timer", 5)\nroute { exit; }', ("parameter", "tm.fr_timer", "change", [5])),
    ('children=4\nroute { exit; }', ("global", "children", "change", [4])),
    ('no_such=4\nroute { exit; }', ("global", "no_such", "missing", [4])),
    ('log_stderror=yes\nroute { exit; }', ("global", "log_stderror", "old", [4])),
    ('udp_workers=4\nroute { exit; }', ("global", "udp_workers", "differs", [4])),
    ('route { if (method == "INVITE") exit; }', ("syntax", "method", "change", [4])),
    ('event_route[E_NO_SUCH] { exit; }\nroute { exit; }', ("event", "E_NO_SUCH", "missing", [4])),
])
def test_finding(catalogue: Catalogue, text: str, finding: tuple[str, str, str, list[int]]) -> None:
    coverage = cover(catalogue, HEAD + text)
    assert finding in said(coverage)
    assert coverage.complete == (finding[2] in ("old", "differs"))


def test_what_belongs_to_a_missing_module_stands_below_it(catalogue: Catalogue) -> None:
    text = port.render(cover(catalogue, HEAD + 'loadmodule "no_such.so"\nloadmodule "siptrace.so"\nroute {\n sip_trace("x"); }'))
    lines = text.splitlines()
    assert "    module no_such is not here  (line 4)" in lines
    assert "    sip_trace() does not exist any more  (line 7)" in lines
    assert lines[-1] == "1 thing is missing and 2 things have to be written differently."


def test_reading_goes_on_behind_what_is_no_script(catalogue: Catalogue) -> None:
    coverage = cover(catalogue, HEAD + 'route {\n setflag(NAT);\n no_such();\n}\nroute[2] { if (uri==myself) also_missing(); }')
    assert not coverage.read
    names = {one.name for one in coverage.findings if one.kind == "function"}
    assert names == {"no_such", "also_missing"}
    assert [one.name for one in coverage.of("argument")] == []     # the mended call is not judged


def test_own_scripts_are_covered(catalogue: Catalogue) -> None:
    for path in [*(ROOT / "scripts").glob("*.cfg"), ROOT / "opensips_like.cfg"]:
        coverage = port.examine(str(path), catalogue)
        assert coverage.complete, [one.message for one in coverage.findings if one.blocks]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.cfg", tmp_path / "bad.cfg"
    good.write_text(HEAD + "route { exit; }")
    bad.write_text(HEAD + 'route { no_such("$ru"); }')
    assert cli.main(["port", str(good)]) == 0
    assert "Everything is there." in capsys.readouterr().out
    assert cli.main(["port", "--json", str(good), str(bad)]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert (first["complete"], second["complete"]) == (True, False)
    finding, = second["findings"]
    assert (finding["kind"], finding["name"], finding["places"][0]["line"]) == ("function", "no_such", 4)
    assert cli.main(["port", str(tmp_path / "absent.cfg")]) == 1
    assert "absent.cfg" in capsys.readouterr().out
    assert cli.main(["port"]) == 2
    assert cli.main(["port", "--no-such-option"]) == 2


def test_corpus_report_holds_numbers_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(3):
        text = 'loadmodule "acc.so"\nroute { private_function_of_mine(); do_accounting("log"); }'
        (folder / f"{number}.cfg").write_text(HEAD + text)
    out = tmp_path / "coverage.md"
    assert cli.main(["port", "--corpus", str(folder), "--output", str(out)]) == 0
    text = out.read_text()
    assert "| all | 3 | 3 |" in text
    assert "private_function_of_mine" not in text
    assert str(tmp_path) not in text
    assert cli.main(["port", "--corpus", str(tmp_path / "absent")]) == 0
    assert "no folder" in capsys.readouterr().out


def test_differences_are_about_what_is_there(catalogue: Catalogue) -> None:
    assert [name for name in DIFFERENCES["function"] if name not in catalogue.functions] == []
    assert [name for name in DIFFERENCES["variable"] if name not in catalogue.variables] == []
    assert all(catalogue.has_core_transformation(*name.split(".", 1)) for name in DIFFERENCES["transformation"])
    assert set(DIFFERENCES["route"]) <= set(KINDS)


def test_modules_in_the_folders_of_the_script_count(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "greeting.py").write_text(
        '"""greeting: says hello."""\nfrom engine.module import ALL_ROUTES, Context, Module, function\n\n\n'
        "class Greeting(Module):\n    @function(ALL_ROUTES)\n    def greet(self, ctx: Context, name: str) -> int:\n"
        '        """Say hello."""\n        return 1\n\n\nexports = Greeting\n')
    (tmp_path / "damaged.py").write_text("import nothing_of_that_name\n")
    script = tmp_path / "x.cfg"
    script.write_text(f'{HEAD}mpath="{tmp_path}/"\nloadmodule "greeting.so"\nroute {{ greet("you"); }}\n')
    before = len(catalogue.functions)
    assert port.examine(str(script), catalogue).complete
    assert len(catalogue.functions) == before and "greeting" not in catalogue.modules
    script.write_text(f'{HEAD}mpath="{tmp_path}/"\nloadmodule "damaged.so"\nroute {{ exit; }}\n')
    assert "nothing_of_that_name" in port.render(port.examine(str(script), catalogue))


def test_numbers_for_flags_are_an_old_spelling(catalogue: Catalogue) -> None:
    coverage = cover(catalogue, HEAD + 'loadmodule "tm.so"\nroute { t_relay(0x02); }')
    assert coverage.complete
    assert ("argument", "t_relay", "old", [5]) in said(coverage)
