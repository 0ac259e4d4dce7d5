"""What layers put out and get back, beside PyTorch's hooks."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from tolerances import ORACLE_FLOAT64

torch = oracles.require("torch")

import gpunet as gn  # noqa: E402 - after the oracle, without which the file skips
from gpunet.report import layer_statistics  # noqa: E402 - after the oracle

KINDS = ("Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Flatten", "Linear", "Sigmoid", "Linear")


def test_outputs_and_gradients_are_those_of_pytorch() -> None:
    ours, theirs = (
        namespace.Sequential(
            namespace.Conv2d(2, 6, 3),
            namespace.BatchNorm2d(6),
            namespace.ReLU(),
            namespace.MaxPool2d(2),
            namespace.Flatten(),
            namespace.Linear(24, 7),
            namespace.Sigmoid(),
            namespace.Linear(7, 4),
        )
        for namespace in (gn, torch.nn)
    )
    ours.astype("float64")
    images = gn.random.Stream(5, "images").normal((10, 2, 6, 7))
    labels = np.arange(10) % 4
    ours.forward(images, training=True)  # running statistics that are not 0 and 1
    theirs.double().eval().load_state_dict(
        {name: torch.from_numpy(np.asarray(value)) for name, value in ours.state_dict().items()}
    )
    outputs, x = [], torch.from_numpy(images)
    for layer in theirs:
        x = layer(x)
        x.retain_grad()
        outputs.append(x)
    torch.nn.functional.cross_entropy(x, torch.from_numpy(labels)).backward()

    def close(wanted: torch.Tensor) -> object:
        return pytest.approx(float(wanted.detach()), rel=ORACLE_FLOAT64, abs=ORACLE_FLOAT64)

    found = layer_statistics(ours, gn.CrossEntropyLoss(), images, labels, batch_size=4)
    assert tuple(layer.kind for layer in found) == KINDS
    at_output = outputs[-1].grad.norm()
    for layer, module, y in zip(found, theirs, outputs, strict=True):
        assert layer.output_shape == tuple(y.shape[1:])
        assert layer.mean == close(y.mean())
        assert layer.std == close(y.std(correction=0))
        assert layer.largest == close(y.abs().max())
        assert layer.zeros == close((y == 0).double().mean())
        # PyTorch's is of the mean loss; one image's own is ten times its part.
        assert layer.gradient == close((10 * y.grad).flatten(1).norm(dim=1).square().mean().sqrt())
        assert layer.relative_gradient == close(y.grad.norm() / at_output)
        parameters = list(module.parameters())
        assert (layer.weight is None) == (not parameters)
        if parameters:
            assert layer.weight == close(torch.cat([p.flatten() for p in parameters]).norm())
            assert layer.weight_gradient == close(torch.cat([p.grad.flatten() for p in parameters]).norm())
    alive = (outputs[2] != 0).any(dim=0).flatten(1).any(dim=1)
    assert found[2].dead == int((~alive).sum())
