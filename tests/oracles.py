"""Outside implementations that judge gpunet: PyTorch, ONNX, ONNX Runtime. Only tests import them."""

import importlib
import os
from types import ModuleType

import pytest

from gpunet.installation import install_command


def require(name: str) -> ModuleType:
    """The module ``name``, at the top of a test file; without it the whole file skips and says why.

    With GPUNET_REQUIRE_ORACLES=1, as `make oracles` and continuous integration set it, an absent oracle fails instead:
    a skip that nobody reads would look like a pass.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = f"the oracle {name} is not installed ({error}). Install it with: {install_command('oracles')}"
        if os.environ.get("GPUNET_REQUIRE_ORACLES") == "1":
            pytest.fail(f"{reason} (GPUNET_REQUIRE_ORACLES=1 forbids skipping)", pytrace=False)
        pytest.skip(reason, allow_module_level=True)
