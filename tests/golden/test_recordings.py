"""Every recorded case of the reference, held against this server.

A case listed in pending.txt is not played; everything else must come out as recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.golden.conftest import case_name, cases, pending

PENDING = pending()


def _params() -> list[Any]:
    return [
        pytest.param(
            path, id=case_name(path),
            marks=pytest.mark.skip(reason=PENDING[case_name(path)] or "pending") if case_name(path) in PENDING else (),
        )
        for path in cases()
    ]


@pytest.mark.parametrize("case", _params())
def test_recording(case: Path, recordings: dict[str, dict[str, Any]]) -> None:
    """The transcript equals the recorded one."""
    result = recordings[case_name(case)]
    assert result["ok"], f"{result['reason']}\n{result['diff']}"


def test_pending_cases_exist() -> None:
    """pending.txt names real cases only."""
    assert not set(PENDING) - {case_name(path) for path in cases()}
