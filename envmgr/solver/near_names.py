"""What a user may have meant who wrote a name that no channel has.

Three kinds of slips are known: another word for the same thing (the name in ``import``, on PyPI or in a shell:
``cv2``, ``torch``, ``g++``), conda's habits (``r-`` before an R package, ``py`` before a Python one,
``_`` for ``-``), and plain misspelling. The surer kind hides the others. A name of the first two kinds counts only
where a channel has it, so that nothing is suggested which is not there.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from envmgr.solver.pypi_names import conda_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

NEAR_NAMES: Final = 3
_CLOSE: Final = 0.8
_MANY: Final = 10_000
_SHORT: Final = 5  # characters of a name in which one letter weighs more

_OTHER_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "attr": ("attrs",),
    "beautifulsoup": ("beautifulsoup4",),
    "bio": ("biopython",),
    "crypto": ("pycryptodome",),
    "cuda": ("cuda-toolkit", "cudatoolkit"),
    "cv2": ("opencv", "py-opencv"),
    "dateutil": ("python-dateutil",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "fitz": ("pymupdf",),
    "g++": ("gxx",),
    "git-python": ("gitpython",),
    "java": ("openjdk",),
    "jupyter-notebook": ("notebook",),
    "magic": ("python-magic",),
    "mpl_toolkits": ("basemap", "matplotlib"),
    "node": ("nodejs",),
    "npm": ("nodejs",),
    "nvcc": ("cuda-nvcc",),
    "osgeo": ("gdal",),
    "pil": ("pillow",),
    "pptx": ("python-pptx",),
    "pytorch-gpu": ("pytorch",),
    "r": ("r-base",),
    "serial": ("pyserial",),
    "skimage": ("scikit-image",),
    "sqlite3": ("sqlite",),
    "usb": ("pyusb",),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
}

_CHANNELS: Final = (
    ("bioconductor-", "bioconda"),
    ("ros-jazzy-", "robostack-jazzy"),
    ("ros-humble-", "robostack-humble"),
    ("ros-kilted-", "robostack-kilted"),
    ("ros-noetic-", "robostack-noetic"),
    ("snakemake", "bioconda"),
    ("pytorch-cuda", "pytorch"),
)


def near_names(name: str, names: Iterable[str]) -> list[str]:
    """Up to three of *names* that a user may have meant by *name*, nearest first.

    The name itself is none of them. The order of *names* changes nothing.
    """
    listed = names if isinstance(names, frozenset) else frozenset(names)
    return _other_words(name, listed) or _misspelt(name, listed)


def sure_names(name: str, names: Iterable[str]) -> list[str]:
    """Those of `near_names` that may stand in the place of *name* without a question.

    They are another word for the same package, or one slip away from it: a letter that was added, left out or
    exchanged, not the first and no digit. Two slips away is another package as often as not.
    """
    near = near_names(name, names)
    certain = {*_OTHER_WORDS.get(name, ()), *conda_names(name), *_rejoined(name), f"r-{name}", f"py{name}"}
    return [other for other in near if other in certain or _is_one_slip(name, other)]


def may_be_meant(name: str, other: str) -> bool:
    """Whether *other*, a near name, is more than alike: another word or spelling, or one slip away."""
    return other in (*_OTHER_WORDS.get(name, ()), *_respellings(name)) or _is_one_slip(name, other)


def channel_of(name: str) -> str | None:
    """The channel that is known for names like this one, where their beginning tells."""
    return next((channel for beginning, channel in _CHANNELS if name.startswith(beginning)), None)


def _other_words(name: str, listed: Collection[str]) -> list[str]:
    for words in ((*_OTHER_WORDS.get(name, ()), *conda_names(name)), _respellings(name)):
        found = [word for word in dict.fromkeys(words) if word != name and word in listed]
        if found:
            return found[:NEAR_NAMES]
    return []


def _respellings(name: str) -> list[str]:
    """The name as conda may spell it: joined otherwise, or with the language before it."""
    stem = name.removeprefix("python-").removesuffix("-python").removesuffix("-py").removesuffix("-binary")
    stem = stem.removeprefix("py") if stem == name and len(name) > 4 else stem
    return [
        *_rejoined(name),
        stem,
        f"r-{name}",
        f"py{name}",
        f"py-{name}",
        f"python-{name}",
        f"bioconductor-{name}",
    ]


def _rejoined(name: str) -> list[str]:
    return [name.replace("_", "-"), name.replace("-", "_"), name.replace("-", "").replace("_", "")]


def _is_one_slip(name: str, other: str) -> bool:
    start = _same_letters(name, other)
    end = _same_letters(name[start:][::-1], other[start:][::-1])
    left, found = name[start : len(name) - end], other[start : len(other) - end]
    exchanged = len(left) == len(found) == 2 and left == found[::-1]
    small = exchanged or max(len(left), len(found)) <= 1
    return small and start > 0 and len(name) >= _SHORT and not any(map(str.isdigit, left + found))


def _same_letters(one: str, other: str) -> int:
    """How many letters two words have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _misspelt(name: str, listed: Collection[str]) -> list[str]:
    likely = sorted(other for other in listed if other != name and _may_be_near(name, other))
    closeness = _CLOSE if len(name) > _SHORT else _CLOSE - 0.05
    near = get_close_matches(name, narrowed(name, likely), NEAR_NAMES, closeness)
    near.sort(key=lambda other: not _is_one_slip(name, other))
    longer = [other for other in likely if other.startswith((f"{name}-", f"{name}_"))]
    return list(dict.fromkeys([*near, *longer]))[:NEAR_NAMES]


def narrowed(name: str, likely: list[str]) -> list[str]:
    """Those of *likely* to be compared thoroughly, which takes some 20 microseconds for each.

    Where there are many, the ones that share the longest beginning or end with *name*.
    """
    shared = max(1, len(name) // 2 - 1)
    while len(likely) > _MANY and shared < len(name):
        likely = [
            other for other in likely if other[:shared] == name[:shared] or other[-shared:] == name[-shared:]
        ]
        shared += 1
    return likely[:_MANY]


def _may_be_near(name: str, other: str) -> bool:
    """A quick look before the thorough comparison: channels have 100,000 names."""
    if other.startswith(name):
        return True
    return abs(len(name) - len(other)) <= 2 and (
        other[:1] == name[:1] or other[1:4] == name[1:4] or other[-3:] == name[-3:]
    )
