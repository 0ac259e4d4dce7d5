"""Run the workloads of kernel_workloads.py on CuPy, and write down in which order it launched what.

    gpunet emulate --check trace -- python -m benchmarks.trace_kernels --launches launches.json

Called by `python -m benchmarks.static_kernels` with the tracer's report, which says what each launch read and wrote.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.kernel_workloads import Recorder, run_all, workloads
from gpunet.backends.cupy.kernel_library import DTYPES
from gpunet.backends.select import select


def main() -> None:
    names = [workload.name for workload in workloads()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launches", type=Path, required=True, help="where to write the launches, in order, as JSON")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--workloads", nargs="+", choices=names, metavar="NAME", default=names, help="default: all")
    options = parser.parse_args()
    backend = select("cupy")
    recorder = Recorder(backend, runs=True)
    for dtype in options.dtypes:
        run_all(backend, recorder, dtype, options.workloads)
    backend.synchronize()
    options.launches.write_text(json.dumps([asdict(launch) for launch in recorder.launches]), encoding="utf-8")
    print(f"{len(recorder.launches)} launches")


if __name__ == "__main__":
    main()
