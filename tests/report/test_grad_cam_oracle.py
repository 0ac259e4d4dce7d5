"""Grad-CAM beside the same written with PyTorch's hooks."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from tolerances import ORACLE_FLOAT64

torch = oracles.require("torch")

import gpunet as gn  # noqa: E402 - after the oracle, without which the file skips
from gpunet.report import grad_cam  # noqa: E402 - after the oracle


def torch_grad_cam(net, images, classes, layer: str):
    """Equations 1 and 2 of the paper, and the maps stretched over the images."""
    kept = {}
    module = dict(net.named_modules())[layer]

    def forward_hook(module, inputs, output):
        output.retain_grad()
        kept["output"] = output

    handle = module.register_forward_hook(forward_hook)
    scores = net(images)
    handle.remove()
    scores[torch.arange(len(images)), classes].sum().backward()
    weights = kept["output"].grad.mean(dim=(2, 3), keepdim=True)
    maps = torch.relu((weights * kept["output"]).sum(dim=1)).detach()
    large = torch.nn.functional.interpolate(maps[:, None], size=images.shape[2:], mode="bilinear")[:, 0]
    return maps.numpy(), large.numpy()


@pytest.mark.parametrize("layer", ["0", "1", "2", "4", "5"])
def test_the_maps_are_those_of_pytorch(layer: str) -> None:
    ours, theirs = (
        namespace.Sequential(
            namespace.Conv2d(3, 8, 3, padding=1),
            namespace.BatchNorm2d(8),
            namespace.ReLU(),
            namespace.MaxPool2d(2),
            namespace.Conv2d(8, 6, 3, stride=2),
            namespace.ReLU(),
            namespace.Flatten(),
            namespace.Linear(54, 5),
        )
        for namespace in (gn, torch.nn)
    )
    ours.astype("float64")
    images = gn.random.Stream(3, "images").normal((4, 3, 14, 15))
    ours.forward(images, training=True)  # running statistics that are not 0 and 1
    theirs.double().eval().load_state_dict(
        {name: torch.from_numpy(np.asarray(value)) for name, value in ours.state_dict().items()}
    )
    classes = np.array([0, 4, 2, 2])
    maps, large = torch_grad_cam(theirs, torch.from_numpy(images), torch.from_numpy(classes), layer)
    found = grad_cam(ours, images, classes, layer=layer)
    assert (maps.max(axis=(1, 2)) > 0).any()
    np.testing.assert_allclose(found.maps, maps, rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)
    wanted = large / np.maximum(large.max(axis=(1, 2), keepdims=True), 1e-300)
    np.testing.assert_allclose(found.on_images((14, 15)), wanted, rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)
