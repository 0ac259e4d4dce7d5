"""Ready settings for `gpunet train --config`; installed as ``gpunet.recipes``."""
