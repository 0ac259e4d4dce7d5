"""Settings files and ready recipes: what a key may hold, and which of several sources wins."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from gpunet.cli.building import build_net
from gpunet.cli.fields import Field
from gpunet.cli.parser import assignment, size
from gpunet.cli.settings import (
    OPTIMIZERS,
    SCHEDULES,
    checked,
    completed,
    overridden,
    read_settings,
    recipe_for,
    recipes,
)
from gpunet.errors import DataError
from gpunet.resources import folder
from gpunet.training.toml_file import read_toml, to_toml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "there is no key 'epoch'. Did you mean 'epochs'? Known here: model, data, epochs,"),
        ("qqqqq = 3", "there is no key 'qqqqq'. Known here: model,"),
        ("epochs = 0", "epochs: got 0, wanted an integer of at least 1."),
        ("epochs = 2.0", "epochs: got 2.0, wanted an integer of at least 1."),
        ("epochs = true", "epochs: got True, wanted an integer of at least 1."),
        ('epochs = "3"', "epochs: got '3', wanted an integer of at least 1."),
        ("seed = 0.5", "seed: got 0.5, wanted an integer."),
        ("model = 3", "model: got 3, wanted a text."),
        ('drop_last = "yes"', "drop_last: got 'yes', wanted true or false."),
        ("label_smoothing = 1.5", "label_smoothing: got 1.5, wanted a number of at least 0 and at most 1."),
        ("max_grad_norm = nan", "max_grad_norm: got nan, wanted a number of at least 0."),
        ("max_grad_norm = inf", "max_grad_norm: got inf, wanted a number of at least 0."),
        ('backend = "numpi"', "backend: got 'numpi', wanted one of auto, numpy, cupy. Did you mean 'numpy'?"),
        ("model_options = 3", "model_options: got 3, wanted a table."),
        ("optimizer = 3", "optimizer: got 3, wanted a table."),
        ('[optimizer]\nname = "adma"', "[optimizer]: name: got 'adma', wanted one of sgd, adam, adamw, rmsprop."),
        ('[optimizer]\nname = "adam"\nmomentum = 0.9', "[optimizer]: there is no key 'momentum'."),
        ("[optimizer]\nmomentun = 0.9", "[optimizer]: there is no key 'momentun'. Did you mean 'momentum'?"),
        ("[optimizer]\nlr = -1", "[optimizer]: lr: got -1, wanted a number of at least 0."),
        ("[optimizer]\nlr = true", "[optimizer]: lr: got True, wanted a number of at least 0."),
        ('[optimizer]\nname = "adam"\nbetas = 0.9', "betas: got 0.9, wanted a list of numbers of at least 0."),
        ('[optimizer]\nname = "adam"\nbetas = [0.9, "x"]', "betas: got [0.9, 'x'], wanted a list of numbers"),
        ('[optimizer]\ndecay = "some"', "decay: got 'some', wanted one of weights, all."),
        ('[schedule]\nname = "steps"', "[schedule]: name: got 'steps', wanted one of none, step,"),
        ('[schedule]\nname = "multistep"\nmilestones = [1.5]', "milestones: got [1.5], wanted a list of integers"),
        ('[schedule]\nname = "onecycle"\ndiv_factor = 0', "div_factor: got 0, wanted a number above 0."),
        ('[schedule]\nname = "none"\nwarmup = 1', "[schedule]: there is no key 'warmup'. Known here: name."),
        (
            "[data_options]\nimage_size = [28, 28, 1]",
            "image_size: got [28, 28, 1], wanted an integer or [rows, columns]",
        ),
        ("[data_options]\nimage_size = [28, 0]", "image_size: got [28, 0], wanted an integer or [rows, columns] of at"),
        ("[data_options]\nshuffle = 1", "[data_options]: there is no key 'shuffle'."),
        ("epochs = ", "is no TOML: Invalid value (at "),
    ],
)
def test_a_wrong_file_names_file_key_and_what_is_wanted(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        read_settings(str(file))
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_right_is_read_as_what_it_means(tmp_path: Path) -> None:
    file = tmp_path / "mine"  # a file needs no suffix
    file.write_text(
        'epochs = 3\nlabel_smoothing = 0\n[data_options]\nimage_size = [8, 9]\nchannels = 3\npath = "x"\n'
        '[optimizer]\nname = "adam"\nbetas = [0, 1]\nlr = 1\n[versions]\ngpunet = "0"\n'
    )
    settings = read_settings(str(file))
    assert settings == {
        "epochs": 3,
        "label_smoothing": 0.0,
        "data_options": {"image_size": [8, 9], "channels": 3, "path": "x"},
        "optimizer": {"name": "adam", "betas": [0.0, 1.0], "lr": 1.0},
    }
    assert [type(value) for value in settings["optimizer"]["betas"]] == [float, float]
    assert type(settings["optimizer"]["lr"]) is type(settings["label_smoothing"]) is float


def test_defaults_are_those_of_the_table() -> None:
    settings = completed({})
    assert (settings["model"], settings["data"], settings["epochs"]) == ("lenet", "digits", 10)
    assert settings["optimizer"]["name"] == "sgd"
    assert settings["schedule"] == {"name": "cosine", "every": "batch", "eta_min": 0.0, "warmup": 0.0}
    assert "model_options" not in settings
    assert "data_options" not in settings


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_complete_settings_survive_being_written(tmp_path: Path, optimizer: str, schedule: str) -> None:
    values = {"optimizer": {"name": optimizer}, "schedule": {"name": schedule}, "model_options": {"widths": [1, 2]}}
    settings = completed(checked(values, "test"))
    file = tmp_path / "config.toml"
    file.write_text(to_toml({**settings, "versions": {"numpy": "2"}}))
    again = read_settings(str(file))
    assert again == settings
    assert completed(again) == settings


def test_a_table_of_the_same_name_is_mixed_and_of_another_replaced() -> None:
    below = {"epochs": 3, "optimizer": {"lr": 0.5, "momentum": 0.8}, "model_options": {"channels": 4}}
    same = overridden(below, {"epochs": 4, "optimizer": {"lr": 0.1}, "model_options": {"other": 1}})
    assert same == {
        "epochs": 4,
        "optimizer": {"lr": 0.1, "momentum": 0.8},
        "model_options": {"channels": 4, "other": 1},
    }
    assert overridden(below, {"optimizer": {"name": "sgd", "lr": 0.1}})["optimizer"]["momentum"] == 0.8
    assert overridden(below, {"optimizer": {"name": "adam"}})["optimizer"] == {"name": "adam"}
    assert below["optimizer"] == {"lr": 0.5, "momentum": 0.8}


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        (Field("integer", minimum=2, maximum=4), [2, 4], [1, 5, 3.0, True, "3", None]),
        (Field("number", maximum=1), [-5, 1, 0.5], [1.01, math.nan, -math.inf, False, "1"]),
        (Field("number", minimum=0, above=True), [1e-300], [0, -1]),
        (Field("flag"), [True, False], [0, 1, "true"]),
        (Field("text"), ["", "x"], [1, None, ["x"]]),
        (Field("numbers"), [[], [1, 2.5]], [1, [True], "12", [[1]]]),
        (Field("integers"), [[], [1]], [[1.0], 1]),
        (Field("size", minimum=1), [3, [3, 4]], [0, [3], [1, 2, 3], [3, 0], 2.5, True]),
        (Field("table"), [{}, {"a": 1}], [[], "a", 1]),
    ],
)
def test_kinds_of_settings(field: Field, right: list[Any], wrong: list[Any]) -> None:
    for value in right:
        assert field.checked(value, "key") == value
    for value in wrong:
        with pytest.raises(DataError, match=r"^key: got .*, wanted .*\.$"):
            field.checked(value, "key")


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        (Field("integer", maximum=4), "an integer at most 4"),
        (Field("number", minimum=0, maximum=1), "a number of at least 0 and at most 1"),
        (Field("number", minimum=0, above=True), "a number above 0"),
        (Field("text", choices=("a", "b")), "one of a, b"),
    ],
)
def test_messages_say_the_range(field: Field, wanted: str) -> None:
    assert field.wanted == wanted


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("epochs=3", "epochs", 3),
        ("optimizer.nesterov=true", "optimizer.nesterov", True),
        ("widths=[1, 2]", "widths", [1, 2]),
        ("lr=1e-3", "lr", 1e-3),
        ("model=lenet", "model", "lenet"),
        ('model="3"', "model", "3"),
        ("data=/a=b c", "data", "/a=b c"),
        (" epochs = 3", "epochs", 3),
        ("data=", "data", ""),
    ],
)
def test_assignments_are_toml_or_text(text: str, key: str, value: Any) -> None:
    assert assignment(text) == (key, value)
    assert type(assignment(text)[1]) is type(value)


def test_sizes() -> None:
    assert size("28") == (28, 28)
    assert size("28X32") == (28, 32)


# --- ready recipes


def test_there_are_recipes() -> None:
    assert set(recipes()) >= {"fashion_mnist_small", "lenet_digits", "lenet_fashion_mnist"}


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_builds_its_net(name: str) -> None:
    values = read_toml(folder("recipes") / f"{name}.toml")
    assert read_settings(name) == read_settings(name.replace("_", "-")) == checked(values, name)
    settings = completed(read_settings(name))
    assert {"model", "data", "epochs", "optimizer", "schedule"} <= values.keys()
    assert settings["data"] in {"digits", "mnist", "fashion-mnist"}  # grey, 28x28, ten classes
    net = build_net(settings, (1, 28, 28), 10)
    assert net.output_shape((1, 28, 28)) == (10,)


def test_the_small_recipe_is_small() -> None:
    settings = completed(read_settings("fashion_mnist_small"))
    net = build_net(settings, (1, 28, 28), 10)
    assert sum(parameter.value.size for parameter in net.parameters()) < 100_000
    assert settings["data"] == "fashion-mnist"


def test_recipes_are_found_by_model_and_data() -> None:
    assert recipe_for("lenet", "fashion-mnist") == read_settings("lenet_fashion_mnist")
    assert recipe_for("lenet", "Fashion-MNIST") == read_settings("lenet_fashion_mnist")
    assert recipe_for("lenet", "digits") == read_settings("lenet_digits")
    assert recipe_for("resnet20", "digits") == {}
    assert recipe_for("lenet", "/some/folder") == {}


def test_an_unknown_recipe_names_the_nearest_and_all() -> None:
    with pytest.raises(DataError) as caught:
        read_settings("lenet-digit")
    assert str(caught.value) == (
        "--config lenet-digit: is neither a file nor a ready recipe. Did you mean 'lenet_digits'? "
        f"Ready ones: {', '.join(recipes())}."
    )
