"""The parse tables of the grammar on disk: making them takes 0.25 s of every start, reading them back 0.01 s.

They lie beside the byte code of the package and are trusted as it is: who may write there may replace the code as well.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from lark.parsers.lalr_analysis import Reduce, Shift

# The parser compares these two with `is`: they are named in the file, not copied into it.
_ACTIONS: Final = {"shift": Shift, "reduce": Reduce}


class _Writer(pickle.Pickler):
    def persistent_id(self, obj: Any) -> str | None:
        return "shift" if obj is Shift else "reduce" if obj is Reduce else None


class _Reader(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        return _ACTIONS[pid]


def kept_tables(folder: Path, mark: str, make: Callable[[], Any]) -> Any:
    """What was kept under this mark in the folder; else make() is called and its result kept for the next start.

    A file that cannot be read or written costs the time, nothing else.
    """
    file = folder / f"grammar-{sha256(mark.encode()).hexdigest()[:16]}.lalr"
    try:
        return _Reader(io.BytesIO(file.read_bytes())).load()
    except (OSError, EOFError, KeyError, AttributeError, ImportError, ValueError, pickle.UnpicklingError):
        pass
    tables = make()
    data = io.BytesIO()
    _Writer(data).dump(tables)
    try:
        folder.mkdir(exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_bytes(data.getvalue())
        part.replace(file)
    except OSError:
        pass
    return tables
