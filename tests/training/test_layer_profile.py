"""The table of layers that a training shows before it begins."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_training import small_net, stripes, trainer

import gpunet as gn
from gpunet.training import LayerProfile


def test_each_layer_is_timed_and_the_training_is_as_without() -> None:
    shown: list[str] = []
    profile = LayerProfile(repeats=1, show=shown.append)
    net, plain = small_net(), small_net()
    history = trainer(net, callbacks=[profile]).fit(stripes(), 2)
    assert history.records == trainer(plain).fit(stripes(), 2).records
    for name, array in plain.state_dict().items():
        np.testing.assert_array_equal(net.state_dict()[name], array)
    assert profile.times is not None
    layers = {row.name: row for row in profile.times.rows if row.leaf}
    assert set(layers) == {"0", "1", "2", "3", "4", "5"}
    assert all(row.forward > 0 for row in layers.values())
    assert shown == [f"time of a batch of 8 images on numpy, forward and backward:\n{profile.times}"]


def test_by_default_it_speaks_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    trainer(callbacks=[LayerProfile(repeats=1)]).fit(stripes(), 1)
    assert "0 Conv2d" in capsys.readouterr().err


def test_wrong_arguments() -> None:
    with pytest.raises(gn.DataError, match="LayerProfile: repeats must be at least 1, got 0"):
        LayerProfile(repeats=0)
