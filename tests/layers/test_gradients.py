"""The gradient of every layer and container, in several settings, against differences in float64."""

import pytest
from layer_cases import EVERYTHING, LayerCase
from tolerances import GRADIENT_CHECK_FLOAT64

import gpunet as gn
from gpunet import layers


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("case", EVERYTHING, ids=str)
def test_gradients(case: LayerCase, batch: int, training: bool) -> None:
    if case.name == "BatchNorm1d" and batch == 1 and training:
        batch = 2  # one value a channel is refused
    result = gn.gradient_check(
        case.layer(), case.input(batch), training=training, tolerance=GRADIENT_CHECK_FLOAT64, directions=2
    )
    assert result.worst.error <= GRADIENT_CHECK_FLOAT64
    assert set(result.errors) == {"input", *dict(case.layer().named_parameters())}


def test_every_layer_has_its_case() -> None:
    public = {name for name in layers.__all__ if name not in {"Context", "GraphNode", "Module"}}
    assert {case.name.split()[0] for case in EVERYTHING} == public
