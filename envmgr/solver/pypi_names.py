"""What conda's channels call the projects of PyPI that have another name there.

A small table for the names that people type, put together by hand: of the projects whose recipes on conda-forge
build a package of another name, well-known ones. Conda-forge publishes the whole mapping, made from its recipes, in
the repository regro/cf-graph-countyfair (``mappings/pypi/``). A pair counts only where a searched channel has the
package, so that nothing is suggested which is not there; names that channels use for something else, such as
``graphviz``, have no place here.
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "apache-airflow": ("airflow",),
    "avro-python3": ("python-avro",),
    "bs4": ("beautifulsoup4",),
    "confluent-kafka": ("python-confluent-kafka",),
    "cupy-cuda11x": ("cupy",),
    "cupy-cuda12x": ("cupy",),
    "dash-core-components": ("dash",),
    "dash-html-components": ("dash",),
    "discord-py": ("discord.py",),
    "docker": ("docker-py",),
    "kaleido": ("python-kaleido",),
    "libclang": ("python-clang",),
    "lmdb": ("python-lmdb",),
    "msgpack": ("msgpack-python",),
    "neo4j": ("neo4j-python-driver",),
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
    "ortools": ("ortools-python",),
    "psycopg-binary": ("psycopg",),
    "psycopg2-binary": ("psycopg2",),
    "pyqt5": ("pyqt",),
    "pyqt6": ("pyqt",),
    "pytorch-triton": ("triton",),
    "ray": ("ray-default", "ray-core"),
    "redis": ("redis-py",),
    "ruamel-yaml": ("ruamel.yaml",),
    "sklearn": ("scikit-learn",),
    "tables": ("pytables",),
    "tensorflow-cpu": ("tensorflow", "tensorflow-base"),
    "tensorflow-macos": ("tensorflow",),
    "torch": ("pytorch",),
    "torch-cluster": ("pytorch_cluster",),
    "torch-geometric": ("pytorch_geometric",),
    "torch-scatter": ("pytorch_scatter",),
    "torch-sparse": ("pytorch_sparse",),
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
    return _NAMES.get(plain) or _NAMES.get(_CUDA.sub("", plain), ())
