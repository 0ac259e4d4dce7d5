"""How everything here is timed: warm up, take turns, and mark the samples during which others used the processors.

A shared machine has moods. Contenders therefore take turns within one run, so that a slow minute hits them all; each
sample notes how much processor time went to anyone but the process that was being timed; and medians are given over
the quiet samples beside those over all. Where the system does not tell (no /proc/stat), samples are neither quiet nor
disturbed, and only the second kind of median exists.

This file needs nothing but Python: the processes of every peer import it.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STAT = Path("/proc/stat")
# /proc/stat counts in ticks of 10 ms, so a sample of 0.3 s on one core knows the others' share to about 3 %.
QUIET_SHARE = 0.06
SECONDS_A_TURN = 0.3
FEWEST_QUIET = 3  # below this a quiet median would hang on single samples

_BUSY_FIELDS = (1, 2, 3, 6, 7, 8)  # user, nice, system, irq, softirq, steal; not idle, iowait and what repeats user


@dataclass(frozen=True)
class Sample:
    """One turn of one contender.

    Attributes:
        seconds: of one step, the mean over the turn.
        steps: how many steps the turn had.
        others: share of the processors this process may use that went to others meanwhile; None if unknown.
        turn: number of the round the sample belongs to.
    """

    seconds: float
    steps: int
    others: float | None
    turn: int = 0

    @property
    def quiet(self) -> bool:
        """Whether nobody else did anything worth mentioning meanwhile."""
        return self.others is not None and self.others <= QUIET_SHARE

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain numbers."""
        return {**asdict(self), "quiet": self.quiet}


def processors() -> frozenset[int]:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def pin(threads: int) -> frozenset[int]:
    """Keep this process, and all it starts from now on, to as many processors as it shall have threads.

    The last ones are taken: the first serves most interrupts.

    Returns:
        the processors that are left to it.
    """
    available = sorted(processors())
    if hasattr(os, "sched_setaffinity") and threads < len(available):
        os.sched_setaffinity(0, available[-threads:])
    return processors()


def busy_seconds(of: frozenset[int], stat: Path = STAT) -> float | None:
    """Seconds that the processors ``of`` have been at work since the system started, whoever for; None if unknown."""
    try:
        lines = stat.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    names = {f"cpu{number}" for number in of}
    rows = [fields for fields in map(str.split, lines) if fields and fields[0] in names]
    ticks = sum(int(fields[place]) for fields in rows for place in _BUSY_FIELDS if place < len(fields))
    return ticks / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Processor time of this process and of the helpers that it has started and that still run."""
    ticks = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text(encoding="ascii").split():
            try:
                fields = Path(f"/proc/{child}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            ticks += int(fields[11]) + int(fields[12])  # user and system, the 14th and 15th of the line
    return time.process_time() + (ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0)


def others_share(busy: float, own: float, seconds: float, count: int) -> float:
    """Share of ``count`` processors that others used: of all that were ``busy`` in ``seconds``, less one's ``own``."""
    return max(0.0, busy - own) / (count * seconds)


def measure(run: Callable[[], Any], steps: int) -> Sample:
    """Time ``steps`` calls, and note what others did with the processors meanwhile."""
    cores = processors()
    busy, own, start = busy_seconds(cores), own_seconds(), time.perf_counter()
    for _ in range(steps):
        run()
    seconds = time.perf_counter() - start
    own, busy_after = own_seconds() - own, busy_seconds(cores)
    others = None
    if busy is not None and busy_after is not None:
        others = others_share(busy_after - busy, own, seconds, len(cores))
    return Sample(seconds / steps, steps, others)


def warm_up(run: Callable[[], Any], steps: int = 3, *, seconds: float) -> float:
    """Call until it has been called ``steps`` times and for ``seconds``.

    Returns:
        seconds of the fastest call, by which turns are divided into steps.
    """
    fastest, start, count = float("inf"), time.perf_counter(), 0
    while count < steps or (time.perf_counter() - start < seconds and count < 1000):
        before = time.perf_counter()
        run()
        fastest = min(fastest, time.perf_counter() - before)
        count += 1
    return fastest


def steps_a_turn(seconds_a_step: float, seconds: float = SECONDS_A_TURN) -> int:
    """How many steps fill a turn."""
    return max(1, min(1000, round(seconds / max(seconds_a_step, 1e-9))))


@dataclass
class Turns:
    """What came of taking turns: samples by contender, and the errors of those that did not finish."""

    samples: dict[str, list[Sample]]
    errors: dict[str, str]


def take_turns(
    contenders: Mapping[str, Callable[[], Sample]],
    rounds: int,
    *,
    quiet: int = 0,
    most_rounds: int | None = None,
    failures: tuple[type[Exception], ...] = (),
    after_turn: Callable[[], Any] = lambda: None,
) -> Turns:
    """Let every contender make one sample a round.

    Args:
        contenders: name to what makes one sample of it.
        rounds: at least so many.
        quiet: go on until each contender has so many quiet samples ...
        most_rounds: ... or so many rounds are done; by default three times ``rounds``.
        failures: errors that end the contender they come from, and none of the others.
        after_turn: called after each sample; a pause, in which the threads of the contender go to sleep.
    """
    turns = Turns({name: [] for name in contenders}, {})
    limit = 3 * rounds if most_rounds is None else most_rounds
    number = 0
    while number < rounds or (number < limit and _wants_quiet(turns, quiet)):
        for name, make in contenders.items():
            if name in turns.errors:
                continue
            try:
                sample = make()
            except failures as error:
                turns.errors[name] = str(error)
                continue
            turns.samples[name].append(Sample(sample.seconds, sample.steps, sample.others, number))
            after_turn()
        number += 1
    return turns


def _wants_quiet(turns: Turns, wanted: int) -> bool:
    running = [samples for name, samples in turns.samples.items() if name not in turns.errors]
    knows = any(sample.others is not None for samples in running for sample in samples)
    return knows and any(sum(sample.quiet for sample in samples) < wanted for samples in running)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and extremes of at least one value."""
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {"median": median, "lower": lower, "upper": upper, "minimum": min(values), "maximum": max(values)}


def summary(samples: Sequence[Sample]) -> dict[str, Any]:
    """Seconds of a step over all samples, and over the quiet ones if there are enough of them.

    Returns:
        {"all": spread, "quiet": spread or None, "samples": their number, "quiet_samples": number of quiet ones}.
    """
    calm = [sample.seconds for sample in samples if sample.quiet]
    return {
        "all": spread([sample.seconds for sample in samples]),
        "quiet": spread(calm) if len(calm) >= FEWEST_QUIET else None,
        "samples": len(samples),
        "quiet_samples": len(calm),
    }


def best_median(found: Mapping[str, Any]) -> float:
    """The quiet median of a `summary`, or that of all samples where there were too few quiet ones."""
    return (found["quiet"] or found["all"])["median"]


def ratio(numerator: Sequence[Sample], denominator: Sequence[Sample]) -> dict[str, Any]:
    """How many times the seconds of ``denominator`` those of ``numerator`` are, by pairs from the same round.

    Pairs of quiet samples are used if there are enough of them, otherwise all pairs.
    """
    by_turn = {sample.turn: sample for sample in denominator}
    pairs = [(sample, by_turn[sample.turn]) for sample in numerator if sample.turn in by_turn]
    calm = [(above, below) for above, below in pairs if above.quiet and below.quiet]
    used = calm if len(calm) >= FEWEST_QUIET else pairs
    found: dict[str, Any] = spread([above.seconds / below.seconds for above, below in used])
    return {**found, "pairs": len(used), "quiet": used is calm}
