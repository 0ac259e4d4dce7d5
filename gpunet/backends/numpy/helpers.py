"""Helper processes, one for each core but the caller's, that take pieces of a job from the caller's hands.

Threads of Python take turns: each call into NumPy gives the interpreter away and has to get it back, and with calls of
some microseconds two threads are as slow as one. Processes do not wait for each other. They share the memory in which
arrays stand, so that handing over a job takes a tenth of a millisecond: its description is written to a board in that
memory, and tokens for some pieces each are put into a pipe, from which caller and helpers take one after the other.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import cutting, sharing
from gpunet.backends.numpy.job import Job
from gpunet.backends.numpy.shared_memory import Arena
from gpunet.backends.numpy.threads import THREADS_VARIABLE
from gpunet.errors import BackendError

TOKEN = struct.Struct("<III")  # number of the job, and which of its pieces: the first one, and that after the last
REPORT = struct.Struct("<II")  # number of the helper, what it says:
LENGTH = struct.Struct("<Q")
READY, DONE, COMPLAINS = 0, 1, 2

BOARD_BYTES = 1 << 20
COMPLAINT_BYTES = 1 << 16
SPIN_SECONDS = 0.002  # to wake a process that sleeps takes as long as a short piece of work
HANDS = 4  # that each process gets of a job, about: to wait for the last one takes the shorter, the more there are
LOOK_SECONDS = 0.5  # how often it is looked whether those waited for are still there
ONE_THREAD = (THREADS_VARIABLE, "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from gpunet.backends.numpy.helper import main; main(*map(int, sys.argv[2:]))"
)


class Helpers:
    """The processes, and what they share with this one.

    Args:
        count: of processes.
        arena: where the arrays of jobs stand.

    Attributes:
        gone: they were dismissed.
    """

    def __init__(self, count: int, arena: Arena) -> None:
        self.arena = arena
        self.gone = False
        self._busy = threading.Lock()
        self._board = _allocated(arena, BOARD_BYTES)
        self._complaints = [_allocated(arena, COMPLAINT_BYTES) for _ in range(count)]
        self._number = 0
        self._waiting_for = set(range(count))  # helpers that are not ready yet
        self._tokens, self._tokens_in = os.pipe()
        self._reports, reports_in = os.pipe()
        os.set_blocking(self._tokens, False)
        os.set_blocking(self._reports, False)
        board, *complaints = (arena.offset(memory) for memory in (self._board, *self._complaints))
        self._processes = [
            subprocess.Popen(  # noqa: S603 - this Python
                [
                    sys.executable, "-c", _START, json.dumps(sys.path),
                    *map(str, (number, arena.descriptor, self._tokens, reports_in, board, complaint)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(arena.descriptor, self._tokens, reports_in),
                env=os.environ | dict.fromkeys(ONE_THREAD, "1"),
                start_new_session=True,  # a Ctrl-C is for the caller, who knows what to do about it
            )
            for number, complaint in enumerate(complaints)
        ]  # fmt: skip
        os.close(reports_in)
        atexit.register(self.dismiss)

    def ready(self) -> bool:
        """Whether all have started."""
        while self._waiting_for:
            report = self._report()
            if report is None:
                self._look()
                return False
            self._waiting_for.discard(report[0])
        return True

    def run(self, job: Job, pieces: Sequence[Any]) -> bool:
        """Do the job with their help; False if that cannot be done, and nothing was.

        Raises:
            BackendError: a helper is gone.
            Exception: what a piece raised, first of all the caller's.
        """
        if not self._busy.acquire(blocking=False):
            return False
        try:
            return self.ready() and self._share(job, pieces)
        finally:
            self._busy.release()

    def _share(self, job: Job, pieces: Sequence[Any]) -> bool:
        errors = np.geterr()  # the caller's choice of floating-point warnings holds in helpers too
        if not {"call", "log"}.isdisjoint(errors.values()):
            return False  # what is to be called is here
        outputs = [getattr(job, name) for name in job.outputs]
        try:
            content = (job, list(map(sharing.packed, pieces)), errors, this_core())
            data, copies = sharing.to_bytes(content, outputs, self.arena)
        except sharing.NotShareableError:
            return False
        if not write(self._board, data):
            return False
        self._number = (self._number + 1) % 2**32
        hands = cutting.even(len(pieces), -(-len(pieces) // (HANDS * (len(self._processes) + 1))))
        complaint, taken = None, 0
        try:
            tokens = (TOKEN.pack(self._number, hand.start, hand.stop) for hand in hands)
            os.write(self._tokens_in, b"".join(tokens))
            while (token := receive(self._tokens, TOKEN)) is not None:
                taken += 1
                for piece in pieces[token[1] : token[2]]:
                    job(piece)
        except Exception as error:  # noqa: BLE001 - raised when all have stopped
            complaint = error
            while receive(self._tokens, TOKEN) is not None:  # nobody need begin with another hand
                taken += 1
        except BaseException:
            self.dismiss(kill=True)  # who is interrupted must not leave others writing to its arrays
            raise
        theirs = self._wait(len(hands) - taken)
        del copies
        complaint = complaint or theirs
        if complaint is not None:
            raise complaint
        return True

    def _wait(self, hands: int) -> Exception | None:
        """Wait until helpers have done that many; the first error, if there is any."""
        first = None
        try:
            while hands:
                report = self._report()
                if report is None:
                    if not wait_for(self._reports):
                        self._look()
                    continue
                hands -= 1
                if report[1] == COMPLAINS:
                    error = self._complaint(report[0])
                    first = first or error
        except BaseException:
            self.dismiss(kill=True)
            raise
        return first

    def _report(self) -> tuple[Any, ...] | None:
        try:
            return receive(self._reports, REPORT)
        except EOFError:  # all of them are gone, and about to have an exit status
            self._processes[0].wait()
            self._look()
            raise

    def _complaint(self, number: int) -> Exception | None:
        """What a helper wrote about a hand: its warnings are repeated here, its error is given back."""
        error, said = sharing.from_bytes(read(self._complaints[number]))
        for category, text in said:
            warnings.warn(text, category, stacklevel=6)
        return error

    def _look(self) -> None:
        for process in self._processes:
            status = process.poll()
            if status is not None:
                self.dismiss(kill=True)
                cause = f"signal {-status}" if status < 0 else f"exit status {status}"
                raise BackendError(
                    f"helper process {process.pid}, which computes a part of each primitive, ended with {cause}. "
                    "If the computer ran out of memory: try a smaller batch. To do without: GPUNET_HELPERS=threads."
                )

    def dismiss(self, kill: bool = False) -> None:
        """Let the processes end.

        Args:
            kill: do not wait for what they are at.
        """
        self._leave()
        for process in self._processes:
            if kill:
                process.kill()
            process.wait()

    def part(self) -> None:
        """In a forked child: they stay with the parent."""
        self._leave()
        for process in self._processes:
            process.returncode = 0  # no child of this process, to wait for

    def _leave(self) -> None:
        if not self.gone:
            self.gone = True
            atexit.unregister(self.dismiss)
            for descriptor in (self._tokens_in, self._tokens, self._reports):
                os.close(descriptor)


@cache
def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)  # Linux's, at first use: other systems import this file too


def this_core() -> int:
    """The core that this process is on now."""
    return int(_c_library().sched_getcpu())


def receive(pipe: int, message: struct.Struct) -> tuple[Any, ...] | None:
    """The next message, or None if there is none now.

    Raises:
        EOFError: there will be none any more.
    """
    try:
        data = os.read(pipe, message.size)
    except BlockingIOError:
        return None
    if not data:
        raise EOFError
    return message.unpack(data)


def wait_for(pipe: int) -> bool:
    """Wait until there may be a message, first without sleeping; False if there is none after `LOOK_SECONDS`."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    end = time.perf_counter() + SPIN_SECONDS
    while not poll.poll(0):
        if time.perf_counter() > end:
            return bool(poll.poll(LOOK_SECONDS * 1000))
        os.sched_yield()  # whoever needs this core may have it
    return True


def write(memory: NDArray[np.uint8], data: bytes) -> bool:
    """Put bytes where `read` finds them; False if there is no room."""
    if LENGTH.size + len(data) > len(memory):
        return False
    whole = LENGTH.pack(len(data)) + data
    memory[: len(whole)] = np.frombuffer(whole, np.uint8)
    return True


def read(memory: NDArray[np.uint8]) -> bytes:
    """What `write` put there."""
    length: int = LENGTH.unpack(memory[: LENGTH.size].tobytes())[0]
    return memory[LENGTH.size : LENGTH.size + length].tobytes()


def _allocated(arena: Arena, size: int) -> NDArray[np.uint8]:
    memory = arena.allocate(size)
    if memory is None:
        raise BackendError("no room in shared memory")
    return memory
