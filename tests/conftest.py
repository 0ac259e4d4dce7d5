"""What every test stands on: one thread for BLAS, no data or settings of the person who runs them, no silent skip."""

import os
from pathlib import Path
from typing import Any

# Before NumPy is imported: several test processes share few cores, and a product must not depend on their number.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ["MPLBACKEND"] = "Agg"
for variable in ("GPUNET_DATA", "GPUNET_BACKEND"):
    os.environ.pop(variable, None)

import pytest  # noqa: E402 - after the environment is set
from hosted_backend import HostedBackend, install  # noqa: E402 - after the environment is set
from hypothesis import HealthCheck, settings  # noqa: E402 - after the environment is set

import gpunet  # noqa: E402 - after the environment is set

# No deadline and no health check on speed: a shared machine may be slow at any moment.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time: a red build must be red again when someone looks into it.
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
# Each new window is a kernel to compile.
settings.register_profile("gpu", settings.get_profile("ci"), max_examples=20)
settings.load_profile("ci" if os.environ.get("CI") else "local")


# What `pytest -m gpu` runs beside the tests of CuPy's own: all that judges primitives, layers and training, with the
# CuPy backend in the place of the NumPy backend.
FOLDERS_OF_BOTH = ("backends/numpy", "functional", "layers", "losses", "models", "optimizers", "training", "verify")
_hosted: list[HostedBackend] = []  # none without -m gpu


def judges_both_backends(item: pytest.Item) -> bool:
    folders = (Path(__file__).parent / name for name in FOLDERS_OF_BOTH)
    in_both = any(folder in item.path.parents for folder in folders)
    return in_both and item.get_closest_marker("numpy_only") is None


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr == "gpu":
        settings.load_profile("gpu")
        try:
            _hosted.append(install())
        except gpunet.BackendError as error:
            raise pytest.UsageError(f"pytest -m gpu: {error}") from None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of every test_*_oracle.py, so that `pytest -m oracle` selects them, and those for `-m gpu`."""
    for item in items:
        if item.path.stem.endswith("_oracle"):
            item.add_marker(pytest.mark.oracle)
        if _hosted and not item.get_closest_marker("gpu") and judges_both_backends(item):
            item.add_marker(pytest.mark.gpu)
            item.add_marker(pytest.mark.hosted)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for backend in _hosted:
        backend.hosting = item.get_closest_marker("hosted") is not None


# pytest-xdist forgets the modules that skip as a whole, which is what a test of an absent oracle does. The first worker
# to end hands its list to the main process, and the summary counts them with their reason, as it does without xdist.


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _skipped_modules.append((report.nodeid, report.longrepr))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # this is a worker
        session.config.workeroutput["skipped_modules"] = _skipped_modules


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    reporter = node.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or _skipped_modules:
        return
    for nodeid, (path, line, reason) in getattr(node, "workeroutput", {}).get("skipped_modules", []):
        _skipped_modules.append((nodeid, reason))
        report = pytest.CollectReport(nodeid, "skipped", (path, line, reason), [])
        reporter.stats.setdefault("skipped", []).append(report)


_skipped_modules: list[tuple[str, Any]] = []
