"""The node vectors that ONNX publishes, run through the primitives: values, and indices for max pooling.

Every vector of the families below is either run or has its reason here; a new one that is neither fails the test.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from onnx_vectors import RUNNERS, Case, along_two_axes

from gpunet.errors import ShapeError

oracles.require("onnx")
pytestmark = pytest.mark.slow  # ONNX takes some ten seconds to make its vectors

RUN = {
    "Conv": """
        basic_conv_with_padding basic_conv_without_padding conv_with_strides_padding conv_with_strides_no_padding
        conv_with_strides_and_asymmetric_padding conv_with_autopad_same""",
    "ConvTranspose": """
        convtranspose convtranspose_1d convtranspose_output_shape convtranspose_pad convtranspose_kernel_shape
        convtranspose_pads convtranspose_dilations convtranspose_autopad_same convtranspose_group_2
        convtranspose_group_2_image_3""",
    "MaxPool": """
        maxpool_2d_precomputed_pads maxpool_with_argmax_2d_precomputed_pads maxpool_2d_precomputed_strides
        maxpool_with_argmax_2d_precomputed_strides maxpool_2d_precomputed_same_upper maxpool_1d_default
        maxpool_2d_default maxpool_2d_same_upper maxpool_2d_same_lower maxpool_2d_strides maxpool_2d_ceil
        maxpool_2d_ceil_output_size_reduce_by_one maxpool_2d_dilations""",
    "AveragePool": """
        averagepool_2d_precomputed_pads averagepool_2d_precomputed_pads_count_include_pad
        averagepool_2d_precomputed_strides averagepool_2d_precomputed_same_upper averagepool_1d_default
        averagepool_2d_default averagepool_2d_same_upper averagepool_2d_same_lower averagepool_2d_strides
        averagepool_2d_ceil averagepool_2d_ceil_last_window_starts_on_pad""",
    "GlobalAveragePool": "globalaveragepool globalaveragepool_precomputed",
    "GlobalMaxPool": "globalmaxpool globalmaxpool_precomputed",
    "BatchNormalization": """
        batchnorm_example batchnorm_epsilon batchnorm_example_training_mode batchnorm_epsilon_training_mode""",
    "Softmax": """
        softmax_example softmax_large_number softmax_axis_0 softmax_axis_1 softmax_axis_2 softmax_negative_axis
        softmax_default_axis""",
    "LogSoftmax": """
        logsoftmax_example_1 logsoftmax_large_number logsoftmax_axis_0 logsoftmax_axis_1 logsoftmax_axis_2
        logsoftmax_negative_axis logsoftmax_default_axis""",
    "SoftmaxCrossEntropyLoss": " ".join(
        f"sce_{name} sce_{name}_log_prob"
        for name in """
        none none_weights sum mean mean_3d mean_weight mean_weight_ii mean_no_weight_ii mean_weight_ii_3d
        mean_no_weight_ii_3d mean_weight_ii_4d mean_no_weight_ii_4d NCd1d2d3d4d5_mean_weight
        NCd1d2d3d4d5_none_no_weight NCd1_mean_weight_negative_ii NCd1d2d3_none_no_weight_negative_ii
        NCd1d2d3_sum_weight_high_ii""".split()
    ),
    "NegativeLogLikelihoodLoss": "",
    "Col2Im": "col2im col2im_strides col2im_pads col2im_dilations",
    "Relu": "relu",
    "Erf": "erf",
    "Dropout": "training_dropout_zero_ratio training_dropout_zero_ratio_mask",
    "Momentum": "momentum nesterov_momentum momentum_multiple",
    "Adam": "adam adam_multiple",
}

THREE_AXES = "three spatial axes; the primitives have two"
HALF_A_KERNEL = "padding beyond half the kernel, which pooling refuses, as PyTorch does"
NO_DILATION = "average pooling has no dilation, as in PyTorch"
NO_SOFTMAX = "its input is taken for log-probabilities as it is; the primitive is softmax and cross entropy in one"
OTHER_RANDOM = "its mask comes from NumPy's old generator"
INFERENCE = "in inference dropout is the layer's, which passes its input on"

NOT_RUN = {
    "convtranspose_3d": THREE_AXES,
    "maxpool_2d_uint8": "images of bytes; the primitives take floating ones",
    "maxpool_2d_pads": HALF_A_KERNEL,
    "maxpool_3d_default": THREE_AXES,
    "maxpool_3d_dilations": THREE_AXES,
    "maxpool_3d_dilations_use_ref_impl": THREE_AXES,
    "maxpool_3d_dilations_use_ref_impl_large": THREE_AXES,
    "averagepool_2d_pads": HALF_A_KERNEL,
    "averagepool_2d_pads_count_include_pad": HALF_A_KERNEL,
    "averagepool_2d_dilations": NO_DILATION,
    "averagepool_3d_default": THREE_AXES,
    "averagepool_3d_dilations_small": THREE_AXES,
    **{
        f"averagepool_3d_dilations_large_count_include_pad_is_{pad}_ceil_mode_is_{ceil}": THREE_AXES
        for pad in (0, 1)
        for ceil in (True, False)
    },
    "nllloss_NC": NO_SOFTMAX,
    "nllloss_NCd1": NO_SOFTMAX,
    "nllloss_NCd1_ii": NO_SOFTMAX,
    "nllloss_NCd1_mean_weight_negative_ii": NO_SOFTMAX,
    "nllloss_NCd1_weight": NO_SOFTMAX,
    "nllloss_NCd1_weight_ii": NO_SOFTMAX,
    "nllloss_NCd1d2": NO_SOFTMAX,
    "nllloss_NCd1d2_no_weight_reduction_mean_ii": NO_SOFTMAX,
    "nllloss_NCd1d2_reduction_mean": NO_SOFTMAX,
    "nllloss_NCd1d2_reduction_sum": NO_SOFTMAX,
    "nllloss_NCd1d2_with_weight": NO_SOFTMAX,
    "nllloss_NCd1d2_with_weight_reduction_mean": NO_SOFTMAX,
    "nllloss_NCd1d2_with_weight_reduction_sum": NO_SOFTMAX,
    "nllloss_NCd1d2_with_weight_reduction_sum_ii": NO_SOFTMAX,
    "nllloss_NCd1d2d3_none_no_weight_negative_ii": NO_SOFTMAX,
    "nllloss_NCd1d2d3_sum_weight_high_ii": NO_SOFTMAX,
    "nllloss_NCd1d2d3d4d5_mean_weight": NO_SOFTMAX,
    "nllloss_NCd1d2d3d4d5_none_no_weight": NO_SOFTMAX,
    "col2im_5d": THREE_AXES,
    "dropout_default": INFERENCE,
    "dropout_default_mask": INFERENCE,
    "dropout_default_mask_ratio": INFERENCE,
    "dropout_default_old": INFERENCE,
    "dropout_default_ratio": INFERENCE,
    "dropout_random_old": INFERENCE,
    "training_dropout": OTHER_RANDOM,
    "training_dropout_default": OTHER_RANDOM,
    "training_dropout_default_mask": OTHER_RANDOM,
    "training_dropout_mask": OTHER_RANDOM,
}


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    """All published node vectors of the families by name, save those that spell a node out in smaller ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases = collect_testcases(None)
    return {
        case.name.removeprefix("test_"): case
        for case in cases
        if "_expanded" not in case.name and len(case.model.graph.node) == 1 and case.model.graph.node[0].op_type in RUN
    }


