"""obclip: oblivious cloud-device hybrid image generation (an open implementation of arXiv 2510.04153)."""

__version__ = "0.1.0"
