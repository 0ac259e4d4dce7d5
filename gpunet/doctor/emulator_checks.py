"""What `gpunet emulate` needs: one CuPy wheel, g++ and a cache folder."""

from __future__ import annotations

from collections.abc import Iterator

from gpunet.backends.cupy.availability import installed_wheels
from gpunet.doctor.base_checks import PIP
from gpunet.doctor.finding import ABSENT, EMULATOR, FAILS, WORKS, Finding, one_line
from gpunet.doctor.folders import CacheFolder
from gpunet.emulator.build import cache_folder
from gpunet.emulator.compiler import find_compiler
from gpunet.emulator.launcher import require_platform
from gpunet.emulator.pruning import LIMIT_VARIABLE, cache_limit
from gpunet.emulator.wheel import DISTRIBUTION, find_wheel
from gpunet.errors import BackendError
from gpunet.installation import install_command

_COMPILER = "sudo apt install g++ (Debian, Ubuntu) or sudo dnf install gcc-c++ (Fedora)"


def check_emulator() -> Iterator[Finding]:
    """Wheel, compiler and cache; the latter two matter only with the wheel."""
    try:
        require_platform()
    except BackendError as error:
        yield Finding(EMULATOR, "platform", ABSENT, one_line(error))
        return
    try:
        wheel = find_wheel()
    except BackendError as error:
        if installed_wheels():
            yield Finding(EMULATOR, "wheel", ABSENT, one_line(error))  # which says what to do
        else:
            yield Finding(EMULATOR, "wheel", ABSENT, "not installed", install_command("emulator", PIP))
        missing = ABSENT
    else:
        yield Finding(EMULATOR, "wheel", WORKS, f"{DISTRIBUTION} {wheel.version}")
        missing = FAILS
    try:
        yield Finding(EMULATOR, "compiler", WORKS, find_compiler().identity)
    except BackendError as error:
        yield Finding(EMULATOR, "compiler", missing, one_line(error), _COMPILER)
    folder = CacheFolder.at(cache_folder())
    if folder.refusal:
        says = f"{folder.path} cannot be written ({folder.refusal})"
        yield Finding(EMULATOR, "cache", missing, says, "export GPUNET_EMULATOR_CACHE=/tmp/gpunet-emulator")
    else:
        yield from _limit(folder)


def _limit(folder: CacheFolder) -> Iterator[Finding]:
    try:
        limit = cache_limit() / 2**30
    except BackendError as error:
        yield Finding(EMULATOR, "cache", FAILS, one_line(error), f"unset {LIMIT_VARIABLE}")
    else:
        yield Finding(EMULATOR, "cache", WORKS, f"{folder}; pruned above {limit:.3g} GiB ({LIMIT_VARIABLE} sets it)")
