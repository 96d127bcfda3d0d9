"""Native libraries that come twice, once from conda and once inside a wheel, and are known to break each other.

Wheels carry their libraries with them ("Binary distribution format", auditwheel's and delocate's copies), conda
packages share those of the prefix. Most doubles are harmless. The rules here are those of which public reports
and the files in the packages say that they crash, hang or load the wrong one; each names such a report. They go
by names and by the target's platform alone, so nothing needs to be downloaded to apply them.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

LINUX, MACOS, WINDOWS = "linux-", "osx-", "win-"


class Rule(Struct, frozen=True):
    """Names on both sides that bring *library*, and on which platforms this breaks.

    *conda* are package names, *pypi* normalized names (PEP 503) in which ``*`` stands for anything;
    *platforms* are beginnings of subdirs. *report* is a public thread, as ``owner/repository#number``.
    """

    library: str
    conda: tuple[str, ...]
    pypi: tuple[str, ...]
    platforms: tuple[str, ...]
    reason: str
    report: str


class NativeDuplicate(Struct, frozen=True):
    """One rule that holds, with the names of both sides that it holds for, *pypi* sorted."""

    rule: Rule
    conda: tuple[str, ...]
    pypi: tuple[str, ...]

    def __str__(self) -> str:
        """The warning: what is there twice, from whom, and why that breaks."""
        return (
            f"{self.rule.library} comes twice, with {' and '.join(self.conda)} from conda "
            f"and {' and '.join(self.pypi)} from PyPI: {self.rule.reason}."
        )


_CV2 = ("opencv-python", "opencv-contrib-python")
_CV2_HEADLESS = ("opencv-python-headless", "opencv-contrib-python-headless")

RULES = (
    Rule(
        "OpenMP",
        ("llvm-openmp", "intel-openmp"),
        ("torch", "scikit-learn", "faiss-cpu"),
        (MACOS,),
        "the wheel loads a libomp of its own beside that of the environment, and two of them in one process crash",
        "scikit-learn/scikit-learn#21227",
    ),
    Rule(
        "OpenMP",
        ("llvm-openmp", "intel-openmp"),
        ("torch",),
        (WINDOWS,),
        "both load a libiomp5md.dll, and the second one ends the process (OMP: Error #15)",
        "pytorch/pytorch#191367",
    ),
    Rule(
        "OpenMP",
        ("llvm-openmp", "intel-openmp"),
        ("intel-openmp",),
        (LINUX,),
        "libomp and libiomp5 in one process, or two libiomp5, crash or wait for each other for ever",
        "joblib/threadpoolctl#49",
    ),
    Rule(
        "The CUDA runtime",
        ("cudatoolkit", "cuda-cudart", "libcublas", "libcusparse", "libnvjitlink"),
        (
            "nvidia-cuda-runtime*",
            "nvidia-cublas*",
            "nvidia-cusparse-*",
            "nvidia-cusparse",
            "nvidia-nvjitlink*",
        ),
        (LINUX, WINDOWS),
        "whichever is loaded first serves both, and symbols are missing where their versions differ",
        "pytorch/pytorch#134929",
    ),
    Rule(
        "cuDNN",
        ("cudnn", "libcudnn"),
        ("nvidia-cudnn*",),
        (LINUX, WINDOWS),
        "the one of the environment may be loaded in place of the one that the wheel was built for, and is refused",
        "tensorflow/docs#2251",
    ),
    Rule(
        "cv2",
        ("py-opencv", "opencv"),
        (*_CV2, *_CV2_HEADLESS),
        (LINUX, MACOS, WINDOWS),
        "both write the module cv2 into the same folder, and what is left is a mixture",
        "conda-forge/opencv-feedstock#188",
    ),
    Rule(
        "Qt",
        ("qt-main", "qt6-main", "qt", "pyqt", "pyside6"),
        _CV2,
        (LINUX,),
        "cv2 points Qt to the plugins inside its wheel, which do not fit the Qt of the environment; "
        "opencv-python-headless brings none",
        "opencv/opencv-python#736",
    ),
    Rule(
        "Qt",
        ("qt-main", "qt6-main", "qt", "pyqt", "pyside6"),
        ("pyqt5", "pyqt5-qt5", "pyqt6", "pyqt6-qt6", "pyside2", "pyside6", "pyside6-essentials"),
        (LINUX, MACOS, WINDOWS),
        "the qt.conf of the environment leads the Qt of the wheel to plugins of another version, and it crashes",
        "ContinuumIO/anaconda-issues#1554",
    ),
    Rule(
        "PROJ",
        ("proj",),
        ("rasterio", "fiona", "pyproj", "pyogrio"),
        (LINUX, MACOS, WINDOWS),
        "activation points PROJ to the proj.db of the environment, which the PROJ inside the wheel may not read",
        "corteva/geocube#96",
    ),
)


def find_native_duplicates(conda: Iterable[str], pypi: Iterable[str], subdir: str) -> list[NativeDuplicate]:
    """The rules that hold for packages *conda* and distributions *pypi* in one environment on *subdir*.

    *pypi* are normalized names of what is installed from an index, not of what conda provides.

    >>> for each in find_native_duplicates(["py-opencv"], ["opencv-python-headless"], "osx-arm64"):
    ...     print(each)
    cv2 comes twice, with py-opencv from conda and opencv-python-headless from PyPI: both write the module cv2 \
into the same folder, and what is left is a mixture.
    """
    there, wheels = set(conda), sorted(set(pypi))
    found = []
    for rule in RULES:
        if subdir.startswith(rule.platforms):
            ours = tuple(name for name in rule.conda if name in there)
            theirs = tuple(name for name in wheels if any(fnmatchcase(name, each) for each in rule.pypi))
            if ours and theirs:
                found.append(NativeDuplicate(rule, ours, theirs))
    return found
