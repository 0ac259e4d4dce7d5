"""The backend that these tests judge."""

import pytest

from gpunet.backends import Backend, numpy_backend


@pytest.fixture(scope="session")
def backend() -> Backend:
    return numpy_backend()
