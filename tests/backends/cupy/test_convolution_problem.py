"""Which algorithm computes which convolution, and how much memory it takes."""

from __future__ import annotations

import pytest

from gpunet.backends.cupy.convolution_problem import ConvolutionProblem
from gpunet.geometry import Window

MUCH = 2**40


def problem(
    channels: int = 4,
    filters: int = 6,
    groups: int = 1,
    window: Window | None = None,
    images: int = 10,
    size: tuple[int, int] = (8, 8),
) -> ConvolutionProblem:
    window = window or Window.create(3, 1, 1)
    return ConvolutionProblem(images, channels, *size, filters, groups, window, window.output_size(*size), 4)


@pytest.mark.parametrize(
    ("convolution", "workspace", "algorithm", "of_weight_gradient"),
    [
        (problem(), MUCH, "columns", "columns"),
        (problem(), 0, "direct", "direct"),
        (problem(groups=2), MUCH, "columns", "columns"),
        (problem(filters=8, groups=4), MUCH, "depthwise", "depthwise"),
        (problem(filters=8, groups=4), 0, "depthwise", "depthwise"),
        (problem(channels=1, filters=6), MUCH, "columns", "columns"),  # one channel in one group is no depthwise net
        (problem(window=Window.create(1)), 0, "pointwise", "direct"),
        (problem(window=Window.create(1)), MUCH, "pointwise", "columns"),
        (problem(window=Window.create(1), groups=2), MUCH, "columns", "columns"),
        (problem(window=Window.create(1, 2)), MUCH, "columns", "columns"),
        (problem(window=Window.create(1, 1, 1)), MUCH, "columns", "columns"),
    ],
)
def test_the_algorithm_follows_from_sizes_and_workspace(
    convolution: ConvolutionProblem, workspace: int, algorithm: str, of_weight_gradient: str
) -> None:
    assert convolution.algorithm(workspace) == algorithm
    assert convolution.weight_gradient_algorithm(workspace) == of_weight_gradient


def test_the_workspace_holds_columns_and_product() -> None:
    one_image = (4 * 9 + 6) * 64 * 4
    assert problem().workspace_per_image == one_image
    assert problem().algorithm(one_image - 1) == "direct"
    assert [problem().images_at_once(limit) for limit in (one_image, 3 * one_image - 1, 3 * one_image)] == [1, 2, 3]


def test_a_matrix_is_never_wider_than_cublas_counts() -> None:
    wide = problem(window=Window.create(1), size=(2**15, 2**15))
    assert wide.images_at_once(2**60) == 1
    assert problem(window=Window.create(1), size=(2**16, 2**15)).images_at_once(2**60) == 0


@pytest.mark.parametrize(
    ("images", "sums", "shares"),
    [
        (10, 216, 1),  # too few outputs to deal
        (1600, 216, 10),  # enough for 2048 blocks
        (1600, 4000, 1),  # the weights alone are enough blocks
        (1600, 6, 100),  # no share below 1024 outputs
    ],
)
def test_outputs_are_dealt_to_as_many_blocks_as_pays(images: int, sums: int, shares: int) -> None:
    assert problem(images=images).weight_gradient_shares(sums) == shares
