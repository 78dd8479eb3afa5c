"""Plays the recorded cases that a test run selected, several at a time, before the first of them is reported."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

from golden_harness.cli import Runner, build_parser  # noqa: E402

JOBS = os.environ.get("GOLDEN_JOBS", "6")
BASE_PORT = os.environ.get("GOLDEN_BASE_PORT", "15000")


def cases() -> list[Path]:
    """All recorded cases."""
    found = sorted(HERE.glob("lang/*.cfg")) + sorted(HERE.glob("lang-bad/*.cfg")) + sorted(HERE.glob("wire/*.py"))
    return found + sorted(HERE.glob("v3.1/wire/*.py"))


def pending() -> dict[str, str]:
    """Cases that are known not to pass yet: "folder/name" -> why (pending.txt)."""
    found = {}
    for line in (HERE / "pending.txt").read_text().splitlines():
        name, _, why = line.partition("#")
        if name.strip():
            found[name.strip()] = why.strip()
    return found


def case_name(path: Path) -> str:
    """"wire/pn_call_wake", "v3.1/wire/reg_path_letters"."""
    return str(path.relative_to(HERE).with_suffix(""))


@pytest.fixture(scope="session")
def recordings(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """case name -> result of the player, for all cases selected in this run."""
    wanted = [
        str(item.callspec.params["case"]) for item in request.session.items
        if hasattr(item, "callspec") and "case" in item.callspec.params and not item.get_closest_marker("skip")
    ]
    os.environ["PYTHONPATH"] = str(ROOT)
    python = sys.executable
    options = build_parser("").parse_args([
        "check", *wanted, "--server", f"{python} -m engine -F -f {{cfg}} -w {{dir}}",
        "--check-cmd", f"{python} -m engine -C -f {{cfg}}", "--mpath", f"{ROOT}/modules/", "--jobs", JOBS, "--base-port", BASE_PORT, "--patience", "1.5",
    ])
    paths = sorted(wanted, key=lambda path: ("/wire/" not in path, path))
    results = {result["case"]: result for result in Runner(options).run(paths)}
    failed = [os.path.abspath(name) for name, result in results.items() if not result["ok"]]
    if failed and len(paths) > 1:
        # The recordings count seconds; beside five others on a busy machine a second may be missed. Alone it counts.
        options.jobs = 1
        results.update({result["case"]: result for result in Runner(options).run(failed)})
    return {case_name(Path(name).resolve()): result for name, result in results.items()}
