"""Plays the recorded cases that a test run selected, several at a time, before the first of them is reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

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
    paths = sorted(wanted, key=lambda path: ("/wire/" not in path, path))
    results = _play(paths, JOBS)
    failed = [name for name, result in results.items() if not result["ok"]]
    if failed and len(paths) > 1:
        # The recordings count seconds; beside others on a busy machine a second may be missed. Alone it counts.
        results.update(_play(failed, "1"))
    return {case_name(Path(name)): result for name, result in results.items()}


def _play(paths: list[str], jobs: str) -> dict[str, dict[str, Any]]:
    """Results of the player, in a process of its own, by path."""
    if not paths:
        return {}
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "results.json")
        done = subprocess.run(
            [
                python, str(HERE / "play"), "check", *paths, "--server", f"{python} -m engine -F -f {{cfg}} -w {{dir}}",
                "--check-cmd", f"{python} -m engine -C -f {{cfg}}", "--mpath", f"{ROOT}/modules/", "--jobs", jobs,
                "--base-port", BASE_PORT, "--patience", "1.5", "--json", str(out),
            ], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, capture_output=True, text=True, check=False)
        if not out.exists():
            raise RuntimeError(f"the player failed: {done.stderr[-2000:]}")
        results = json.loads(out.read_text())["results"]
    return {str(ROOT / result["case"]): result for result in results}
