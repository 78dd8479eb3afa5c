"""Fixtures of all tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop of its own for one test."""
    made = asyncio.new_event_loop()
    yield made
    made.close()
