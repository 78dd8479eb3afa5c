"""Flattening: includes, origins of lines, external preprocessors."""

import sys
from pathlib import Path

import pytest

from engine.errors import ConfigErrors
from engine.script.parser import parse_file, parse_text
from engine.script.preprocessor import flatten, read_script


def test_included_lines_keep_their_origin(tmp_path: Path) -> None:
    (tmp_path / "part.inc").write_text("# one\nlog_level=3\n")
    main = tmp_path / "main.cfg"
    main.write_text('# first\n  include_file "part.inc" rest is dropped\nlog_level=2')
    source = read_script(str(main))
    places = [(Path(file).name, number) for file, number in zip(source.files, source.numbers, strict=True)]
    assert places == [("main.cfg", 1), ("part.inc", 1), ("part.inc", 2), ("main.cfg", 3)]
    assert source.text == "# first\n# one\nlog_level=3\nlog_level=2\n"
    assert [Path(name).name for name in source.names] == ["main.cfg", "part.inc"]


def test_include_between_statements_of_a_route(tmp_path: Path) -> None:
    (tmp_path / "body.inc").write_text('xlog("a");\nexit;\n')
    main = tmp_path / "main.cfg"
    main.write_text("route {\nimport_file 'body.inc'\n}\n")
    body = parse_file(str(main)).routes[0].body
    assert [(Path(node.pos.file).name, node.pos.line) for node in body] == [("body.inc", 1), ("body.inc", 2)]


def test_error_inside_an_include_tells_the_way_there(tmp_path: Path) -> None:
    (tmp_path / "part.inc").write_text("route[a] {\n\thello;\n}\n")
    main = tmp_path / "main.cfg"
    main.write_text('\ninclude_file "part.inc"\n')
    with pytest.raises(ConfigErrors) as caught:
        parse_file(str(main))
    error = caught.value.errors[0]
    assert (Path(error.file).name, error.line) == ("part.inc", 2)
    assert error.include_stack == ((str(main), 2),)


def test_missing_include_names_the_line(tmp_path: Path) -> None:
    main = tmp_path / "main.cfg"
    main.write_text('log_level=2\ninclude_file "nosuch.inc"\n')
    with pytest.raises(ConfigErrors) as caught:
        parse_file(str(main))
    error = caught.value.errors[0]
    assert (error.line, "nosuch.inc" in error.message) == (2, True)


def test_cycle_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.inc").write_text('include_file "b.inc"\n')
    (tmp_path / "b.inc").write_text('include_file "a.inc"\n')
    main = tmp_path / "main.cfg"
    main.write_text('include_file "a.inc"\n')
    with pytest.raises(ConfigErrors, match="includes itself"):
        parse_file(str(main))


def test_depth_is_limited(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number}.inc").write_text(f'include_file "{number + 1}.inc"\n')
    (tmp_path / "60.inc").write_text("log_level=1\n")
    with pytest.raises(ConfigErrors, match="more than 50 levels"):
        parse_text('include_file "0.inc"\n', str(tmp_path / "main.cfg"))


def test_missing_script() -> None:
    with pytest.raises(ConfigErrors, match="cannot read the configuration file"):
        parse_file("/nosuch/script.cfg")


def test_include_after_other_text_is_a_syntax_error(tmp_path: Path) -> None:
    (tmp_path / "part.inc").write_text("log_level=3\n")
    with pytest.raises(ConfigErrors, match="line of its own"):
        parse_text('log_level=1 include_file "part.inc"\n', str(tmp_path / "main.cfg"))


def test_preprocessor_may_change_the_number_of_lines(tmp_path: Path) -> None:
    command = tmp_path / "pp.py"
    command.write_text(
        "import sys\n"
        "for line in sys.stdin:\n"
        "    sys.stdout.write(line.replace('LEVEL', '4'))\n"
        "    if line.startswith('TWICE'): print('xlog_level=1')\n"
    )
    source = flatten("#a\nlog_level=LEVEL\n", "x.cfg", f"{sys.executable} {command}")
    assert source.text.split("\n")[:2] == ["#a", "log_level=4"]
    assert source.numbers[:2] == [1, 2]


def test_preprocessor_that_fails() -> None:
    with pytest.raises(ConfigErrors, match="ended with status 3"):
        flatten("x", "x.cfg", f"{sys.executable} -c 'raise SystemExit(3)'")
    with pytest.raises(ConfigErrors, match="cannot run"):
        flatten("x", "x.cfg", "/nosuch/program")
