"""A helper process: takes pieces of jobs until its caller is gone."""

from __future__ import annotations

import os
import traceback
import warnings
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import helpers, sharing
from gpunet.backends.numpy.helpers import COMPLAINS, DONE, READY, REPORT, TOKEN
from gpunet.backends.numpy.shared_memory import Arena


def main(number: int, descriptor: int, tokens: int, reports: int, board: int, complaints: int) -> None:
    """Work until the caller closes its ends of the pipes.

    Args:
        number: of this helper.
        descriptor: of the arena.
        tokens: the pipe to read, which never blocks.
        reports: the pipe to write to.
        board: where the description of the job stands in the arena.
        complaints: where this helper may write.
    """
    arena = Arena(descriptor)
    sharing.attach(arena)
    description = arena.array(board, (helpers.BOARD_BYTES,), (1,), np.uint8)
    desk = _Desk(arena.array(complaints, (helpers.COMPLAINT_BYTES,), (1,), np.uint8))
    current = -1
    with suppress(EOFError, BrokenPipeError):
        os.write(reports, REPORT.pack(number, READY))
        while True:
            token = helpers.receive(tokens, TOKEN)
            if token is None:
                helpers.wait_for(tokens)
                continue
            if token[0] != current:  # the caller does not write about the next job before this hand is done
                current = token[0]
                desk.take(description)
            os.write(reports, REPORT.pack(number, COMPLAINS if desk.do(token[1], token[2]) else DONE))


def _move_on(core: int) -> None:
    """Go to another core than that one, where the caller is: the system would leave both there for a while."""
    allowed = os.sched_getaffinity(0)
    if len(allowed) > 1:
        os.sched_setaffinity(0, allowed - {core})
        os.sched_setaffinity(0, allowed)


class _Desk:
    """The job in hand, and what is said about it.

    Args:
        complaints: where to write what the caller must know.
    """

    def __init__(self, complaints: NDArray[np.uint8]) -> None:
        self._complaints = complaints
        self._data = b""
        self._content: Any = None
        self._warnings: list[tuple[type[Warning], str]] = []
        self._complained = False
        warnings.simplefilter("always")  # the caller knows which of them to show
        warnings.showwarning = self._note  # type: ignore[assignment]

    def _note(self, message: Warning | str, category: type[Warning], *_: Any) -> None:
        self._warnings.append((category, str(message)))

    def take(self, description: NDArray[np.uint8]) -> None:
        """Begin with another job."""
        self._data, self._content = helpers.read(description), None
        self._complained = False

    def do(self, first: int, end: int) -> bool:
        """Do pieces ``first`` to before ``end``; whether there is a complaint to read. One a job is enough."""
        error = None
        self._warnings.clear()
        try:
            if self._content is None:
                self._content = sharing.from_bytes(self._data)
            job, pieces, errors, callers_core = self._content
            if helpers.this_core() == callers_core:
                _move_on(callers_core)
            with np.errstate(**errors):
                for pack in pieces[first:end]:
                    job(sharing.unpacked(pack))
        except Exception as caught:  # noqa: BLE001 - handed to the caller, who raises it
            caught.add_note(f"in a helper process:\n{traceback.format_exc()}")
            error = caught
        if self._complained or not (error or self._warnings):
            return False
        self._complained = True
        return helpers.write(self._complaints, self._as_bytes(error))

    def _as_bytes(self, error: Exception | None) -> bytes:
        try:
            data = sharing.as_it_is((error, self._warnings))
            sharing.from_bytes(data)
            if len(data) < helpers.COMPLAINT_BYTES // 2:
                return data
        except Exception:  # noqa: BLE001, S110 - an error that cannot be handed over is told in words
            pass
        return sharing.as_it_is((RuntimeError(f"{type(error).__name__}: {error}"[:1000]), []))
