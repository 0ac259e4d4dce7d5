"""The parent's side of `peers/child.py`: a process of another environment that computes only while it is asked to."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FOLDER = Path(__file__).resolve().parent
IN_CHECKOUT = (FOLDER.parent / "setup.py").is_file()
TIMEOUT = 900.0  # seconds that a command may take: some compile for minutes
PATIENCE = 5.0  # seconds that a process may take to quit
_LINES_OF_AN_ERROR = 6
_ERROR = re.compile(r"[\w.]+(Error|Exception)\b")  # where a traceback's last line begins, and not inside a message

# The folder is called benchmarks for whoever loads it, wherever it is installed; see benchmarks/__init__.py. The
# checkout goes to the end of the path, where it shadows nothing, for a gpunet that is not installed.
_BOOTSTRAP = """
import importlib.util, sys
folder, root, module = sys.argv[1:]
path = folder + "/__init__.py"
spec = importlib.util.spec_from_file_location("benchmarks", path, submodule_search_locations=[folder])
sys.modules["benchmarks"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["benchmarks"])
sys.path += [root] if root else []
importlib.import_module(module).main()
"""

# These would change the BLAS of one side of a comparison only ...
_NOT_INHERITED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
# ... and these would lead another environment to this one's packages.
_OF_THIS_ENVIRONMENT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


class WorkerError(Exception):
    """A process did not do what it was asked to; the message is its own last words."""


def environment(threads: int, python: Path | str, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of a process that may use so many threads, whatever library it uses.

    Args:
        threads: how many.
        python: the interpreter that will run.
        inherited: the variables of this process.
    """
    dropped = _NOT_INHERITED if str(python) == sys.executable else _NOT_INHERITED + _OF_THIS_ENVIRONMENT
    kept = {name: value for name, value in inherited.items() if name not in dropped}
    names = "OMP OPENBLAS MKL BLIS VECLIB_MAXIMUM NUMEXPR GPUNET".split()
    number = {f"{name}_NUM_THREADS": str(threads) for name in names}
    tensorflow = {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    # One compiler process: a pool of them would still be there, waiting, while others are timed.
    return {**kept, **number, **tensorflow, "TORCHINDUCTOR_COMPILE_THREADS": "1", "PYTHONUNBUFFERED": "1"}


class Worker:
    """A process that carries out commands.

    Args:
        python: its interpreter.
        threads: how many it may use.
        module: whose ``main`` serves the commands.

    Raises:
        WorkerError: there is no such interpreter.
    """

    def __init__(self, python: Path | str, threads: int, module: str = "benchmarks.peers.child") -> None:
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - see close
        command = [str(python), "-c", _BOOTSTRAP, str(FOLDER), _root(), module]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                encoding="utf-8",
                env=environment(threads, python),
            )
        except OSError as error:
            self._said.close()
            raise WorkerError(f"cannot start {python}: {error.strerror}") from None

    @property
    def ended(self) -> bool:
        """Whether the process is no more."""
        return self._process.poll() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, do: str, *, timeout: float = TIMEOUT, **arguments: Any) -> dict[str, Any]:
        """Send a command and wait for its answer.

        Raises:
            WorkerError: the process died, or did not answer in time; it is ended then.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise WorkerError(self._last_words(do)) from None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        if not ready:
            self.close()
            raise WorkerError(f"no answer to {do!r} within {timeout:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(self._last_words(do))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if not self.ended:
            try:
                self._process.communicate(json.dumps({"do": "quit"}) + "\n", timeout=PATIENCE)
            except (subprocess.TimeoutExpired, BrokenPipeError, ValueError):
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream is not None:
                with suppress(BrokenPipeError):  # what the process did not read any more
                    stream.close()

    def _last_words(self, do: str) -> str:
        status = self._process.wait()
        if self._said.closed:
            return f"was ended before {do!r}"
        self._said.seek(0)
        lines = [line.rstrip() for line in self._said if line.strip()]
        # From the error on, not its end alone: the first line of a long message says what it is about.
        errors = [number for number, line in enumerate(lines) if _ERROR.match(line)]
        first = errors[-1] if errors else max(0, len(lines) - _LINES_OF_AN_ERROR)
        told = lines[first : first + _LINES_OF_AN_ERROR] or ["said nothing"]
        return f"died at {do!r} with status {status}: " + " | ".join(told)


def _root() -> str:
    """The checkout, for a gpunet that is not installed."""
    return str(FOLDER.parent) if IN_CHECKOUT else ""


def can_import(python: Path | str, modules: Sequence[str]) -> bool:
    """Whether an interpreter finds all of ``modules``; nothing is imported."""
    program = "import importlib.util as u, sys; sys.path += [sys.argv[1]] if sys.argv[1] else []; "
    program += "sys.exit(not all(u.find_spec(name) for name in sys.argv[2:]))"
    try:
        done = subprocess.run(
            [str(python), "-c", program, _root(), *modules],
            capture_output=True,
            check=False,
            env=environment(1, python),
        )
    except OSError:
        return False
    return done.returncode == 0
