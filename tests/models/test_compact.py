"""The compact residual network: its sizes, what it refuses, and its gradients."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.models import compact_resnet


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({}, 70_330),
        ({"widths": (16, 32, 72), "blocks": (0, 2, 1)}, 91_818),  # recipes/fashion_mnist_small.toml
        ({"in_channels": 3, "num_classes": 5, "widths": (4,), "blocks": (0,)}, 3 * 4 * 9 + 8 + 4 * 5 + 5),
    ],
)
def test_it_learns_this_many_numbers(settings, parameters):
    net = compact_resnet(**settings, seed=0)
    assert sum(parameter.value.size for parameter in net.parameters()) == parameters


def test_each_stage_halves_the_image_and_any_size_is_taken():
    net = compact_resnet(widths=(4, 6, 8), blocks=(1, 0, 1), in_channels=3, num_classes=7, seed=0)
    for size in ((28, 28), (32, 20), (5, 4)):
        assert net.output_shape((3, *size)) == (7,)
    shapes = {line.name: line.output_shape for line in net.summary((3, 28, 28)).layers}
    assert [shapes[name] for name in ("pool1", "pool2", "average")] == [(4, 14, 14), (6, 7, 7), (8, 1, 1)]


def test_one_seed_gives_the_same_weights_and_another_does_not():
    first, again, other = (compact_resnet(seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["fc.weight"], other["fc.weight"])


@pytest.mark.parametrize(("widths", "blocks"), [((), ()), ((16, 32), (1,)), ((16,), (0, 1))])
def test_widths_and_blocks_must_be_equally_long(widths, blocks):
    with pytest.raises(gn.ShapeError, match="widths and blocks must be equally long, got"):
        compact_resnet(widths=widths, blocks=blocks)


def test_a_stage_has_no_negative_number_of_blocks():
    with pytest.raises(gn.ShapeError, match="blocks must be at least 0, got -1"):
        compact_resnet(blocks=(-1, 1, 1))


def test_its_gradients_are_right():
    net = compact_resnet(widths=(3, 4), blocks=(0, 1), num_classes=3, seed=0)
    gn.gradient_check(net, np.random.default_rng(0).standard_normal((4, 1, 8, 8)))
