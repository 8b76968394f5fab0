"""ghr: why diffusion models generalize, as an executable paper.

An image enters, gets noisy, meets a denoiser, and everything else is a measurement of what comes out.
`import ghr` loads nothing; its modules (`ghr.images`, `ghr.noise`, ...) are loaded when first named.
"""

import importlib
import importlib.util

__version__ = "0.1.0"


def __getattr__(name: str):
    if name.startswith("_") or importlib.util.find_spec(f"ghr.{name}") is None:
        raise AttributeError(f"module 'ghr' has no attribute '{name}'")
    return importlib.import_module(f"ghr.{name}")
