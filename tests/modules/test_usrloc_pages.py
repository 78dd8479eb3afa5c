"""Which memory is put on big pages: whole 2 MB of private memory in use, nothing else."""

from __future__ import annotations

from modules.usrloc.pages import Growth, collapse, ranges


def area(place: str, size: int, used: int, big: int = 0, kind: str = "rw-p 00000000 00:00 0 ") -> list[str]:
    return [f"{place} {kind}", f"Size:           {size} kB", "KernelPageSize:        4 kB", f"Rss:            {used} kB",
            f"AnonHugePages:         {big} kB", "VmFlags: rd wr mr mw me ac sd "]


def test_only_memory_that_is_in_use_as_a_whole() -> None:
    lines = [
        *area("7f0000100000-7f0000800000", 7168, 7168),
        *area("7f0001000000-7f0001800000", 8192, 132),
        *area("7f0002000000-7f0002400000", 4096, 4096, 4096),
        *area("7f0003000000-7f0003400000", 4096, 4096, kind="r-xp 00000000 08:01 99 /usr/lib/x-y.so"),
        *area("7f0004000000-7f0004100000", 1024, 1024),
        *area("555500000000-555500400000", 4096, 4000, kind="rw-p 00000000 00:00 0 [heap]"),
    ]
    assert list(ranges(lines)) == [(0x7F0000200000, 0x600000), (0x555500000000, 0x400000)]


def test_it_is_done_when_the_tables_have_grown() -> None:
    growth = Growth()
    assert [growth.is_due(count) for count in (0, 19_999, 20_000, 24_000, 25_000, 100, 31_250)] == [
        False, False, True, False, True, False, True]


def test_asking_does_no_harm() -> None:
    kept = [bytes([number % 256]) * 4096 for number in range(3000)]
    assert collapse() >= 0
    assert all(one == bytes([number % 256]) * 4096 for number, one in enumerate(kept))
