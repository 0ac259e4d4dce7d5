"""Names, sizes, initial weights and settings of the models, without an oracle."""

import subprocess
import sys

import numpy as np
import pytest

import gpunet as gn
from gpunet import initializers, models
from gpunet.models import initial

SMALL = ["seed_network", "lenet", "vgg_cifar", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"]
LARGE = [
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "alexnet",
    "squeezenet1_0",
    "squeezenet1_1",
    "mobilenet_v2",
]

# Published numbers: torchvision's for ImageNet's thousand classes, the paper's (in millions) and those of the usual
# implementations for CIFAR, the textbook's for LeNet.
PARAMETERS = {
    "seed_network": 32 * 10 + 32 * 14 * 14 * 10 + 10,
    "lenet": 61_706,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "alexnet": 61_100_840,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "mobilenet_v2": 3_504_872,
    "unet": 31_037_698,  # of two classes, as github.com/milesial/Pytorch-UNet
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
}

# Where the convolutions stand among torchvision's VGG features.
VGG_CONVOLUTIONS = {
    "vgg11": [0, 3, 6, 8, 11, 13, 16, 18],
    "vgg11_bn": [0, 4, 8, 11, 15, 18, 22, 25],
    "vgg13": [0, 2, 5, 7, 10, 12, 15, 17, 20, 22],
    "vgg13_bn": [0, 3, 7, 10, 14, 17, 21, 24, 28, 31],
    "vgg16": [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28],
    "vgg16_bn": [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40],
    "vgg19": [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34],
    "vgg19_bn": [0, 3, 7, 10, 14, 17, 20, 23, 27, 30, 33, 36, 40, 43, 46, 49],
    "vgg_cifar": [0, 3, 7, 10, 14, 17],
}


@pytest.fixture
def no_drawing(monkeypatch):
    """Zeros for weights: for tests of shapes, which should not wait for 140 million random numbers."""
    for module in (initializers, initial):
        monkeypatch.setattr(module, "normal", lambda shape, std: np.zeros(shape, np.float32))
    monkeypatch.setattr(initializers, "uniform", lambda shape, bound: np.zeros(shape, np.float32))


def count(net):
    return sum(parameter.value.size for parameter in net.parameters())


def norm(path):
    return [f"{path}.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]


def block(path, convolutions, downsample):
    keys = []
    for number in range(1, convolutions + 1):
        keys += [f"{path}.conv{number}.weight", *norm(f"{path}.bn{number}")]
    return keys + ([f"{path}.downsample.0.weight", *norm(f"{path}.downsample.1")] if downsample else [])


def resnet_keys(counts, convolutions, with_projection):
    keys = ["conv1.weight", *norm("bn1")]
    for stage, blocks in enumerate(counts, 1):
        for number in range(blocks):
            keys += block(f"layer{stage}.{number}", convolutions, number == 0 and stage in with_projection)
    return [*keys, "fc.weight", "fc.bias"]


RESNET_KEYS = {
    "resnet18": resnet_keys([2, 2, 2, 2], 2, {2, 3, 4}),
    "resnet34": resnet_keys([3, 4, 6, 3], 2, {2, 3, 4}),
    "resnet50": resnet_keys([3, 4, 6, 3], 3, {1, 2, 3, 4}),
    "resnet101": resnet_keys([3, 4, 23, 3], 3, {1, 2, 3, 4}),
    "resnet152": resnet_keys([3, 8, 36, 3], 3, {1, 2, 3, 4}),
    "resnet20": resnet_keys([3, 3, 3], 2, set()),
    "resnet32": resnet_keys([5, 5, 5], 2, set()),
    "resnet44": resnet_keys([7, 7, 7], 2, set()),
    "resnet56": resnet_keys([9, 9, 9], 2, set()),
    "resnet110": resnet_keys([18, 18, 18], 2, set()),
}


def test_names():
    assert set(SMALL + LARGE) <= set(models.names())
    assert models.names() is not models.names()
    for name in models.names():
        if not name.endswith("_bn"):
            assert name in models.__all__
            assert callable(getattr(models, name))


@pytest.mark.parametrize("name", PARAMETERS)
def test_numbers_of_parameters_are_the_published_ones(name, no_drawing):
    assert count(models.create(name)) == PARAMETERS[name]


@pytest.mark.parametrize("name", VGG_CONVOLUTIONS)
def test_keys_of_vgg(name, no_drawing):
    keys = []
    for index in VGG_CONVOLUTIONS[name]:
        keys += [f"features.{index}.weight", f"features.{index}.bias"]
        keys += norm(f"features.{index + 1}") if "bn" in name or name == "vgg_cifar" else []
    linear = (0, 3) if name == "vgg_cifar" else (0, 3, 6)
    keys += [f"classifier.{index}.{part}" for index in linear for part in ("weight", "bias")]
    assert list(models.create(name).state_dict()) == keys


@pytest.mark.parametrize("name", RESNET_KEYS)
def test_keys_of_resnet(name, no_drawing):
    assert list(models.create(name).state_dict()) == RESNET_KEYS[name]


def test_keys_and_shapes_of_lenet():
    shapes = [(key, array.shape) for key, array in models.lenet().state_dict().items()]
    assert shapes == list(
        {
            "conv1.weight": (6, 1, 5, 5),
            "conv1.bias": (6,),
            "conv2.weight": (16, 6, 5, 5),
            "conv2.bias": (16,),
            "fc1.weight": (120, 400),
            "fc1.bias": (120,),
            "fc2.weight": (84, 120),
            "fc2.bias": (84,),
            "fc3.weight": (10, 84),
            "fc3.bias": (10,),
        }.items()
    )


@pytest.mark.parametrize("name", [name for name in models.names() if models.classifies(name)])
def test_classes_and_channels(name, no_drawing):
    small = {"hidden_features": 8} if "vgg" in name or name == "alexnet" else {}
    size = (63, 70) if name == "alexnet" else (32, 40)
    net = models.create(name, num_classes=3, in_channels=2, image_size=size, **small)
    assert net.output_shape((2, *size)) == (3,)
    logits = net(np.zeros((0, 2, *size), "float32"))
    assert logits.shape == (0, 3)
    assert "Conv2d" in str(net.summary((2, *size)))


@pytest.mark.parametrize("name", SMALL)
def test_a_training_step_reaches_every_parameter(name):
    channels = 1 if name in {"seed_network", "lenet"} else 3
    net = models.create(name, image_size=16, in_channels=channels, seed=1)
    images = np.random.default_rng(0).normal(size=(4, channels, 16, 16)).astype("float32")
    logits = net.forward(images, training=True)
    grad = net.backward(np.random.default_rng(1).normal(size=logits.shape).astype("float32"))
    assert grad.shape == images.shape
    for key, parameter in net.named_parameters():
        assert np.isfinite(parameter.grad).all(), key
        assert np.any(parameter.grad), key


# Initial weights


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_gives_the_same_weights_and_leaves_the_stream_alone(name):
    first, second, other = (models.create(name, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert any(not np.array_equal(first[key], other[key]) for key in first)
    gn.random.seed(5)
    before = gn.Linear(3, 3).weight.value
    gn.random.seed(5)
    models.create(name, seed=3)
    assert np.array_equal(gn.Linear(3, 3).weight.value, before)


def test_without_a_seed_weights_come_from_the_common_stream():
    gn.random.seed(6)
    first, second = models.lenet().state_dict(), models.lenet().state_dict()
    gn.random.seed(6)
    again = models.lenet().state_dict()
    assert np.array_equal(first["fc1.weight"], again["fc1.weight"])
    assert not np.array_equal(first["fc1.weight"], second["fc1.weight"])


def spread(parameter):
    return parameter.value.std(dtype=np.float64)


@pytest.mark.parametrize("build", [models.resnet18, models.resnet20, models.vgg_cifar])
def test_convolutions_start_normal_with_the_variance_of_their_fan_out(build):
    seen = 0
    for _, layer in build(seed=0).named_modules():
        if isinstance(layer, gn.Conv2d):
            out, _, *kernel = layer.weight.shape
            assert spread(layer.weight) == pytest.approx(np.sqrt(2 / (out * np.prod(kernel))), rel=0.15)
            assert abs(layer.weight.value.mean()) < 0.1 * spread(layer.weight)
            assert layer.bias is None or not layer.bias.value.any()
            seen += 1
        elif isinstance(layer, gn.BatchNorm2d):
            assert (layer.weight.value == 1).all()
            assert not layer.bias.value.any()
    assert seen >= 6


def test_resnet_ends_in_pytorchs_default():
    fc = models.resnet18(seed=0).fc
    bound = 1 / np.sqrt(512)
    assert spread(fc.weight) == pytest.approx(bound / np.sqrt(3), rel=0.01)
    assert np.abs(fc.weight.value).max() <= bound


def test_vggs_classifier_starts_small():
    net = models.vgg11(hidden_features=64, seed=0)
    for index in (0, 3, 6):
        layer = net.classifier[index]
        assert spread(layer.weight) == pytest.approx(0.01, rel=0.03)
        assert layer.bias.trainable
        assert not layer.bias.value.any()


# Settings


def test_vgg_settings(no_drawing):
    net = models.vgg16(dropout=0.25, hidden_features=8)
    assert [layer.p for layer in net.classifier if isinstance(layer, gn.Dropout)] == [0.25, 0.25]
    assert not any(isinstance(module, gn.BatchNorm2d) for _, module in net.named_modules())
    net = models.create("vgg16", batch_norm=True, hidden_features=8)
    assert list(net.state_dict()) == list(models.create("vgg16_bn", hidden_features=8).state_dict())
    assert [layer.out_channels for layer in models.vgg_cifar(width=6).features if isinstance(layer, gn.Conv2d)] == [
        *(6, 6),
        *(12, 12),
        *(24, 24),
    ]
    plain = models.vgg_cifar(batch_norm=False)
    assert not any(isinstance(module, gn.BatchNorm2d) for _, module in plain.named_modules())


def test_lenet_pads_images_that_are_smaller_than_its_own():
    assert models.lenet(image_size=28).conv1.window.padding == ((2, 2), (2, 2))
    net = models.lenet(image_size=32)
    assert net.conv1.window.padding == ((0, 0), (0, 0))
    assert net.fc1.weight.shape == (120, 400)
    assert models.lenet(image_size=(12, 40)).output_shape((1, 12, 40)) == (10,)


@pytest.mark.parametrize(
    ("name", "nearest"), [("resnet-20", "resnet20"), ("lennet", "lenet"), ("vgg16bn", "vgg16_bn"), ("vgg-11", "vgg11")]
)
def test_an_unknown_model(name, nearest):
    with pytest.raises(gn.DataError, match=rf"model '{name}' is unknown. Did you mean '{nearest}'\? There are"):
        models.create(name)


def test_a_model_like_no_other():
    with pytest.raises(gn.DataError, match=r"model 'transformer' is unknown\. There are"):
        models.create("transformer")


def test_an_unknown_setting():
    with pytest.raises(gn.DataError, match=r"'lenet' has no setting 'classes'.* It has num_classes, in_channels"):
        models.create("lenet", classes=3)
    with pytest.raises(gn.DataError, match=r"no setting 'batchnorm'\. Did you mean 'batch_norm'"):
        models.create("vgg11", batchnorm=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.create("lenet", image_size=11), "MaxPool2d 'pool2': a 2x2 kernel does not fit"),
        (lambda: models.lenet(image_size=3), "Conv2d 'conv2': a 5x5 kernel does not fit"),
        (lambda: models.seed_network(image_size=(1, 28)), "MaxPool2d '2'"),
        (lambda: models.vgg_cifar(image_size=7), "MaxPool2d"),
        (lambda: models.create("vgg11", image_size=28, hidden_features=8), r"MaxPool2d 'features\.20'"),
        (lambda: models.create("resnet20", image_size=0), "image_size must be at least 1"),
        (lambda: models.create("lenet", image_size=(28, 28, 1)), "image_size must be an integer or a pair"),
        (lambda: models.lenet(num_classes=0), "out_features must be at least 1"),
        (lambda: models.lenet(in_channels=0), "in_channels must be at least 1"),
        (lambda: models.resnet18(in_channels=2.5), "in_channels must be an integer"),
        (lambda: models.resnet20(in_channels=0), "in_channels must be at least 1"),
        (lambda: models.vgg11(in_channels=0), "in_channels must be at least 1"),
        (lambda: models.resnet18(width=0), "width must be at least 1"),
        (lambda: models.create("alexnet", image_size=62, hidden_features=8), r"MaxPool2d 'features\.12'"),
        (lambda: models.alexnet(in_channels=0), "in_channels must be at least 1"),
    ],
)
def test_sizes_that_do_not_fit(make, message, no_drawing):
    with pytest.raises(gn.ShapeError, match=message):
        make()


def test_importing_the_models_builds_nothing():
    """A command that prints its help must not draw a million weights first."""
    script = (
        "import gpunet.random as r\n"
        "def fail(*_): raise SystemExit('weights were drawn at import')\n"
        "r._Initialization.next_stream = fail\n"
        "import gpunet.models\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_settings_of_a_model():
    assert models.settings_of("lenet") == ["num_classes", "in_channels", "image_size", "seed"]
    assert "num_classes" not in models.settings_of("denoising_autoencoder")
    with pytest.raises(gn.DataError, match="model 'lennet' is unknown"):
        models.settings_of("lennet")


def test_which_models_classify():
    assert [name for name in models.names() if not models.classifies(name)] == ["unet", "denoising_autoencoder"]
