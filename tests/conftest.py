"""What every test stands on: one thread for BLAS, no data or settings of the person who runs them."""

import os

# Before NumPy is imported: several test processes share few cores, and a product must not depend on their number.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ["MPLBACKEND"] = "Agg"
for variable in ("GPUNET_DATA", "GPUNET_BACKEND"):
    os.environ.pop(variable, None)

import pytest  # noqa: E402 - after the environment is set
from hypothesis import HealthCheck, settings  # noqa: E402 - after the environment is set

# No deadline and no health check on speed: a shared machine may be slow at any moment.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time: a red build must be red again when someone looks into it.
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of every test_*_oracle.py, so that `pytest -m oracle` selects them."""
    for item in items:
        if item.path.stem.endswith("_oracle"):
            item.add_marker(pytest.mark.oracle)
