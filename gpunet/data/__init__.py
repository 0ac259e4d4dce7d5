"""Data sets, batches of them, and augmentation. Knows nothing of nets: it yields plain arrays."""

from gpunet.data import augmentation
from gpunet.data.augmentation import Compose, Cutout, Normalize, RandomCrop, RandomHorizontalFlip
from gpunet.data.dataset import Dataset, stratified_split
from gpunet.data.folder import read_image
from gpunet.data.loader import DataLoader
from gpunet.data.loading import load, names
from gpunet.data.locate import cache_folder
from gpunet.data.preprocessing import prepare_images

__all__ = [
    "Compose",
    "Cutout",
    "DataLoader",
    "Dataset",
    "Normalize",
    "RandomCrop",
    "RandomHorizontalFlip",
    "augmentation",
    "cache_folder",
    "load",
    "names",
    "prepare_images",
    "read_image",
    "stratified_split",
]
