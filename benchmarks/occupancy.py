"""How many blocks and warps of a kernel a multiprocessor holds at once, from NVIDIA's limits of each generation.

Sources: "Technical Specifications per Compute Capability" in the CUDA Programming Guide (table 27 of section 20.2 in
the guide of CUDA 13.0) for blocks, warps, registers and shared memory; cuda_occupancy.h of the CUDA toolkit for the
granularity of allocations, the barriers, and the KB of shared memory that the driver keeps of every block since 8.0.
Shared memory is taken to get as much of the first-level cache as it can, as NVIDIA's own calculator does.
"""

from __future__ import annotations

from dataclasses import dataclass

WARP_SIZE = 32
MAXIMUM_BLOCK_SIZE = 1024
REGISTERS = 65_536  # of a multiprocessor and of a block, on every generation here
REGISTERS_PER_THREAD = 255
REGISTER_UNIT = 256  # a warp is given registers in such units
PARTITIONS = 4  # of a multiprocessor; each has a quarter of the registers, and a warp stays in one
KIB = 1024


@dataclass(frozen=True)
class Limits:
    """What one multiprocessor of a generation holds.

    Attributes:
        blocks, warps: resident at once.
        shared_bytes: of all blocks together.
        shared_bytes_per_block: of one, when the program asks for more than the usual 48 KB.
        shared_unit: shared memory is given in such units.
        reserved_bytes: of shared memory, taken by the driver from each block.
        barriers: of all blocks together; None where NVIDIA's calculator does not count them.
    """

    blocks: int
    warps: int
    shared_bytes: int
    shared_bytes_per_block: int
    shared_unit: int
    reserved_bytes: int
    barriers: int | None


LIMITS = {
    75: Limits(16, 32, 64 * KIB, 64 * KIB, 256, 0, None),
    80: Limits(32, 64, 164 * KIB, 163 * KIB, 128, KIB, None),
    86: Limits(16, 48, 100 * KIB, 99 * KIB, 128, KIB, None),
    89: Limits(24, 48, 100 * KIB, 99 * KIB, 128, KIB, None),
    90: Limits(32, 64, 228 * KIB, 227 * KIB, 128, KIB, 64),
    100: Limits(32, 64, 228 * KIB, 227 * KIB, 128, KIB, 64),
    120: Limits(24, 48, 100 * KIB, 99 * KIB, 128, KIB, 24),
}


@dataclass(frozen=True)
class Occupancy:
    """What is resident on one multiprocessor.

    Attributes:
        blocks, warps: resident; 0 if not even one block can start.
        share: of the warps that the generation could hold.
        limited_by: "blocks", "warps", "registers", "shared memory" or "barriers".
    """

    blocks: int
    warps: int
    share: float
    limited_by: str


def occupancy(
    architecture: int, block_size: int, registers: int, shared_bytes: int = 0, barriers: int = 0
) -> Occupancy:
    """Blocks and warps that one multiprocessor holds if nothing but the kernel's own needs limits them.

    Args:
        architecture: 75 for sm_75; one of `LIMITS`.
        block_size: threads of a block.
        registers: of a thread.
        shared_bytes: of a block, static and dynamic.
        barriers: of a block.

    Raises:
        ValueError: block_size is not in [1, 1024].
    """
    if not 1 <= block_size <= MAXIMUM_BLOCK_SIZE:
        raise ValueError(f"block_size must be in [1, {MAXIMUM_BLOCK_SIZE}], got {block_size}")
    limits = LIMITS[architecture]
    warps = -(-block_size // WARP_SIZE)
    bounds = {
        "warps": limits.warps // warps,
        "blocks": limits.blocks,
        "registers": _blocks_by_registers(warps, registers),
        "shared memory": _blocks_by_shared_memory(limits, shared_bytes),
    }
    if barriers and limits.barriers is not None:
        bounds["barriers"] = limits.barriers // barriers
    limited_by = min(bounds, key=lambda name: bounds[name])
    blocks = bounds[limited_by]
    return Occupancy(blocks, blocks * warps, blocks * warps / limits.warps, limited_by)


def _blocks_by_registers(warps: int, registers: int) -> int:
    per_warp = _round_up(registers * WARP_SIZE, REGISTER_UNIT)
    # A launch is refused as if each of the four partitions got as many warps as the fullest one.
    if registers > REGISTERS_PER_THREAD or per_warp * _round_up(warps, PARTITIONS) > REGISTERS:
        return 0
    return PARTITIONS * (REGISTERS // PARTITIONS // per_warp) // warps


def _blocks_by_shared_memory(limits: Limits, shared_bytes: int) -> int:
    needed = _round_up(shared_bytes + limits.reserved_bytes, limits.shared_unit)
    if shared_bytes > limits.shared_bytes_per_block:
        return 0
    return limits.shared_bytes // needed if needed else limits.blocks


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
