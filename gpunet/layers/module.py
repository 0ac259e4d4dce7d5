"""`Module`: what every layer and every net is.

`forward` and `backward` are written here, once: they check shapes, put the layer's name on errors, keep or drop what
backward needs and call observers. A layer writes its two formulas, `compute` and `differentiate`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from gpunet import random
from gpunet.backends import Backend, numpy_backend, select
from gpunet.errors import DataError, GpunetError, StateError
from gpunet.layers.checks import check_gradients, check_inputs, check_outputs, check_owned
from gpunet.layers.context import Context, Shape
from gpunet.layers.observation import Event, Observation, Observer, undisturbed
from gpunet.layers.state_dict import IncompatibleKeys, load_state_dict, state_dict
from gpunet.layers.summary import Summary, summarize
from gpunet.layers.tree import ModuleTree
from gpunet.state import Array

__all__ = ["PRECISIONS", "Context", "Module", "Shape"]

PRECISIONS = ("fast", "strict")


class _Calls(threading.local):
    """How deep this thread stands inside nested forward and backward calls."""

    depth = 0


_calls = _Calls()


class Module(ModuleTree):
    """Base of all layers, containers and user-made nets.

    A subclass assigns `Parameter`, `Buffer` and other modules as attributes, or lists of them, and writes:

    - ``compute(context, *inputs)``: the forward formula; ``context.save(...)`` keeps what backward needs.
    - ``differentiate(context, *grads)``: given the gradient of each output, adds the parameters' gradients with
      ``parameter.add_grad`` and returns the gradient of each input.
    - ``output_shape(*input_shapes)``, if it wants wrong sizes to be refused before anything is computed.

    A layer object stands once in a net; weights are shared by sharing a `Parameter`.
    """

    # Defaults stand on the class so that a subclass need not call super().__init__().
    _backend: Backend | None = None
    _precision: str = "fast"
    _name: str = ""
    _context: Context | None = None
    _checked: frozenset[Any] = frozenset()
    _observers: tuple[tuple[str, Observer], ...] = ()
    _random_position: tuple[int, int, int] = (0, 0, 0)

    # ------------------------------------------------- what a layer writes

    def compute(self, context: Context, *inputs: Array) -> Any:
        """The forward formula; the subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} must define compute(self, context, ...)")

    def differentiate(self, context: Context, *grads: Array) -> Any:
        """The backward formula; the subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} must define differentiate(self, context, ...)")

    def output_shape(self, *input_shapes: Any) -> Any:
        """Shape of the output without the batch, from shapes of the inputs without the batch.

        A layer overrides this with its formula and checks sizes there. The default sends an empty batch through,
        which computes nothing; observers are not told, and what an earlier forward kept stays.

        Raises:
            ShapeError: the inputs do not fit the layer.
        """
        dtype = self.dtype or np.dtype("float32")
        empty = [self.backend.asarray(np.empty((0, *shape), dtype)) for shape in input_shapes]
        with undisturbed(self):
            outputs = self.forward(*empty)
        return tuple(y.shape[1:] for y in outputs) if isinstance(outputs, tuple) else tuple(outputs.shape[1:])

    def describe(self) -> str:
        """The settings of this layer, as they stand in its ``repr``."""
        return ""

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """Floating-point operations of one forward pass over one sample; the default is one for each output."""
        return int(np.prod(output_shape, dtype=np.int64))

    # ------------------------------------------------------ forward, backward

    def __call__(self, *inputs: Array) -> Any:
        """Inference: ``forward(*inputs)``."""
        return self.forward(*inputs)

    def forward(self, *inputs: Array, training: bool = False, keep: bool | None = None) -> Any:
        """Compute the outputs.

        Args:
            inputs: arrays of this net's backend and dtype, (N, ...).
            training: batch statistics and dropout as in training.
            keep: keep what `backward` needs; the default is ``training``. What an earlier forward kept is dropped.

        Returns:
            the output, or a tuple of them.

        Raises:
            ShapeError, DataError, BackendError: inputs of wrong shape, dtype or backend; the layer is named.
        """
        context = Context(training, training if keep is None else keep)
        self._name_modules()
        self._context = None
        with self.named_errors():
            check_owned(self, inputs)
            key = tuple((tuple(x.shape[1:]), x.ndim, x.dtype) for x in inputs)
            if key not in self._checked:
                check_inputs(self, inputs)
            self._notify("forward", "before", inputs, ())
            outputs = self.compute(context, *inputs)
            as_tuple = outputs if isinstance(outputs, tuple) else (outputs,)
            if key not in self._checked:
                check_outputs(self, inputs, as_tuple)
                self._checked = self._checked | {key}
            self._notify("forward", "after", inputs, as_tuple)
        if context.keep:
            context.input_shapes = tuple(tuple(x.shape) for x in inputs)
            context.output_shapes = tuple(tuple(y.shape) for y in as_tuple)
            context.input_dtypes = tuple(x.dtype for x in inputs)
            context.output_dtypes = tuple(y.dtype for y in as_tuple)
            self._context = context
        return outputs

    def backward(self, *grads: Array, inputs: bool = True) -> Any:
        """From the gradient of each output, add every parameter's gradient and return the inputs' gradients.

        Args:
            grads: one array like each output of the last forward.
            inputs: False leaves out the gradients of the inputs, which training does not need: the first layer saves
                its share of the work.

        Returns:
            the gradient of the input, or a tuple with one for each input; None where they are left out.

        Raises:
            StateError: no forward kept anything, or its one backward is done.
            ShapeError, DataError, BackendError: a gradient does not fit the output it belongs to.
        """
        with self.named_errors():
            context = self._context
            if context is None:
                raise StateError(
                    "backward needs a forward before it, and each forward serves one backward. "
                    "Call forward(x, training=True), or keep=True, first."
                )
            check_gradients(self, grads, context.output_shapes, context.output_dtypes, "gradient")
            self._context = None
            context.input_grads = inputs
            self._notify("backward", "before", grads, ())
            outputs = self.differentiate(context, *grads)
            as_tuple = outputs if isinstance(outputs, tuple) else (outputs,)
            if inputs:
                check_gradients(self, as_tuple, context.input_shapes, context.input_dtypes, "returned gradient")
            self._notify("backward", "after", grads, as_tuple if inputs else ())
        return outputs if inputs else None

    def __getstate__(self) -> dict[str, Any]:
        """What `copy.deepcopy` copies: neither what a forward kept nor the observers, who watch this net alone."""
        return {name: value for name, value in vars(self).items() if name not in {"_context", "_observers"}}

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """One nested call: errors from inside get this layer's name unless a layer further in gave its own."""
        _calls.depth += 1
        try:
            with self.backend.computing():
                yield
        except GpunetError as error:
            if error.layer is None:
                error.layer = self.label
                error.args = (f"{self.label}: {error}",)
            raise
        finally:
            _calls.depth -= 1

    @property
    def label(self) -> str:
        """How errors call this layer: its class, and its path in the net of the last forward."""
        return f"{type(self).__name__} '{self._name}'" if self._name else type(self).__name__

    @property
    def knows_output_shape(self) -> bool:
        """Whether this module and all below it write their own `output_shape`, so that it computes nothing."""
        return all(type(module).output_shape is not Module.output_shape for _, module in self.named_modules())

    def _name_modules(self) -> None:
        """Tell each module its path below the outermost module, which is the one that is called by the user."""
        if _calls.depth > 0:
            return
        for path, module in self.named_modules():
            module._name = path

    # ------------------------------------------------------------- observing

    def observe(self, callback: Observer) -> Observation:
        """Call ``callback(event)`` before and after each forward and backward of every module in this net.

        Observers serve timing, statistics and comparison; they must not change the arrays they are shown.

        Returns:
            a handle: ``handle.remove()`` ends it, as does leaving a ``with`` block on it.
        """
        entries = [(module, (name, callback)) for name, module in self.named_modules()]
        for module, entry in entries:
            module._observers = (*module._observers, entry)
        return Observation(entries)

    def _notify(self, direction: str, stage: str, inputs: tuple[Array, ...], outputs: tuple[Array, ...]) -> None:
        for name, callback in self._observers:
            callback(Event(name, self, direction, stage, inputs, outputs))

    # ----------------------------------------------------------------- state

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers as NumPy arrays, in PyTorch's order and under its names."""
        return state_dict(self)

    def load_state_dict(
        self, mapping: Mapping[str, Any] | str | os.PathLike[str], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy arrays into the parameters and buffers of the same names; PyTorch's names and shapes are ours.

        Args:
            mapping: name to array, such as a PyTorch model's ``state_dict()``, or the path of a safetensors file:
                PyTorch's, one of `save_weights`, or a checkpoint of a run. Values are converted to this net's dtypes.
                The ``num_batches_tracked`` of a batch norm may be missing, as in PyTorch.
            strict: False passes over missing and unexpected names; shapes must fit in any case.

        Returns:
            ``missing_keys`` and ``unexpected_keys`` that were passed over.

        Raises:
            CheckpointError: names or shapes do not fit, or the file cannot be read; the net is then unchanged. A file
                of ``torch.save`` is refused, as loading it may run any code; the message has a line that converts it.
        """
        return load_state_dict(self, mapping, strict)

    # ------------------------------------------------- place, dtype, settings

    @property
    def backend(self) -> Backend:
        """Where this net computes."""
        return self._backend or numpy_backend()

    def to(self, backend: str | Backend) -> Self:
        """Move all parameters, gradients and buffers; the `Parameter` objects stay the same.

        Args:
            backend: "numpy", "cupy", "auto" or a backend object.

        Raises:
            BackendError: the backend does not work here; the net is then unchanged.
        """
        target = select(backend)

        def move(array: Array) -> Array:
            return array if target.owns(array) else target.asarray(self.backend.to_numpy(array))

        self._convert(move)
        for _, module in self.named_modules():
            module._backend = target
        return self

    @property
    def dtype(self) -> Any:
        """dtype of the parameters, or None without any."""
        return next((parameter.value.dtype for _, parameter in self.named_parameters()), None)

    def astype(self, dtype: Any) -> Self:
        """Convert all floating parameters, gradients and buffers; the `Parameter` objects stay the same.

        Args:
            dtype: float32 or float64.
        """
        wanted = np.dtype(dtype)
        if wanted not in (np.dtype("float32"), np.dtype("float64")):
            raise DataError(f"astype: got {wanted}, wanted float32 or float64.")
        self._convert(lambda array: array.astype(wanted) if array.dtype.kind == "f" else array)
        return self

    def _convert(self, change: Callable[[Array], Array]) -> None:
        for _, module in self.named_modules():
            module._context = None
            module._checked = frozenset()
        for parameter in self.parameters():
            parameter.value = change(parameter.value)
            if parameter.grad is not None:
                parameter.grad = change(parameter.grad)
        for _, buffer in self.named_buffers():
            buffer.value = change(buffer.value)

    @property
    def precision(self) -> str:
        """Either "fast" (default) or "strict": only algorithms with the error of a direct sum; of the whole net."""
        return self._precision

    @precision.setter
    def precision(self, value: str) -> None:
        if value not in PRECISIONS:
            raise DataError(f"precision {value!r} is unknown: choose one of {', '.join(PRECISIONS)}.")
        for _, module in self.named_modules():
            module._precision = value

    def set_random_position(self, seed: int = 0, epoch: int = 0, step: int = 0) -> None:
        """Where the random layers of this net stand: their numbers are a function of seed, path, epoch and step.

        Each training forward of a random layer uses its position and moves it on by one step.
        """
        for _, module in self.named_modules():
            module._random_position = (seed, epoch, step)

    def next_stream(self) -> random.Stream:
        """For a random layer: the stream of this pass; moves the position on by one step."""
        seed, epoch, step = self._random_position
        self._random_position = (seed, epoch, step + 1)
        return random.Stream(seed, self._name, epoch, step)

    # ---------------------------------------------------------------- showing

    def summary(self, *input_shapes: Shape) -> Summary:
        """Shapes, parameters and operations of each layer; print it.

        Args:
            input_shapes: shape of each input without the batch, such as (3, 32, 32).
        """
        return summarize(self, *input_shapes)

    def __repr__(self) -> str:
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.children()]
        if not lines:
            return f"{type(self).__name__}({self.describe()})"
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])
