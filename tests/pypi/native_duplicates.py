"""Environments that were reported to break because a native library came from conda and from PyPI.

Each has names of both sides as the thread tells them, the platform, and what a warning must name. The harmless
ones look alike and must not be warned about.
"""

from __future__ import annotations

from typing import NamedTuple


class NativeCase(NamedTuple):
    """One reported environment; *warned* are libraries, each with the PyPI name that brings it again."""

    thread: str
    conda: tuple[str, ...]
    pypi: tuple[str, ...]
    subdir: str
    warned: tuple[tuple[str, str], ...]


REPORTED = (
    NativeCase(
        "scikit-learn/scikit-learn#21227",
        ("python", "numpy", "llvm-openmp"),
        ("scikit-learn", "joblib", "threadpoolctl"),
        "osx-64",
        (("OpenMP", "scikit-learn"),),
    ),
    NativeCase(
        "pytorch/pytorch#191367",
        ("python", "numpy", "mkl", "intel-openmp", "matplotlib"),
        ("torch", "filelock", "sympy"),
        "win-64",
        (("OpenMP", "torch"),),
    ),
    NativeCase(
        "joblib/threadpoolctl#49",
        ("python", "scikit-learn", "llvm-openmp", "_openmp_mutex"),
        ("mkl", "intel-openmp"),
        "linux-64",
        (("OpenMP", "intel-openmp"),),
    ),
    NativeCase(
        "pytorch/pytorch#134929",
        ("python", "cuda-cudart", "libcusparse", "libnvjitlink"),
        ("torch", "nvidia-cuda-runtime-cu12", "nvidia-cusparse-cu12", "nvidia-nvjitlink-cu12"),
        "linux-64",
        (("The CUDA runtime", "nvidia-cuda-runtime-cu12"),),
    ),
    NativeCase(
        "tensorflow/docs#2251",
        ("python", "cudatoolkit", "cudnn"),
        ("tensorflow", "nvidia-cudnn-cu11", "nvidia-cublas-cu11"),
        "linux-64",
        (("The CUDA runtime", "nvidia-cublas-cu11"), ("cuDNN", "nvidia-cudnn-cu11")),
    ),
    NativeCase(
        "conda-forge/opencv-feedstock#188",
        ("python", "opencv", "py-opencv", "libopencv"),
        ("mmdetection", "imagecorruptions", "opencv-python"),
        "win-64",
        (("cv2", "opencv-python"),),
    ),
    NativeCase(
        "opencv/opencv-python#736",
        ("python", "pyqt", "qt-main"),
        ("opencv-python",),
        "linux-64",
        (("Qt", "opencv-python"),),
    ),
    NativeCase(
        "ContinuumIO/anaconda-issues#1554",
        ("python", "pyqt", "qt"),
        ("pyqtchart", "pyqt5", "pyqt5-qt5", "pyqt5-sip"),
        "osx-64",
        (("Qt", "pyqt5"),),
    ),
    NativeCase(
        "corteva/geocube#96",
        ("python", "scipy", "xarray", "proj"),
        ("geocube", "rasterio", "fiona"),
        "linux-64",
        (("PROJ", "rasterio"),),
    ),
)

HARMLESS = (
    # The wheels of xgboost and lightgbm have no OpenMP on macOS: they load the one of the environment.
    NativeCase("dmlc/xgboost#11500", ("llvm-openmp",), ("xgboost", "lightgbm"), "osx-arm64", ()),
    # Linux wheels bring GNU's runtime under a name of its own, which goes with LLVM's and Intel's.
    NativeCase("joblib/threadpoolctl#49", ("mkl", "llvm-openmp"), ("torch", "scikit-learn"), "linux-64", ()),
    NativeCase("opencv/opencv-python#736", ("pyqt", "qt-main"), ("opencv-python-headless",), "linux-64", ()),
    NativeCase("opencv/opencv-python#736", ("pyqt", "qt-main"), ("opencv-python",), "osx-arm64", ()),
    # cusparselt is a library of its own, not cusparse.
    NativeCase("pytorch/pytorch#134929", ("libcusparse",), ("nvidia-cusparselt-cu13",), "linux-64", ()),
    NativeCase("pytorch/pytorch#134929", ("cuda-cudart",), ("numpy", "pandas"), "linux-64", ()),
)
