"""Optimizers on parameters and gradients drawn by a seed, for the tests of what all optimizers share."""

import numpy as np

import gpunet as gn
from gpunet.optimizers import SGD, Adam, AdamW, RMSprop

ALL = [SGD, Adam, AdamW, RMSprop]
LIVELY = {SGD: {"momentum": 0.9}, Adam: {}, AdamW: {}, RMSprop: {"momentum": 0.9, "centered": True}}


def parameters(dtype="float32", shapes=((3, 4), (4,), ())):
    random = np.random.default_rng(1)
    return [gn.Parameter(np.asarray(random.normal(size=shape), dtype)) for shape in shapes]


def draw(parameters, seed):
    random = np.random.default_rng(seed)
    for parameter in parameters:
        parameter.grad = np.asarray(random.normal(size=parameter.shape), parameter.value.dtype)


def run(optimizer, steps, first_seed=0):
    for seed in range(first_seed, first_seed + steps):
        draw(optimizer.parameters(), seed)
        optimizer.step()


def values(optimizer):
    return [parameter.value.copy() for parameter in optimizer.parameters()]


def equal(a, b):
    return all(np.array_equal(x, y) and x.dtype == y.dtype for x, y in zip(a, b, strict=True))
