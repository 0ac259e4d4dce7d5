"""Saving and loading the state of optimizers: to the bit, or not at all."""

import copy
import json

import numpy as np
import pytest
from optimizer_runs import ALL, LIVELY, equal, parameters, run, values

import gpunet as gn
from gpunet.optimizers import SGD, Adam, RMSprop


@pytest.mark.parametrize("kind", ALL)
def test_a_loaded_optimizer_goes_on_to_the_bit(kind):
    first = kind(parameters(), **LIVELY[kind], lr=0.01)
    run(first, 3)
    first.param_groups[0]["lr"] = 0.1 / 3
    state = first.state_dict()
    settings = json.loads(json.dumps(state["settings"]))
    second = kind(copy.deepcopy(first.parameters()), lr=5.0)
    second.load_state_dict({"arrays": state["arrays"], "settings": settings})
    run(first, 3, first_seed=3)
    run(second, 3, first_seed=3)
    assert equal(values(first), values(second))
    again, wanted = second.state_dict(), first.state_dict()
    assert again["settings"] == wanted["settings"]
    assert again["arrays"].keys() == wanted["arrays"].keys()
    assert equal(again["arrays"].values(), wanted["arrays"].values())


def test_names_in_the_state():
    weights, biases = parameters(shapes=[(2, 3)]), parameters(shapes=[(2,), (5,)])
    adam = Adam([{"params": biases}, {"params": weights, "lr": 0.5}])
    assert adam.state_dict()["arrays"] == {}
    run(adam, 4)
    biases[1].trainable = False
    run(adam, 1)
    state = adam.state_dict()
    assert set(state["arrays"]) == {f"{i}.{name}" for i in range(3) for name in ("exp_avg", "exp_avg_sq", "step")}
    assert state["arrays"]["2.exp_avg"].shape == (2, 3)
    assert [int(state["arrays"][f"{i}.step"]) for i in range(3)] == [5, 4, 5]
    assert state["arrays"]["0.step"].dtype == np.int64
    assert state["settings"]["optimizer"] == "Adam"
    assert [group["params"] for group in state["settings"]["param_groups"]] == [[0, 1], [2]]
    assert [group["lr"] for group in state["settings"]["param_groups"]] == [1e-3, 0.5]
    sgd = SGD(parameters(), momentum=0.9)
    run(sgd, 1)
    assert set(sgd.state_dict()["arrays"]) == {f"{i}.momentum_buffer" for i in range(3)}
    rmsprop = RMSprop(parameters())
    run(rmsprop, 1)
    assert set(rmsprop.state_dict()["arrays"]) == {f"{i}.square_avg" for i in range(3)}


def test_the_state_shares_no_memory():
    optimizer = SGD(parameters(), momentum=0.9, lr=0.1)
    run(optimizer, 1)
    state = optimizer.state_dict()
    kept = {name: array.copy() for name, array in state["arrays"].items()}
    run(optimizer, 1)
    assert equal(state["arrays"].values(), kept.values())
    optimizer.load_state_dict(state)
    run(optimizer, 1)
    assert equal(state["arrays"].values(), kept.values())


def test_a_state_is_loaded_in_the_dtype_of_the_parameters():
    single, double = Adam(parameters()), Adam(parameters("float64"))
    run(single, 2)
    double.load_state_dict(single.state_dict())
    run(double, 1)
    assert {state["exp_avg"].dtype for state in double.state.values()} == {np.dtype("float64")}


def spoiled(change):
    def apply(state):
        change(state)
        return state

    return apply


MISFITS = {
    "nothing": lambda _: {},
    "no mapping": lambda _: None,
    "a list": lambda state: [state],
    "only arrays": lambda state: {"arrays": state["arrays"]},
    "only settings": lambda state: {"settings": state["settings"]},
    "arrays that are none": lambda state: {**state, "arrays": [1]},
    "another optimizer": spoiled(lambda state: state["settings"].update(optimizer="SGD")),
    "fewer groups": spoiled(lambda state: state["settings"]["param_groups"].pop()),
    "groups that are none": spoiled(lambda state: state["settings"].update(param_groups=[1, 2])),
    "groups that are lists": spoiled(lambda state: state["settings"].update(param_groups=7)),
    "fewer parameters": spoiled(lambda state: state["settings"]["param_groups"][0]["params"].pop()),
    "a missing setting": spoiled(lambda state: state["settings"]["param_groups"][1].pop("eps")),
    "an unknown setting": spoiled(lambda state: state["settings"]["param_groups"][1].update(amsgrad=True)),
    "a negative rate": spoiled(lambda state: state["settings"]["param_groups"][1].update(lr=-1.0)),
    "a rate of NaN": spoiled(lambda state: state["settings"]["param_groups"][1].update(lr=float("nan"))),
    "a wrong first rate": spoiled(lambda state: state["settings"]["param_groups"][1].update(initial_lr="x")),
    "a rate in words": spoiled(lambda state: state["settings"]["param_groups"][1].update(lr="0.1")),
    "one beta": spoiled(lambda state: state["settings"]["param_groups"][1].update(betas=[0.9])),
    "another shape": spoiled(lambda state: state["arrays"].update({"0.exp_avg": np.zeros((4, 3), "float32")})),
    "integers": spoiled(lambda state: state["arrays"].update({"0.exp_avg": np.zeros((3, 4), "int64")})),
    "half a step": spoiled(lambda state: state["arrays"].update({"0.step": np.float32(1.5)})),
    "steps below 1": spoiled(lambda state: state["arrays"].update({"0.step": np.int64(0)})),
    "an unknown array": spoiled(lambda state: state["arrays"].update({"0.momentum_buffer": np.zeros((3, 4))})),
    "a number too high": spoiled(lambda state: state["arrays"].update({"3.exp_avg": np.zeros(())})),
    "no number": spoiled(lambda state: state["arrays"].update({"weight": np.zeros(())})),
    "averages without steps": spoiled(lambda state: state["arrays"].pop("1.step")),
    "steps without averages": spoiled(lambda state: state["arrays"].pop("1.exp_avg_sq")),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_state_that_does_not_fit_changes_nothing(name):
    first, *rest = parameters()
    optimizer = Adam([{"params": first}, {"params": rest, "lr": 0.1}])
    run(optimizer, 2)
    before = optimizer.state_dict()
    misfit = MISFITS[name](optimizer.state_dict())
    optimizer.param_groups[0]["lr"] = before["settings"]["param_groups"][0]["lr"] = 0.25
    with pytest.raises(gn.CheckpointError, match=r"^Adam: .*Nothing was loaded") as error:
        optimizer.load_state_dict(misfit)
    assert "\n" not in str(error.value)
    after = optimizer.state_dict()
    assert after["settings"] == before["settings"]
    assert equal(after["arrays"].values(), before["arrays"].values())