@pytest.mark.parametrize(("family", "name"), [(family, name) for family in RUN for name in RUN[family].split()])
def test_vector(vectors: dict[str, Any], family: str, name: str) -> None:
    case = along_two_axes(Case(vectors[name]))
    got = RUNNERS[family](case)
    assert len(got) == len(case.outputs)
    for result, wanted in zip(got, case.outputs, strict=True):
        assert np.shape(result) == np.shape(wanted)
        assert result.dtype == wanted.dtype
        if wanted.dtype.kind == "f":
            assert_allclose(result, wanted, rtol=case.rtol, atol=case.atol)
        else:
            assert_array_equal(result, wanted)


def test_every_vector_is_run_or_has_its_reason(vectors: dict[str, Any]) -> None:
    run = {name: family for family, names in RUN.items() for name in names.split()}
    assert not run.keys() & NOT_RUN.keys()
    assert vectors.keys() == run.keys() | NOT_RUN.keys()
    for name, family in run.items():
        assert Case(vectors[name]).operation == family
    assert all(len(reason.split()) > 3 for reason in NOT_RUN.values())


def test_the_reasons_hold(vectors: dict[str, Any]) -> None:
    for name, reason in NOT_RUN.items():
        case = Case(vectors[name])
        if reason == HALF_A_KERNEL:
            with pytest.raises(ShapeError, match="more than half"):
                RUNNERS[case.operation](case)
        elif reason == THREE_AXES:
            assert max(case.inputs[0].ndim, case.outputs[0].ndim) == 5
        elif reason == NO_DILATION:
            assert max(case["dilations"]) > 1
