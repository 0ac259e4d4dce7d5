"""Values by hand, gradients by differences, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tolerances import GRADIENT_CHECK_FLOAT64

import gpunet as gn
from gpunet.losses import Loss

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(5, 4))
LABELS = np.array([0, 3, 1, 3, 2])
IMAGE_LOGITS = RNG.normal(size=(2, 3, 4, 5))
IMAGE_LABELS = RNG.integers(0, 3, (2, 4, 5))
TARGETS = RNG.normal(size=(5, 4))
SHARES = RNG.uniform(size=(5, 4))
CLASS_WEIGHT = [0.5, 2.0, 0.0, 1.0]

CASES = {
    "cross entropy": (gn.CrossEntropyLoss(), LOGITS, LABELS),
    "cross entropy sum": (gn.CrossEntropyLoss(reduction="sum"), LOGITS, LABELS),
    "cross entropy none": (gn.CrossEntropyLoss(reduction="none"), LOGITS, LABELS),
    "cross entropy weighted": (gn.CrossEntropyLoss(CLASS_WEIGHT), LOGITS, LABELS),
    "cross entropy weighted sum": (gn.CrossEntropyLoss(CLASS_WEIGHT, reduction="sum"), LOGITS, LABELS),
    "cross entropy ignoring": (gn.CrossEntropyLoss(ignore_index=3), LOGITS, LABELS),
    "cross entropy smooth": (gn.CrossEntropyLoss(label_smoothing=0.3), LOGITS, LABELS),
    "cross entropy all": (gn.CrossEntropyLoss([1.0, 2.0, 3.0], 1, 0.2, "none"), IMAGE_LOGITS, IMAGE_LABELS),
    "cross entropy of images": (gn.CrossEntropyLoss(label_smoothing=0.1), IMAGE_LOGITS, IMAGE_LABELS),
    "squared": (gn.MSELoss(), LOGITS, TARGETS),
    "squared sum": (gn.MSELoss("sum"), LOGITS, TARGETS),
    "squared none": (gn.MSELoss("none"), LOGITS, TARGETS),
    "huber": (gn.HuberLoss(), LOGITS, TARGETS),
    "huber narrow": (gn.HuberLoss("sum", 0.3), LOGITS, TARGETS),
    "binary": (gn.BCEWithLogitsLoss(), LOGITS, SHARES),
    "binary hard": (gn.BCEWithLogitsLoss(reduction="sum"), LOGITS, np.round(SHARES)),
    "binary weighted": (gn.BCEWithLogitsLoss(CLASS_WEIGHT, "mean", [1.0, 2.0, 0.3, 4.0]), LOGITS, SHARES),
    "binary weighted by sample": (gn.BCEWithLogitsLoss(np.ones((5, 1)) * 2, pos_weight=3), LOGITS, SHARES),
}
every = pytest.mark.parametrize(("loss", "predictions", "targets"), CASES.values(), ids=CASES.keys())


@every
def test_gradients(loss: Loss, predictions: np.ndarray, targets: np.ndarray) -> None:
    result = gn.gradient_check(loss, predictions, targets, tolerance=GRADIENT_CHECK_FLOAT64)
    assert result.errors["predictions"] <= GRADIENT_CHECK_FLOAT64


@every
def test_dtypes_and_inputs_stay(loss: Loss, predictions: np.ndarray, targets: np.ndarray) -> None:
    predictions = predictions.astype("float32")
    targets = targets.astype("float32") if targets.dtype.kind == "f" else targets
    for array in (predictions, targets):
        array.flags.writeable = False
    value, grad = loss(predictions, targets)
    assert isinstance(value, np.ndarray)
    assert value.dtype == grad.dtype == np.float32
    assert grad.shape == predictions.shape
    if loss.reduction != "none":
        assert value.shape == ()


@every
def test_reductions_agree(loss: Loss, predictions: np.ndarray, targets: np.ndarray) -> None:
    reduction = loss.reduction
    try:
        found = {}
        for loss.reduction in ("none", "sum", "mean"):
            found[loss.reduction] = loss(predictions, targets)
    finally:
        loss.reduction = reduction
    assert found["none"][0].sum() == pytest.approx(found["sum"][0])
    np.testing.assert_array_equal(found["none"][1], found["sum"][1])
    scale = found["mean"][0] / found["sum"][0]
    np.testing.assert_allclose(found["mean"][1], found["sum"][1] * scale, rtol=1e-12, atol=1e-15)


def test_cross_entropy_by_hand() -> None:
    logits = np.log(np.array([[1.0, 2.0, 5.0], [1.0, 1.0, 2.0]]))
    value, grad = gn.CrossEntropyLoss()(logits, np.array([2, 0]))
    assert value == pytest.approx((math.log(8 / 5) + math.log(4)) / 2)
    np.testing.assert_allclose(grad, np.array([[1 / 8, 2 / 8, 5 / 8 - 1], [1 / 4 - 1, 1 / 4, 2 / 4]]) / 2, rtol=1e-14)


def test_class_weights_divide_by_their_sum() -> None:
    value, _ = gn.CrossEntropyLoss([1.0, 3.0])(np.log([[1.0, 3.0], [1.0, 1.0]]), np.array([0, 1]))
    assert value == pytest.approx((1 * math.log(4) + 3 * math.log(2)) / 4)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_integers_of_any_kind_are_labels(dtype: str) -> None:
    value, grad = gn.CrossEntropyLoss()(LOGITS, LABELS.astype(dtype))
    expected_value, expected_grad = gn.CrossEntropyLoss()(LOGITS, LABELS)
    assert value == expected_value
    np.testing.assert_array_equal(grad, expected_grad)


def test_nothing_left_is_nan_for_the_mean_and_zero_for_the_sum() -> None:
    labels = np.full(5, -100)
    value, grad = gn.CrossEntropyLoss()(LOGITS, labels)
    assert np.isnan(value)
    assert np.isnan(grad).all()
    value, grad = gn.CrossEntropyLoss(reduction="sum")(LOGITS, labels)
    assert value == 0
    np.testing.assert_array_equal(grad, 0 * LOGITS)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (gn.CrossEntropyLoss(), np.zeros(0, int)),
        (gn.MSELoss(), np.zeros((0, 3))),
        (gn.HuberLoss(), np.zeros((0, 3))),
        (gn.BCEWithLogitsLoss(), np.zeros((0, 3))),
    ],
)
def test_the_mean_over_an_empty_batch_is_nan(loss: Loss, targets: np.ndarray) -> None:
    value, grad = loss(np.zeros((0, 3)), targets)
    assert np.isnan(value)
    assert grad.shape == (0, 3)


@given(
    hnp.arrays(np.float32, (3, 4), elements=st.floats(-1e4, 1e4, width=32)),
    hnp.arrays(np.int64, 3, elements=st.integers(0, 3)),
)
def test_logits_of_any_size(logits: np.ndarray, labels: np.ndarray) -> None:
    one_hot = np.eye(4, dtype=np.float32)[labels]
    for loss, targets in [(gn.CrossEntropyLoss(), labels), (gn.BCEWithLogitsLoss(), one_hot)]:
        value, grad = loss(logits, targets)
        assert np.isfinite(value)
        assert value >= 0
        assert (np.abs(grad) <= 1).all()


def test_huge_logits_give_huge_losses() -> None:
    value, grad = gn.CrossEntropyLoss()(np.array([[1e4, -1e4]]), np.array([1]))
    assert value == 2e4
    np.testing.assert_array_equal(grad, [[1, -1]])
    logits, targets = np.array([1e4, -1e4, 1e4, -1e4]), np.array([0.0, 1, 1, 0])
    value, grad = gn.BCEWithLogitsLoss(reduction="sum")(logits, targets)
    assert value == 2e4
    np.testing.assert_array_equal(grad, [1, -1, 0, 0])


def test_huber_is_square_inside_and_straight_outside() -> None:
    predictions, targets = np.array([[0.0, 0.5, 2.0, 3.0]]), np.array([[0.0, 1.0, 0.0, -7.0]])
    value, grad = gn.HuberLoss("none", delta=2.0)(predictions, targets)
    np.testing.assert_array_equal(value, [[0, 0.125, 2, 2 * (10 - 1)]])
    np.testing.assert_array_equal(grad, [[0, -0.5, 2, 2]])


def test_squared_by_hand() -> None:
    value, grad = gn.MSELoss()(np.array([[1.0, 2.0]]), np.array([[3.0, -1.0]]))
    assert value == (4 + 9) / 2
    np.testing.assert_array_equal(grad, [[-2, 3]])


# What is refused

FLOATS = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("predictions", "targets", "error", "message"),
    [
        (FLOATS, np.ones(2), gn.DataError, r"got float64 targets, wanted integer labels\. Convert: targets\.astype"),
        (FLOATS, np.ones(2, bool), gn.DataError, "got bool targets, wanted integer labels"),
        (FLOATS, np.eye(3, dtype=int)[:2], gn.ShapeError, r"wanted integer labels of shape \(2,\)\. For one-hot targ"),
        (FLOATS, np.ones((2, 1), int), gn.ShapeError, r"got targets of shape \(2, 1\) .*labels of shape \(2,\)\.$"),
        (np.ones(3, np.float32), np.array([1, 1, 1]), gn.ShapeError, r"got predictions of shape \(3,\), wanted logits"),
        (np.ones((2, 0)), np.array([0, 0]), gn.ShapeError, r"got predictions of shape \(2, 0\)"),
        (np.ones((2, 3), int), np.array([0, 0]), gn.DataError, "got int64 predictions, wanted floats"),
        ([[1.0]], np.array([0]), gn.BackendError, r"got a builtins\.list"),
        (FLOATS, [0, 1], gn.BackendError, r"got a builtins\.list"),
    ],
)
def test_cross_entropy_refuses(predictions: object, targets: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"^CrossEntropyLoss: .*{message}"):
        gn.CrossEntropyLoss()(predictions, targets)


@pytest.mark.numpy_only("a device gives NaN, because looking at the labels would wait for it")
@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 3], r"label 3 is outside \[0, 3\): the net has 3 outputs"), ([-1, 0], r"label -1 is outside")],
)
def test_cross_entropy_refuses_labels_out_of_range(labels: list[int], message: str) -> None:
    with pytest.raises(gn.DataError, match=rf"^CrossEntropyLoss: {message}"):
        gn.CrossEntropyLoss()(FLOATS, np.array(labels))


def test_class_weights_must_fit_the_classes() -> None:
    with pytest.raises(
        gn.ShapeError, match=r"^CrossEntropyLoss: got weights for 2 classes, but the predictions have 3"
    ):
        gn.CrossEntropyLoss([1, 2])(FLOATS, np.array([0, 1]))
    with pytest.raises(gn.ShapeError, match=r"weight of shape \(1, 2\), wanted one number a class"):
        gn.CrossEntropyLoss([[1, 2]])
    with pytest.raises(gn.DataError, match=r"CrossEntropyLoss: weight: got \['a'\], wanted numbers"):
        gn.CrossEntropyLoss(["a"])


@pytest.mark.parametrize("loss", [gn.MSELoss(), gn.HuberLoss(), gn.BCEWithLogitsLoss()], ids=repr)
def test_pointwise_losses_refuse(loss: Loss) -> None:
    kind = type(loss).__name__
    with pytest.raises(gn.ShapeError, match=rf"^{kind}: got targets of shape \(2, 1\) .* nothing is broadcast"):
        loss(FLOATS, np.ones((2, 1), np.float32))
    with pytest.raises(gn.DataError, match=rf"^{kind}: got float64 targets for float32 predictions. Convert them"):
        loss(FLOATS, np.ones((2, 3)))
    with pytest.raises(gn.DataError, match=rf"^{kind}: got int64 targets for float32 predictions"):
        loss(FLOATS, np.ones((2, 3), int))


@pytest.mark.parametrize("shape", [(2,), (3, 1), (4, 2, 3)])
@pytest.mark.parametrize("name", ["weight", "pos_weight"])
def test_binary_weights_must_broadcast(name: str, shape: tuple[int, ...]) -> None:
    loss = gn.BCEWithLogitsLoss(**{name: np.ones(shape)})
    with pytest.raises(gn.ShapeError, match=rf"^BCEWithLogitsLoss: {name} of shape .* does not broadcast over"):
        loss(FLOATS, FLOATS)


def test_settings_are_checked() -> None:
    with pytest.raises(gn.DataError, match="MSELoss: reduction 'average' is unknown: choose one of mean, sum, none"):
        gn.MSELoss("average")
    for smoothing in (-0.1, 1.1, float("nan")):
        with pytest.raises(gn.DataError, match=r"label_smoothing must be in \[0, 1\]"):
            gn.CrossEntropyLoss(label_smoothing=smoothing)
    for delta in (0, -1, float("nan")):
        with pytest.raises(gn.DataError, match="HuberLoss: delta must be above 0"):
            gn.HuberLoss(delta=delta)


def test_text() -> None:
    assert repr(gn.MSELoss()) == "MSELoss(reduction='mean')"
    assert repr(gn.HuberLoss("sum", 2)) == "HuberLoss(reduction='sum', delta=2.0)"
    assert repr(gn.CrossEntropyLoss()) == (
        "CrossEntropyLoss(weight=None, ignore_index=-100, label_smoothing=0.0, reduction='mean')"
    )
    assert "weight=array of 2" in repr(gn.CrossEntropyLoss([1, 2]))
