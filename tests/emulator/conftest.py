"""Fixtures of the emulator's tests."""

import pytest
from device_programs import Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Compiles kernels; skips where there is no g++."""
    return Workshop(tmp_path_factory.mktemp("kernels"))
