"""How each layer is written as ONNX, one family a file; importing this package fills `exporter.WRITERS`."""

from gpunet.interop.onnx.writers import activations, blocks, containers, graph, images, norms, products

__all__ = ["activations", "blocks", "containers", "graph", "images", "norms", "products"]
