"""How each layer is written as ONNX, one family a file; importing this package fills `exporter.WRITERS`."""

from gpunet.interop.onnx.writers import activations, containers, graph, images, norms, products

__all__ = ["activations", "containers", "graph", "images", "norms", "products"]
