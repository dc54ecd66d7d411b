"""Reads a cpio archive (newc): initramfs-buffer-format.rst."""

from __future__ import annotations


def parse_cpio(data: bytes) -> dict[str, tuple[int, tuple[int, int], bytes]]:
    found, at = {}, 0
    while True:
        assert data[at : at + 6] == b"070701"
        numbers = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name = data[at + 110 : at + 110 + numbers[11] - 1].decode()
        start = (at + 110 + numbers[11] + 3) & ~3
        found[name] = (numbers[1], (numbers[9], numbers[10]), data[start : start + numbers[6]])
        at = (start + numbers[6] + 3) & ~3
        if name == "TRAILER!!!":
            assert at == len(data)
            return found
