"""The process in which one framework trains: reads commands from standard input, answers on standard output.

A command and an answer are one line of JSON each:

    {"do": "open", "module": "torch_peer", "net": "vgg", "batch_size": 64, "variant": "", "threads": 2}
    {"do": "build"}               -> {"parameters": 123}
    {"do": "first step"}          -> {"loss": 2.3, "cpu_seconds": 0.8}
    {"do": "warm up", "seconds": 0.5} -> {"loss": 2.3, "seconds": 0.25}: the fastest step of the warm-up
    {"do": "run", "steps": 4}     -> a `Sample`; one step before it is not timed, for others have used the caches
    {"do": "memory", "steps": 10} -> instead of build: bytes that net and training take
    {"do": "quit"}

Between commands the process waits and computes nothing. Whatever a framework prints goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import time
from typing import Any, TextIO

from benchmarks import timing
from benchmarks.machine import process_record
from benchmarks.peers.architectures import find
from benchmarks.peers.contender import Contender, Task
from benchmarks.peers.memory import Peak

STEPS_BEFORE_STEADY = 3


class Child:
    """Carries out commands, one after the other."""

    def __init__(self) -> None:
        self.contender: Contender | None = None

    def do_open(self, module: str, net: str, batch_size: int, variant: str, threads: int) -> dict[str, Any]:
        """Import the framework and make the batch."""
        timing.pin(threads)
        peer = importlib.import_module(f"benchmarks.peers.{module}")
        self.contender = peer.CONTENDER(Task(find(net), batch_size, variant, threads))
        record = process_record(self.contender.packages)
        record["versions"] |= self.contender.versions()
        return {**record, **self.contender.about()}

    def do_build(self) -> dict[str, Any]:
        """Make net and optimizer."""
        self.contender.build()
        return {"parameters": self.contender.parameters()}

    def do_first_step(self) -> dict[str, Any]:
        """One step, and the processor time of everything since the process began."""
        return {"loss": self.contender.step(), "cpu_seconds": time.process_time()}

    def do_warm_up(self, seconds: float) -> dict[str, Any]:
        """Step until compilers, caches and allocators have settled."""
        loss = self.contender.step()
        if not math.isfinite(loss):
            raise ValueError(f"the loss of the first step is {loss}")
        return {"loss": loss, "seconds": timing.warm_up(self.contender.step, seconds=seconds)}

    def do_run(self, steps: int) -> dict[str, Any]:
        """Time some steps."""
        self.contender.step()
        return timing.measure(self.contender.step, steps).as_json()

    def do_memory(self, steps: int) -> dict[str, Any]:
        """The highest resident memory of making the net and training it for ``steps``, less what was there before.

        The second figure leaves out the making and the first steps, in which compilers run.
        """
        with Peak() as whole:
            self.contender.build()
            for _ in range(min(STEPS_BEFORE_STEADY, steps)):
                self.contender.step()
        with Peak() as steady:
            for _ in range(steps - min(STEPS_BEFORE_STEADY, steps)):
                self.contender.step()
        return {
            "peak_bytes": max(whole.highest, steady.highest) - whole.before,
            "steady_bytes": steady.highest - whole.before,
            "exact": whole.exact and steady.exact,
            "parameters": self.contender.parameters(),
        }


def serve(child: Any) -> None:
    """Answer by the methods of ``child``, ``do_NAME``, until told to quit or until whoever asks is gone."""
    answers = _own_standard_output()
    for line in sys.stdin:
        command = json.loads(line)
        name = command.pop("do").replace(" ", "_")
        if name == "quit":
            break
        answers.write(json.dumps(getattr(child, f"do_{name}")(**command)) + "\n")
        answers.flush()


def main() -> None:
    """Serve commands."""
    serve(Child())


def _own_standard_output() -> TextIO:
    """Standard output for the answers alone; from now on all others who write to it reach standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers
