"""Each model in float32 against the same net of PyTorch with the same weights: how near users may expect them."""

import numpy as np
import oracles
import pytest
from tolerances import MODEL_FLOAT32, MODEL_GRADIENT_FLOAT32

torch = oracles.require("torch")

import torch_models  # noqa: E402 - after the oracle is there
from model_pairs import errors_of_a_pass, images_for, pair  # noqa: E402 - after the oracle is there

from gpunet import initializers  # noqa: E402 - after the oracle is there
from gpunet.models import initial  # noqa: E402 - after the oracle is there

BATCHES = 5


@pytest.mark.parametrize("name", torch_models.MODELS)
def test_the_same_logits_and_gradients(name, monkeypatch):
    """Differentiated inference, whose normalisation is the same for all batches.

    Logits must agree on every batch. Among the million rectified values of a deep net one may be so near to 0 that
    rounding puts it on either side, and its gradient in or out: all gradients must agree on a batch without such a
    value, and one of the first few is. A wrong formula would show on each.
    """
    for module in (initializers, initial):
        monkeypatch.setattr(module, "normal", lambda shape, std: np.zeros(shape, np.float32))
    monkeypatch.setattr(initializers, "uniform", lambda shape, bound: np.zeros(shape, np.float32))
    ours, theirs = pair(name)
    ours.astype("float32").precision = "strict"
    theirs.float()
    wrong = {}
    for seed in range(BATCHES):
        errors = errors_of_a_pass(ours, theirs, images_for(name, seed, batch=2).astype("float32"), training=False)
        assert errors.pop("outputs") <= MODEL_FLOAT32
        wrong = {key: value for key, value in errors.items() if not value <= MODEL_GRADIENT_FLOAT32}
        if not wrong:
            break
    assert wrong == {}
