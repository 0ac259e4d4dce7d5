"""What is installed, what works, and the command that mends what does not: behind `gpunet doctor`.

finding          what a check says
base_checks      Python, packages, files, BLAS, threads; the optional packages
cupy_checks      CuPy's wheels, the driver, devices, compiler, libraries and cache
emulator_checks  what `gpunet emulate` needs
folders          the state of a cache folder
warmup           compiling every kernel
report           all of it
"""

from gpunet.doctor.finding import Finding
from gpunet.doctor.report import Report, examine
from gpunet.doctor.warmup import Compiled, warm_up

__all__ = ["Compiled", "Finding", "Report", "examine", "warm_up"]
