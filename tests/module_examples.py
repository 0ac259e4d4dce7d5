"""A small net and images for it, for the tests of `Module`."""

import numpy as np

import gpunet as gn

X = np.random.default_rng(0).normal(size=(2, 1, 6, 6)).astype(np.float32)


def small_net() -> gn.Sequential:
    with gn.random.seeded(0):
        return gn.Sequential(
            gn.Conv2d(1, 2, 3),
            gn.BatchNorm2d(2),
            gn.ReLU(),
            gn.Sequential(gn.Flatten(), gn.Dropout(), gn.Linear(32, 3)),
        )
