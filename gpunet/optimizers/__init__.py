"""Optimizers: from gradients to new values, in place, a few calls of the backend for all parameters together."""

from gpunet.optimizers.adam import Adam, AdamW
from gpunet.optimizers.base import Optimizer
from gpunet.optimizers.clipping import clip_grad_norm
from gpunet.optimizers.groups import no_decay_groups
from gpunet.optimizers.rmsprop import RMSprop
from gpunet.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "clip_grad_norm", "no_decay_groups"]
