"""ONNX both ways; needs the extra ``onnx``.

`load` makes a net that trains from a file, `save` a file from a net.
"""

from gpunet.interop.onnx.exporter import Exporter
from gpunet.interop.onnx.exporting import save, to_model
from gpunet.interop.onnx.importing import load

__all__ = ["Exporter", "load", "save", "to_model"]
