"""Real scripts, each with the verdict of two releases: what one of them accepts is accepted, what both refuse is refused.

The collection is not part of the repository: OPENSIPS_LIKE_CORPUS names its folder, else `../shared/corpus` beside it is tried.
"""

import os
import re
from pathlib import Path

import pytest

from engine.errors import ConfigErrors
from engine.script.parser import parse_file

CORPUS = Path(os.environ.get("OPENSIPS_LIKE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
VERDICTS = sorted(CORPUS.glob("*.verdict")) if CORPUS.is_dir() else []

pytestmark = pytest.mark.skipif(not VERDICTS, reason="the corpus is not here")


def verdict(path: Path) -> dict[str, str]:
    """The lines of a verdict by their name."""
    return dict(line.split(": ", 1) for line in path.read_text(encoding="latin-1").splitlines() if ": " in line)


@pytest.mark.parametrize("path", VERDICTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    known = verdict(path)
    try:
        parse_file(str(CORPUS / known["check"]))
        error = None
    except ConfigErrors as found:
        error = found.errors[0]
    if "ok" in (known.get("3.6 syntax"), known.get("3.1 syntax")):
        assert error is None
    elif known.get("3.6 class") == known.get("3.1 class") == "syntax":
        assert error is not None
        line = re.match(r"line (\d+): syntax error", known["3.6 first error"])
        if line:
            assert error.line == int(line[1])
