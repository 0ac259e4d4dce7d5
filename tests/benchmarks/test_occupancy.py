"""Occupancy against values worked out by hand from NVIDIA's tables; the arithmetic stands beside each."""

from __future__ import annotations

import pytest

from benchmarks.occupancy import LIMITS, occupancy


@pytest.mark.parametrize(
    ("architecture", "block_size", "registers", "shared", "blocks", "limited_by"),
    [
        # 8 warps a block: 32 / 8 = 4, 64 / 8 = 8, 48 / 8 = 6.
        (75, 256, 32, 0, 4, "warps"),
        (80, 256, 32, 0, 8, "warps"),
        (86, 256, 32, 0, 6, "warps"),
        (89, 256, 32, 0, 6, "warps"),
        (90, 256, 32, 0, 8, "warps"),
        (100, 256, 32, 0, 8, "warps"),
        (120, 256, 32, 0, 6, "warps"),
        # 1 warp a block: the number of blocks limits, before the number of warps does.
        (75, 32, 16, 0, 16, "blocks"),
        (80, 32, 16, 0, 32, "blocks"),
        (86, 32, 16, 0, 16, "blocks"),
        (89, 32, 16, 0, 24, "blocks"),
        (90, 32, 16, 0, 32, "blocks"),
        (100, 32, 16, 0, 32, "blocks"),
        (120, 32, 16, 0, 24, "blocks"),
        # 40 registers * 32 = 1280 a warp; 16384 / 1280 = 12 warps in each of 4 partitions; 48 / 8 = 6.
        (80, 256, 40, 0, 6, "registers"),
        # 65 registers are given as 72: 65 * 32 = 2080, up to 2304; 16384 / 2304 = 7; 28 / 8 = 3.
        (75, 256, 65, 0, 3, "registers"),
        (90, 256, 72, 0, 3, "registers"),
        # 255 registers: 8160, up to 8192; 2 warps a partition; 8 warps make 1 block of 256 threads, none of 512.
        (90, 256, 255, 0, 1, "registers"),
        (90, 512, 255, 0, 0, "registers"),
        # 16 KB: 64 / 16 = 4 on 7.5. Since 8.0 each block takes 1 KB more: 164 / 17 = 9, 100 / 17 = 5, 228 / 17 = 13.
        (75, 64, 16, 16384, 4, "shared memory"),
        (80, 64, 16, 16384, 9, "shared memory"),
        (86, 64, 16, 16384, 5, "shared memory"),
        (90, 64, 16, 16384, 13, "shared memory"),
        # Given in units of 256 bytes on 7.5 (4097 up to 4352; 65536 / 4352 = 15), of 128 since (5121 up to 5248).
        (75, 32, 16, 4097, 15, "shared memory"),
        (120, 32, 16, 4097, 19, "shared memory"),
        # No block may have more than the largest block of its generation.
        (75, 32, 16, 64 * 1024 + 1, 0, "shared memory"),
        (86, 32, 16, 99 * 1024, 1, "shared memory"),
        (86, 32, 16, 99 * 1024 + 1, 0, "shared memory"),
    ],
)
def test_known_values(
    architecture: int, block_size: int, registers: int, shared: int, blocks: int, limited_by: str
) -> None:
    found = occupancy(architecture, block_size, registers, shared)
    warps = blocks * -(-block_size // 32)
    assert (found.blocks, found.warps, found.limited_by) == (blocks, warps, limited_by)
    assert found.share == warps / LIMITS[architecture].warps


def test_a_part_of_a_warp_takes_a_whole_one() -> None:
    assert occupancy(90, 33, 16) == occupancy(90, 64, 16)


def test_barriers_limit_since_hopper() -> None:
    # 64 barriers on 9.0, 8 a block.
    assert occupancy(90, 32, 16, barriers=8).blocks == 8
    assert occupancy(90, 32, 16, barriers=8).limited_by == "barriers"
    assert occupancy(80, 32, 16, barriers=8).blocks == 32


@pytest.mark.parametrize("block_size", [0, 1025])
def test_impossible_blocks_are_refused(block_size: int) -> None:
    with pytest.raises(ValueError, match=rf"block_size must be in \[1, 1024\], got {block_size}"):
        occupancy(90, block_size, 16)
