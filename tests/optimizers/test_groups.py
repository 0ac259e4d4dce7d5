import pytest

import gpunet as gn
from gpunet.optimizers import SGD, no_decay_groups


def test_weights_decay_and_nothing_else():
    net = gn.Sequential(
        gn.Conv2d(3, 4, 3, padding=1),
        gn.BatchNorm2d(4),
        gn.PReLU(4),
        gn.GroupNorm(2, 4),
        gn.LayerNorm((4, 8, 8)),
        gn.ConvTranspose2d(4, 2, 3),
        gn.Flatten(),
        gn.Linear(200, 5),
    )
    decayed, others = no_decay_groups(net, 1e-3)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    assert [names[id(p)] for p in decayed["params"]] == ["0.weight", "5.weight", "7.weight"]
    assert len(decayed["params"]) + len(others["params"]) == len(net.parameters())
    assert (decayed["weight_decay"], others["weight_decay"]) == (1e-3, 0.0)
    optimizer = SGD([decayed, others], lr=0.1)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [1e-3, 0.0]


def test_a_shared_weight_stands_in_one_group():
    net = gn.Sequential(gn.Linear(4, 4), gn.Linear(4, 4))
    net[1].weight = net[0].weight
    decayed, others = no_decay_groups(net, 0.1)
    assert [len(group["params"]) for group in (decayed, others)] == [1, 2]


def test_an_empty_group_is_left_out():
    (only,) = no_decay_groups(gn.Sequential(gn.BatchNorm2d(3)), 0.1)
    assert only["weight_decay"] == 0
    (only,) = no_decay_groups(gn.Sequential(gn.Linear(3, 2, bias=False)), 0.1)
    assert only["weight_decay"] == 0.1
    with pytest.raises(gn.DataError, match="no parameters"):
        SGD(no_decay_groups(gn.Sequential(gn.ReLU()), 0.1))
