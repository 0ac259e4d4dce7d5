"""The process that times the primitives of one backend; see bench_kernels.py."""

from __future__ import annotations

from typing import Any

import gpunet as gn
from benchmarks import timing
from benchmarks.ceilings import Probe
from benchmarks.machine import process_record
from benchmarks.peers.architectures import NETS
from benchmarks.peers.child import serve
from benchmarks.peers.contender import Task
from benchmarks.peers.gpunet_peer import GpunetContender
from benchmarks.primitive_costs import PRIMITIVES
from benchmarks.primitive_timing import Timer, add_shares, measure_of
from gpunet.geometry import Window
from gpunet.random import Stream

OTHERS = "others"  # the primitives that none of the nets calls, on activations such as theirs


class KernelChild:
    """Measures one net, or `OTHERS`, for each command."""

    def do_measure(
        self, net: str, batch_size: int, backend: str, threads: int, samples: int, seconds: float
    ) -> dict[str, Any]:
        """Rows of all distinct calls in a training step, and the ceilings as they were meanwhile."""
        timing.pin(threads)
        place = gn.backends.select(backend)
        measure = measure_of(place)
        with place.computing():
            probe = Probe(place, threads, lambda run: measure(run, 1).seconds)
            timer = Timer(place, samples, seconds, before=probe.look)
            for _ in range(3):
                probe.look()
            if net == OTHERS:
                with timer.watching():
                    call_others(place, batch_size)
            else:
                self._train(GpunetContender(Task(NETS[net], batch_size, backend, threads)), timer)
            probe.look()
        probe.close()
        ceilings = probe.found()
        about = process_record(GpunetContender.packages)
        about["versions"]["gpunet"] = gn.__version__
        rows = list(timer.rows.values())
        for row in rows:
            add_shares(row, ceilings)
        return {
            "about": about,
            "ceilings": vars(ceilings) | {"looks": len(probe.bandwidths)},
            "rows": rows,
        }

    def _train(self, contender: GpunetContender, timer: Timer) -> None:
        contender.build()
        contender.step()
        contender.step()
        with timer.watching():
            contender.step()


def call_others(backend: Any, batch_size: int) -> None:
    """Every primitive once, on images of 32 channels and 32x32 and on the weights of a small net."""
    generator, xp = gn.random.Stream(0, "benchmark"), backend.xp

    def normal(*shape: int) -> Any:
        return backend.asarray(generator.normal(shape).astype("float32"))

    channels, window, pooling = 32, Window.create(3, 1, 1), Window.create(2, 2)
    x, weight, vector = normal(batch_size, channels, 32, 32), normal(channels, channels, 3, 3), normal(channels)
    positive = xp.abs(vector) + 1
    columns = backend.im2col(x, window)
    backend.col2im(columns, x.shape, window)
    y = backend.conv2d(x, weight, vector, window)
    backend.conv2d_backward_input(y, weight, x.shape, window)
    backend.conv2d_backward_weight(y, x, weight.shape, window)
    pooled, offsets = backend.max_pool2d(x, pooling)
    backend.max_pool2d_backward(pooled, offsets, x.shape, pooling)
    backend.avg_pool2d_backward(backend.avg_pool2d(x, pooling), x.shape, pooling)
    _, mean, inv_std = backend.batch_norm(x, positive, vector, 1e-5)
    backend.batch_norm_backward(y, x, positive, mean, inv_std)
    backend.batch_norm_inference(x, positive, vector, mean, inv_std)
    backend.relu_backward(y, backend.relu(x))
    backend.bias_relu_backward(y, backend.bias_relu(x, vector))
    _, mask = backend.dropout(x, 0.5, Stream(0, "dropout"))
    backend.dropout_backward(x, mask, 0.5)
    backend.erf(x)
    backend.softmax_cross_entropy(normal(batch_size, 1000), backend.asarray(generator.integers(1000, (batch_size,))))
    values, grads, averages = ([normal(256, 256, 3, 3), normal(256)] for _ in range(3))
    squares = [xp.abs(each) for each in averages]
    backend.sum_of_squares(grads)
    sgd = {"lr": 1e-9, "momentum": 0.9, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0, "first": False}
    backend.sgd_step(values, grads, averages, **sgd)
    adam = {"lr": 1e-9, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "decoupled": True, "step": 9}
    backend.adam_step(values, grads, averages, squares, **adam)


def main() -> None:
    """Serve commands."""
    serve(KernelChild())


__all__ = ["OTHERS", "PRIMITIVES", "KernelChild", "call_others", "main"]
