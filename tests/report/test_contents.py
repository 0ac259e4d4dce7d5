"""What is measured for a report, beside measurements of its own."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_training import stripes

import gpunet as gn
from gpunet.data import Dataset
from gpunet.report.contents import Contents, collect
from gpunet.report.grad_cam import grad_cam, stretched
from gpunet.report.pictures import displayed_size


def test_the_answers_are_those_of_an_evaluation(trained: gn.Trainer, test_images: Dataset, contents: Contents) -> None:
    wanted = trained.evaluate(test_images)
    assert contents.accuracy == wanted.accuracy
    assert contents.evaluation.loss == pytest.approx(wanted.loss)
    assert len(contents.answers) == 24
    assert sum(answer.right for answer in contents.answers) == round(24 * contents.accuracy)
    assert [contents.name(label) for label in range(3)] == list(test_images.class_names)


def test_the_worst_mistakes_have_the_highest_losses(test_images: Dataset, contents: Contents) -> None:
    losses = {answer.index: -np.log(answer.truth_confidence) for answer in contents.answers if not answer.right}
    assert len(losses) > 5
    assert [answer.index for answer in contents.mistakes] == sorted(losses, key=losses.__getitem__, reverse=True)[:5]
    assert all(answer.truth == test_images.labels[answer.index] for answer in contents.mistakes)


def test_the_maps_are_those_of_their_images_and_classes(
    trained: gn.Trainer, test_images: Dataset, contents: Contents
) -> None:
    explanation = contents.explanation
    assert explanation is not None
    assert explanation.layer == "3"  # the dropout after the rectifier: in inference it changes nothing
    assert explanation.size == (4, 4)
    size = displayed_size(6, 6)
    examples = [*explanation.right, *explanation.wrong]
    assert len(explanation.wrong) == 6
    assert len({example.answer.truth for example in explanation.right}) == len(explanation.right) > 0
    for example in examples:
        classes = [label for label, _ in example.maps]
        answer = example.answer
        assert classes == ([answer.truth] if answer.right else [answer.predicted, answer.truth])
        images = gn.data.prepare_images(
            test_images.images[[answer.index] * len(classes)], test_images.mean, test_images.std
        )
        cam = grad_cam(trained.net, trained.net.backend.asarray(images), classes, explanation.layer)
        for (_, shown), wanted in zip(example.maps, stretched(cam.maps, size), strict=True):
            np.testing.assert_allclose(shown, wanted, atol=1e-4)


def test_filters_statistics_and_times_are_of_the_net(trained: gn.Trainer, contents: Contents) -> None:
    assert contents.filters is not None
    np.testing.assert_array_equal(contents.filters.weights, trained.net.backend.to_numpy(trained.net[0].weight.value))
    assert (contents.filters.layer, contents.filters.count) == ("0 Conv2d", 4)
    names = [str(number) for number in range(6)]
    assert [layer.name for layer in contents.statistics] == names
    assert contents.statistics_images == 24
    assert [row.name for row in contents.times.rows if row.leaf] == names
    assert contents.times_batch == 8
    assert contents.history is trained.history


def test_the_net_is_left_as_it_was(trained: gn.Trainer, test_images: Dataset) -> None:
    before = trained.net.state_dict()
    gradients = [parameter.grad for parameter in trained.net.parameters()]
    collect(trained.net, trained.loss, test_images)
    assert all(np.array_equal(before[name], value) for name, value in trained.net.state_dict().items())
    assert all(now is then for now, then in zip([p.grad for p in trained.net.parameters()], gradients, strict=True))


def test_a_net_without_convolution_has_no_filters_and_no_maps() -> None:
    net = gn.Sequential(gn.Flatten(), gn.Linear(36, 3))
    found = collect(net, gn.CrossEntropyLoss(), stripes(9))
    assert found.filters is None
    assert found.explanation is None
    assert len(found.history) == 0
    assert found.times_batch == 64  # a training's batch is timed, though there are only nine images


def test_large_images_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpunet.report.contents._STATISTICS_PIXELS", 36 * 20)
    net = gn.Sequential(gn.Flatten(), gn.Linear(36, 3))
    assert collect(net, gn.CrossEntropyLoss(), stripes(30)).statistics_images == 20
    assert collect(net, gn.CrossEntropyLoss(), stripes(12)).statistics_images == 12


def test_many_filters_are_cut_and_counted() -> None:
    net = gn.Sequential(gn.Conv2d(1, 70, 3), gn.ReLU(), gn.Flatten(), gn.Linear(70 * 16, 3))
    found = collect(net, gn.CrossEntropyLoss(), stripes(9), batch_size=2)
    assert found.filters is not None
    assert (found.filters.weights.shape, found.filters.count) == ((64, 1, 3, 3), 70)


def test_what_gives_no_classes_is_refused() -> None:
    images = Dataset(np.zeros((4, 1, 6, 6), np.uint8), [0] * 4, ["a"], mean=0.0, std=1.0)

    def loss(outputs, labels):
        return outputs.sum(), 0 * outputs

    with pytest.raises(gn.DataError, match=r"report: the net's outputs are of shape \(4, 2, 4, 4\), wanted scores"):
        collect(gn.Sequential(gn.Conv2d(1, 2, 3)), loss, images)
    empty = Dataset(np.zeros((0, 1, 6, 6), np.uint8), [], ["a"], mean=0.0, std=1.0)
    with pytest.raises(gn.DataError, match="the dataset is empty"):
        collect(gn.Sequential(gn.Flatten(), gn.Linear(36, 1)), gn.CrossEntropyLoss(), empty)
