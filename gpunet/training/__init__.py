"""Training: the trainer, its checkpoints and run directories, and what surrounds them."""

from gpunet.training.callbacks import Callback
from gpunet.training.checkpoint import load_weights, save_weights
from gpunet.training.evaluation import Evaluation
from gpunet.training.history import History
from gpunet.training.interruption import TrainingInterrupted
from gpunet.training.layer_profile import LayerProfile
from gpunet.training.layer_times import LayerTimes, measure_layer_times
from gpunet.training.memory import MemoryEstimate, estimate_memory, largest_batch
from gpunet.training.progress import Progress
from gpunet.training.tensorboard import TensorBoard
from gpunet.training.trainer import Trainer

__all__ = [
    "Callback",
    "Evaluation",
    "History",
    "LayerProfile",
    "LayerTimes",
    "MemoryEstimate",
    "Progress",
    "TensorBoard",
    "Trainer",
    "TrainingInterrupted",
    "estimate_memory",
    "largest_batch",
    "load_weights",
    "measure_layer_times",
    "save_weights",
]
