"""The manual: everything declared is printed, and the example of how to write a module runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import manual
from engine.errors import ConfigErrors
from engine.script.catalogue import Catalogue, build_catalogue
from tests.helpers import Harness, make_request

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    found = build_catalogue(core=(*manual.FUNCTION_CLASSES, *manual.VARIABLE_CLASSES, *manual.MI_CLASSES))
    assert found.broken == {}
    return found


def test_every_declaration_is_on_the_page(catalogue: Catalogue) -> None:
    for offer in catalogue.modules.values():
        text, exports = manual.page(offer), offer.exports
        names = [
            *exports.params, *(one.name for one in exports.functions),
            *(f"${name}" for one in exports.pvars for name in one.names),
            *(f"{{{one.name}" for one in exports.transformations), *(one.name for one in exports.mi_commands),
            *(one.name for one in exports.events.values()), *(f":{one.name}" for one in exports.stats.values()),
        ]
        assert [name for name in names if name not in text] == [], offer.name


def test_core_page(catalogue: Catalogue) -> None:
    text = manual.core_page(catalogue.core)
    for part in ("### `forward(", "`$ru`", "`{s.len}`", "`{re.subst,", "`which`", "`$(avp(name)[i])`"):
        assert part in text


def test_functions_say_how_they_are_called(catalogue: Catalogue) -> None:
    text = manual.page(catalogue.modules["registrar"])
    assert "### `lookup(domain[, flags[, aor]])`" in text
    assert "### `async(pn_process_purr(domain), route)`" in text
    assert "`failure_route`" in text
    assert "| `pn_refresh_timeout` | number (at least 1) | `6` |" in text
    assert "Needs [signaling](signaling.md), [usrloc](usrloc.md) to be loaded as well." in text


def test_docstrings_are_text_not_markup() -> None:
    assert manual.markdown("a <uri> and *this* of t_relay() `<kept>`") == r"a \<uri\> and \*this\* of t_relay() `<kept>`"
    assert manual.markdown("text\n\n    if (x) <y>") == "text\n\n    if (x) <y>"


def test_writing_and_checking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "modules.md").write_text(f"before\n{manual.INDEX_BEGIN}\nold\n{manual.INDEX_END}\nafter\n")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "gone.md").write_text("a module that is no more")
    assert manual.main(["--check", str(tmp_path)]) == 1
    assert manual.main([str(tmp_path)]) == 0
    assert manual.main(["--check", str(tmp_path)]) == 0
    assert not (tmp_path / "modules" / "gone.md").exists()
    text = (tmp_path / "modules.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| [registrar](modules/registrar.md) |" in text
    assert "old\n" not in text


def test_the_example_of_a_module_runs(tmp_path: Path) -> None:
    """The code block of docs/modules.md, loaded through mpath."""
    text = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example is not None
    (tmp_path / "greylist.py").write_text(example[1])
    script = f"""
socket=udp:127.0.0.1:5060
log_level=3
mpath="{tmp_path}"
loadmodule "proto_udp.so"
loadmodule "sl.so"
loadmodule "greylist.so"
modparam("greylist", "expire", 30)
event_route[E_GREYLIST_ADDED] {{ xlog("XL|event $param(key) $param(period)"); }}
route {{
    if (greylist_check("$si")) {{
        xlog("XL|listed $greylist($si) $(si{{greylist.mask}})");
        sl_send_reply(503, "Try Later");
        exit;
    }}
    $var(first) = greylist_add("$si", "2m");
    $var(second) = greylist_add("$si");
    xlog("XL|added $var(first) $var(second)");
    sl_send_reply(200, "OK");
}}
"""
    with Harness(script) as server:
        first, = server.send(make_request())
        second, = server.send(make_request(call_id="call-2"))
        assert [one.first_line for one in (first, second)] == ["SIP/2.0 200 OK", "SIP/2.0 503 Try Later"]
        lines = server.xlog()
        assert lines[0] == "added 1 2"
        assert {"event 127.0.0.1 120", "event 127.0.0.1 30"} < set(lines)
        assert re.fullmatch(r"listed (29|30) 127\.0\.0\.0", lines[-1])
        assert server.mi("greylist_list") == ["127.0.0.1"]
        hits = server.server.stats.get("hits")
        assert hits is not None
        assert hits.count == 1


def test_the_example_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example is not None
    (tmp_path / "greylist.py").write_text(example[1])
    script = (
        f'socket=udp:127.0.0.1:5060\nmpath="{tmp_path}"\nloadmodule "proto_udp.so"\nloadmodule "greylist.so"\n'
        'route { async(greylist_wait("$si"), later); }\nroute[later] { exit; }\n'
    )
    with pytest.raises(ConfigErrors) as caught:
        Harness(script)
    assert "needs tm" in str(caught.value)
