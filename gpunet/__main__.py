"""``python -m gpunet``: the command line where nothing is installed, such as in a bare checkout."""

from gpunet.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
