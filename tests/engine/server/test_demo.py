"""opensips-like demo: the whole story on real sockets, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_demo_tells_the_story_to_its_end() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    story = done.stdout
    held, pushed, rings = story.index("the INVITE is held"), story.index("push through fcm (ini-INVITE)"), story.index("180 Ringing")
    assert held < pushed < rings
    assert "push through fcm (mid-BYE)" in story[rings:]
    assert "device-token" not in story
