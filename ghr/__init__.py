"""ghr: why diffusion models generalize, as an executable paper.

An image enters, gets noisy, meets a denoiser, and everything else is a measurement of what comes out.
"""

__version__ = "0.1.0"
