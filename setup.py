"""Packaging of gpunet: metadata, extras, and the top-level folders that are installed inside the package."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

# Folders that stand beside the package in the repository and inside it once installed: kernels/ because it is the one
# home of CUDA C, recipes/ because users copy from it, benchmarks/ because they also run where gpunet is not installed.
# gpunet/resources.py finds them, wherever they are.
FOLDERS = {
    "gpunet.kernels": "kernels",
    "gpunet.recipes": "recipes",
    "gpunet.benchmarks": "benchmarks",
    "gpunet.benchmarks.peers": "benchmarks/peers",
}

# 14.1.0 was withdrawn. A bare "cupy" would be built from source, so no extra ever names it.
CUPY_VERSIONS = ">=14.0.1,!=14.1.0"

EXTRAS = {
    "cuda12x": [f"cupy-cuda12x[ctk]{CUPY_VERSIONS}"],
    "cuda13x": [f"cupy-cuda13x[ctk]{CUPY_VERSIONS}"],
    # The emulator implements what this CuPy calls; another minor version may call more.
    "emulator": ["cupy-rocm-7-0>=14.2,<14.3", "scipy-openblas32>=0.3.27"],
    # Registers and spills depend on the compiler's version. cuobjdump judges what is read of the compiler's report.
    "static": ["nvidia-cuda-nvrtc==13.5.37", "nvidia-cuda-cuobjdump==13.5.37"],
    "data": ["pooch>=1.8", "platformdirs>=4.0", "Pillow>=10.3"],
    "plot": ["matplotlib>=3.9"],
    "onnx": ["onnx>=1.16"],
    "tensorboard": ["tensorboardX>=2.6.2"],
    "browser": ["playwright>=1.50"],  # a driver: tests open the report's page in the Chromium that is installed
    "test": [
        "build>=1.2",
        "coverage>=7.10",  # the first that measures subprocesses by configuration alone
        "hypothesis>=6.100",
        "mypy~=2.4",
        "pytest>=9.0",
        "pytest-cov>=7.0",
        "pytest-xdist>=3.6",
        "ruff~=0.17.6",  # another minor version may format differently
        "setuptools>=77",  # tests build the wheel without isolation, so what pyproject.toml asks for must be here
        "wheel>=0.43",
    ],
    # PyTorch is pinned exactly: it judges numbers to 1e-10, and any other version may fetch gigabytes of CUDA.
    "oracles": ["torch==2.13.0", "onnx>=1.16", "onnxruntime>=1.18"],
}
# The CuPy wheels exclude each other, and no user needs the tests: "all" is the rest.
EXTRAS["all"] = [requirement for name in ("data", "plot", "onnx", "tensorboard") for requirement in EXTRAS[name]]

setup(
    name="gpunet",
    version=runpy.run_path(str(ROOT / "gpunet" / "_version.py"))["__version__"],
    description="Train convolutional neural networks: readable layers over NumPy, with PyTorch's names and numbers",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The gpunet authors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["convolutional neural network", "deep learning", "numpy", "back-propagation"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=[*find_packages(include=["gpunet", "gpunet.*"]), *FOLDERS],
    package_dir=FOLDERS,
    package_data={
        "gpunet": ["py.typed"],
        "gpunet.emulator": ["**/*.cpp", "**/*.h", "startup/*.py"],  # startup is put on the path, not imported
        "gpunet.data": ["**/*.npz", "**/*.gz", "**/*.csv", "**/*.txt", "**/*.md", "**/LICENSE*"],
        "gpunet.report": ["*.css"],
        "gpunet.kernels": ["*.cu", "*.cuh"],
        "gpunet.recipes": ["*.toml"],
        "gpunet.benchmarks": ["*.toml"],
    },
    install_requires=["numpy>=2.0", "tqdm>=4.66", "safetensors>=0.4.3", "threadpoolctl>=3.5"],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["gpunet = gpunet.cli:main"]},
    zip_safe=False,
)
