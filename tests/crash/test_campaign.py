"""Three kills: a small campaign, as fast as the server answers. The big ones are run by hand (tests/crash/campaign.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.campaign import campaign


@pytest.mark.parametrize("mode", ["write-through", "write-back"])
def test_nothing_that_was_answered_is_lost(tmp_path: Path, mode: str) -> None:
    findings = campaign(tmp_path, "sqlite", mode, rate=0, kills=3 if mode == "write-through" else 1, least=150, most=400)
    assert not findings.wrong, str(findings)
    assert findings.kills and findings.answers >= 150 and findings.checked >= 1500
