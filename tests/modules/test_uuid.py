"""uuid: forms and versions."""

from __future__ import annotations

import uuid

import pytest

from engine.errors import ConfigErrors
from modules.uuid import by_name, version_7
from tests.helpers import Harness
from tests.modules.small_parts import printed, script, show


def test_version_7_has_the_time_in_front() -> None:
    made = version_7(0x0123456789AB)
    assert str(made).startswith("01234567-89ab-7") and made.variant == uuid.RFC_4122 and made.version == 7


def test_names_count_byte_for_byte() -> None:
    space = str(uuid.NAMESPACE_DNS)
    assert str(by_name(5, space, "example.com")) == "cfbff0d1-9375-5685-968c-48ce8b15ae17"
    text = "münchen"
    assert by_name(3, space, text.encode().decode("latin-1")) == uuid.uuid3(uuid.NAMESPACE_DNS, text)
    assert by_name(5, space, text.encode().decode("latin-1")) == uuid.uuid5(uuid.NAMESPACE_DNS, text)


def test_function() -> None:
    body = " ".join([
        "uuid($var(u)); uuid($var(v), 0); if ($var(u) != $var(v))", show("$rc"), "uuid($var(u), 1);", show("$rc $var(u)"),
        "uuid($var(u), 7);", show("$var(u)"), "uuid($var(u), 2);", show("$var(u)"), "uuid($var(u), 6);", show("$rc"),
        'uuid($var(u), 3);', show("$rc"), 'uuid($var(u), 5, "x", "y");', show("$rc"), show("$uuid", "$uuid"),
    ])
    lines = printed("uuid", body)
    assert lines[0] == "1" and lines[4:7] == ["-1", "-1", "-1"] and lines[7] != lines[8]
    code, first = lines[1].split()
    assert code in ("1", "2") and uuid.UUID(first).version == 1
    assert [uuid.UUID(line).version for line in (lines[2], lines[3], lines[7])] == [7, 4, 4]


def test_a_read_only_variable_is_refused() -> None:
    with pytest.raises(ConfigErrors, match="read-only"):
        Harness(script("uuid", "uuid($ci);"))
