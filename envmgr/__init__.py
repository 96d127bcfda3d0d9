"""envmgr: a conda-style, multi-language environment manager."""

__version__ = "0.1.0"
