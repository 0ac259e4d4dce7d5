"""Launches one kernel as the runtime would: on allocations of exact size, of which the device library is told.

Run as a program it takes a job as JSON and prints what came out; under a sanitizer it wants nothing but Python's own
library, so that it starts quickly.
"""

import ctypes
import json
import sys


class Launch(ctypes.Structure):
    """gpunet_emulator::Launch of launch.h."""

    _fields_ = [
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_size_t),
        ("arguments", ctypes.c_void_p),
        ("kernel", ctypes.c_char_p),
        ("file", ctypes.c_char_p),
        ("line", ctypes.c_int),
        ("schedule", ctypes.c_int),
        ("workers", ctypes.c_int),
        ("fibers", ctypes.c_bool),
    ]

    @classmethod
    def of(cls, kernel, file, line, grid, block, pointers):
        """With one worker, forward, no shared memory; ``grid`` and ``block`` are ints or tuples of up to three."""

        def three(size):
            size = (size,) if isinstance(size, int) else tuple(size)
            return (ctypes.c_uint * 3)(*size, *[1] * (3 - len(size)))

        arguments = ctypes.cast(pointers, ctypes.c_void_p)
        return cls(three(grid), three(block), 0, arguments, kernel.encode(), file.encode(), line, 0, 1, True)


def main(job):
    """Launch once for each schedule; print the arrays that are read, and each launch's message."""
    c = ctypes.CDLL(None)
    c.malloc.restype = ctypes.c_void_p
    device = ctypes.CDLL(job["device"])
    launcher = getattr(ctypes.CDLL(job["library"]), f"gpunet_launch_{job['kernel']}")
    launcher.restype = ctypes.c_char_p
    outputs, messages = [], []
    for schedule in job["schedules"]:
        held, arrays = [], {}
        for position, value in enumerate(job["arguments"]):
            if isinstance(value, int):
                held.append(ctypes.c_int(value))
                continue
            count = len(value) if isinstance(value, list) else value["unwritten"]
            address = c.malloc(ctypes.c_size_t(4 * count))
            device.gpunet_memory_allocated(ctypes.c_void_p(address), ctypes.c_size_t(4 * count))
            arrays[position] = (address, count)
            held.append(ctypes.c_void_p(address))
            if isinstance(value, list):
                host = (ctypes.c_float * count)(*value)
                ctypes.memmove(address, host, 4 * count)
                device.gpunet_memory_copied(ctypes.c_void_p(address), host, ctypes.c_size_t(4 * count))
        pointers = (ctypes.c_void_p * len(held))(*[ctypes.addressof(value) for value in held])
        launch = Launch.of(job["kernel"], job["file"], job["line"], job["grid"], job["block"], pointers)
        launch.schedule, launch.shared_bytes = schedule, job["shared_bytes"]
        message = launcher(ctypes.byref(launch))
        messages.append(message.decode() if message else None)
        for position, (address, count) in arrays.items():
            if job["read"] is None or position in job["read"]:
                host = (ctypes.c_float * count)()
                ctypes.memmove(host, address, 4 * count)
                device.gpunet_memory_copied(host, ctypes.c_void_p(address), ctypes.c_size_t(4 * count))
                outputs.append(list(host))
            device.gpunet_memory_freed(ctypes.c_void_p(address))
            c.free(ctypes.c_void_p(address))
    print(json.dumps({"outputs": outputs, "messages": messages}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
