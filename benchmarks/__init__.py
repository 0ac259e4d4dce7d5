"""Benchmarks anyone can repeat: ``make bench`` in a checkout, ``gpunet bench`` wherever gpunet is installed.

The folder is installed as ``gpunet/benchmarks``, and always imported as ``benchmarks``: processes that measure other
frameworks load it without gpunet, from environments in which gpunet is not installed.
"""
