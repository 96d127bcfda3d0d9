"""What conda's channels call the projects of PyPI that have another name there, for hints.

Beside the table of what conda packages provide (`envmgr.models.distribution_names`) stand names that people type
and that no conda package provides under that name: slips, libraries that are wheels on PyPI alone, variants for one
kind of machine. A pair counts only where a searched channel has the package, so that nothing is suggested which is
not there; names that channels use for something else, such as ``graphviz``, have no place here.
"""

from __future__ import annotations

import re
from typing import Final

from envmgr.models.distribution_names import conda_names_of

_OTHERS: Final[dict[str, tuple[str, ...]]] = {
    "bs4": ("beautifulsoup4",),
    "cupy-cuda11x": ("cupy",),
    "cupy-cuda12x": ("cupy",),
    "dash-core-components": ("dash",),
    "dash-html-components": ("dash",),
    "discord-py": ("discord.py",),
    "libclang": ("python-clang",),
    "nodejs-bin": ("nodejs",),
    "nvidia-cublas": ("libcublas",),
    "nvidia-cuda-nvrtc": ("cuda-nvrtc",),
    "nvidia-cuda-runtime": ("cuda-cudart",),
    "nvidia-cudnn": ("cudnn",),
    "nvidia-cufft": ("libcufft",),
    "nvidia-curand": ("libcurand",),
    "nvidia-cusolver": ("libcusolver",),
    "nvidia-cusparse": ("libcusparse",),
    "nvidia-nccl": ("nccl",),
    "nvidia-nvjitlink": ("libnvjitlink",),
    "opencv-contrib-python": ("py-opencv", "opencv"),
    "opencv-contrib-python-headless": ("py-opencv", "opencv"),
    "opencv-python": ("py-opencv", "opencv"),
    "opencv-python-headless": ("py-opencv", "opencv"),
    "psycopg-binary": ("psycopg",),
    "pyqt6": ("pyqt",),
    "pytorch-triton": ("triton",),
    "ray": ("ray-default", "ray-core"),
    "ruamel-yaml": ("ruamel.yaml",),
    "sklearn": ("scikit-learn",),
    "tensorflow-cpu": ("tensorflow", "tensorflow-base"),
    "tensorflow-macos": ("tensorflow",),
}

_RUNS: Final = re.compile(r"[-_.]+")
_CUDA: Final = re.compile(r"-cu\d+$")


def conda_names(name: str) -> tuple[str, ...]:
    """What the package of PyPI's project *name* may be called on a channel, likeliest first; none if not known.

    Names are compared as PyPI does (PEP 503), and without the version of CUDA that some end in.

    >>> conda_names("torch"), conda_names("Opencv_Python"), conda_names("nvidia-cublas-cu12")
    (('pytorch',), ('py-opencv', 'opencv'), ('libcublas',))
    """
    plain = _RUNS.sub("-", name).lower()
    return next((found for each in (plain, _CUDA.sub("", plain)) if (found := _known(each))), ())


def _known(name: str) -> tuple[str, ...]:
    return _OTHERS.get(name) or conda_names_of().get(name, ())
