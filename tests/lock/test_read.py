"""Locks of every format and generation are read, and hostile ones refused with a place."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from envmgr.errors import DataError, EnvmgrError
from envmgr.lock.conda_lock_text import conda_lock_text, scalar
from envmgr.lock.locked import Lock, LockedPackage
from envmgr.lock.read import read_lock

MD5, SHA = (
    "d7c89558ba9fa0495403155b64376d81",
    "fe51de6107f9edc7aa4f786a70f4a883943bc9d39b3bb7307c04c41410990726",
)
URL = "https://conda.anaconda.org/conda-forge/linux-64/zlib-1.2.11-h36_1013.tar.bz2"
WHEEL = "https://files.pythonhosted.org/packages/d9/5a/six-1.16.0-py2.py3-none-any.whl"

HEAD = """\
metadata:
  content_hash: {linux-64: c3966519f924c1bb939575751347ce8bb8bfa39fcad33745cb1d712dd269ee2d}
  channels: [CHANNEL]
  platforms: [linux-64]
  sources: [environment.yml]
package:
"""
PACKAGES = f"""\
- {{name: zlib, version: 1.2.11, manager: conda, platform: linux-64, category: main, optional: false,
   dependencies: DEPENDS, url: {URL}, hash: {{md5: {MD5}, sha256: {SHA}}}}}
- {{name: six, version: 1.16.0, manager: pip, platform: linux-64, category: dev, optional: true, source: null,
   dependencies: {{}}, url: {WHEEL}, hash: {{sha256: {SHA}}}}}
"""
MAPPINGS = "{libgcc-ng: '>=7.5.0', _libgcc_mutex: 0.1 conda_forge}"
LISTS = "['libgcc-ng >=7.5.0', _libgcc_mutex 0.1 conda_forge]"
CONDA_LOCKS = {
    "0.13 to 1, without a version": HEAD.replace("CHANNEL", "conda-forge")
    + PACKAGES.replace("DEPENDS", MAPPINGS),
    "2 to 4": "version: 1\n"
    + HEAD.replace("CHANNEL", "{url: conda-forge, used_env_vars: []}")
    + PACKAGES.replace("DEPENDS", MAPPINGS),
    "pixi 3": "version: 3\n"
    + HEAD.replace("CHANNEL", "{url: conda-forge, used_env_vars: []}")
    + PACKAGES.replace("DEPENDS", LISTS).replace("manager: pip", "manager: pypi"),
}
PIXI_HEAD = f"""\
environments:
  default:
    channels: [{{url: https://conda.anaconda.org/conda-forge/}}]
    indexes: [https://pypi.org/simple]
    packages:
      PLATFORM: [{{conda: {URL}}}, {{pypi: {WHEEL}}}]
  other:
    channels: []
    packages:
      PLATFORM: [{{conda: {URL}}}]
packages:
"""
FACTS = f"sha256: {SHA}, md5: {MD5}, depends: {LISTS}"
PIXI_LOCKS = {
    version: f"version: {version}\n{platforms}{PIXI_HEAD.replace('PLATFORM', platform)}{packages}"
    for version, platforms, platform, packages in (
        (
            5, "", "linux-64",
            (
                f"- {{kind: conda, name: zlib, version: 1.2.11, build: h36_1013, url: {URL}, {FACTS}}}\n"
                f"- {{kind: pypi, name: six, version: 1.16.0, url: {WHEEL}, sha256: {SHA}}}\n"
            ),
        ),
        (
            6, "", "linux-64",
            f"- {{conda: {URL}, {FACTS}}}\n- {{pypi: {WHEEL}, name: six, version: 1.16.0, sha256: {SHA}}}\n",
        ),
        (
            7, "platforms: [{name: cluster, subdir: linux-64, virtual_packages: [__cuda=12]}]\n", "cluster",
            f"- {{conda: {URL}, {FACTS}}}\n- {{pypi: {WHEEL}, name: six, version: 1.16.0, sha256: {SHA}}}\n",
        ),
    )
}  # fmt: skip


def facts(lock: Lock, *groups: str) -> list[tuple[object, ...]]:
    return [
        (each.kind, each.name, each.version, each.url, each.md5, each.sha256, each.dependencies)
        for each in lock.select("linux-64", groups)
    ]


ZLIB = ("conda", "zlib", "1.2.11", URL, MD5, SHA)
SIX = ("pypi", "six", "1.16.0", WHEEL, None, SHA, ())
NEEDS = (("libgcc-ng", ">=7.5.0"), ("_libgcc_mutex", "0.1 conda_forge"))


@pytest.mark.parametrize("text", CONDA_LOCKS.values(), ids=CONDA_LOCKS)
def test_every_generation_of_conda_lock_says_the_same(text: str) -> None:
    lock = read_lock(text, file="conda-lock.yml")
    assert facts(lock) == [(*ZLIB, NEEDS)]
    assert facts(lock, "dev") == [(*ZLIB, NEEDS), SIX]
    assert (lock.channels, lock.sources, lock.groups) == (
        ("conda-forge",),
        ("environment.yml",),
        ("dev", "main"),
    )


@pytest.mark.parametrize("version", PIXI_LOCKS)
def test_every_version_of_pixi_lock_says_the_same(version: int) -> None:
    lock = read_lock(PIXI_LOCKS[version], file="pixi.lock")
    assert facts(lock) == [(*ZLIB, NEEDS), SIX]
    assert facts(lock, "other") == [(*ZLIB, NEEDS)]


def test_platforms_of_one_subdir_are_not_mixed() -> None:
    wheel = f"- {{pypi: {WHEEL}, name: six, version: 1.16.0, sha256: {SHA}}}\n"
    head = """\
version: 7
platforms: [{name: gpu, subdir: linux-64, virtual-packages: [__cuda >=12]}, {name: linux-64}]
environments:
  default:
    channels: []
    packages:
"""
    both = f"      gpu: [{{conda: {URL}}}, {{pypi: {WHEEL}}}]\n      linux-64: [{{conda: {URL}}}]\n"
    packages = f"packages:\n- {{conda: {URL}, {FACTS}}}\n{wheel}"
    lock = read_lock(head + both + packages, file="pixi.lock")
    assert facts(lock) == [(*ZLIB, NEEDS)]
    assert facts(lock, "default@gpu") == [(*ZLIB, NEEDS), SIX]
    alone = read_lock(head + both.partition("      linux-64")[0] + packages, file="pixi.lock")
    assert (facts(alone), alone.groups) == ([(*ZLIB, NEEDS), SIX], ("default",))


def test_a_list_of_packages_with_nothing_in_it_is_one() -> None:
    assert read_lock(CONDA_LOCKS["2 to 4"].partition("- {name")[0], file="x").platforms == {"linux-64": ()}


def test_what_is_written_is_read_again() -> None:
    packages = tuple(
        LockedPackage(
            kind=kind, name=name, version=version, url=f"https://x.org/a:8/{name}-{version}", md5=MD5, sha256=SHA,
            dependencies=(("no", ">=1,<2"), ("python", "")), groups=("docs", "test"),
            build="0" if kind == "conda" else "",
        )
        for kind, name, version in (("conda", "_a", "1.10"), ("conda", "no", "1e5"), ("pypi", "y", "2024.1"))
    )  # fmt: skip
    notes = {"a.b": "one\ntwo: 'x' # y", "c": "\tto\u2028it\n", "d": "null", "e": "'\"\\"}
    lock = Lock(
        file="f",
        format="conda-lock",
        platforms={"win-64": packages},
        channels=("https://x.org/c",),
        notes=notes,
    )
    again = read_lock(conda_lock_text(lock), file="f")
    assert [
        (each.name, each.version, each.url, each.build, each.groups, each.dependencies)
        for each in again.platforms["win-64"]
    ] == [
        (each.name, each.version, each.url, each.build, each.groups, each.dependencies) for each in packages
    ]
    assert (again.notes, again.channels) == (notes, lock.channels)
    assert read_lock(conda_lock_text(lock).partition("\n")[2], file="f").platforms == moved_up(again)
    assert conda_lock_text(again) == conda_lock_text(lock)


def moved_up(lock: Lock) -> dict[str, tuple[LockedPackage, ...]]:
    """The packages, a line further up."""
    return {
        subdir: tuple(
            replace(each, source=replace(each.source, line=each.source.line - 1)) for each in packages
        )
        for subdir, packages in lock.platforms.items()
    }


def test_our_own_form_is_left_to_yaml_where_it_was_touched() -> None:
    package = LockedPackage(
        kind="conda", name="a", version="1", url="https://x.org/a", md5=MD5, sha256=SHA, build="0"
    )
    text = conda_lock_text(Lock(file="f", format="x", platforms={"win-64": (package,)}))
    touched = text.replace("  version: '1'\n", "  version: '1'  # Somebody was here.\n")
    (one,), (other,) = (read_lock(each, file="f").platforms["win-64"] for each in (text, touched))
    assert one == other
    with pytest.raises(
        DataError, match=r"^f:2: `version` of a lock file is 1, and here it is the number `9`"
    ):
        read_lock(text.replace("version: 1\n", "version: 9\n", 1), file="f")
    with pytest.raises(DataError, match="`md5` of `hash` is 31 characters"):
        read_lock(text.replace(MD5, MD5[1:]), file="f")
    with pytest.raises(DataError, match=f"^f:{one.source.line}: a is for `win-32`"):
        read_lock(text.replace("platform: win-64", "platform: win-32"), file="f")


@pytest.mark.parametrize(
    "text", ["1e5", "0x1", "1_000", "12:30", "~", "-", "Null", "=", "2024-01-01", "a: b", "a #b", ""]
)
def test_no_reader_takes_a_text_for_anything_else(text: str) -> None:
    import yaml

    assert yaml.safe_load(f"x: {scalar(text)}") == {"x": text}


GOOD = CONDA_LOCKS["2 to 4"]
HOSTILE = {
    "a conflict of a merge": (GOOD.replace("package:", "<<<<<<< HEAD\npackage:\n"), ":7: an unresolved"),
    "a package twice": (GOOD + PACKAGES.replace("DEPENDS", "{}"), ":12: zlib for linux-64 was already given"),
    "a key twice": (GOOD.replace("optional: false", "name: x"), "`name` was already given"),
    "a checksum that is none": (GOOD.replace(MD5, MD5[:-1]), "`md5` of `hash` is 31 characters long"),
    "an unknown platform": (GOOD.replace("platform: linux-64", "platform: x"), "zlib is for `x`, which"),
    "a list for a text": (GOOD.replace("name: zlib", "name: [zlib]"), "`name` of a package is a text"),
    "no packages": (GOOD.partition("package:")[0], ":1: a lock file has no `package`"),
    "another version": (GOOD.replace("version: 1\n", "version: 9\n", 1), "`version` of a lock file is 1"),
    "a later pixi": (PIXI_LOCKS[7].replace("version: 7", "version: 8"), "`version` of a lock file is 7 or lower"),
    "an undescribed package": (PIXI_LOCKS[6].split("packages:\n-")[0] + "packages: []\n", ":7: the list"),
    "deep nesting": ("package: " + "[" * 70 + "]" * 70, "nested deeper"),
    "nothing": ("", "is empty"),
    "Latin-1": (GOOD.encode().replace(b"zlib", b"zl\xefb"), ":8: "),
}  # fmt: skip


@pytest.mark.parametrize(("text", "why"), HOSTILE.values(), ids=HOSTILE)
def test_a_broken_lock_is_refused_with_its_place(text: str | bytes, why: str) -> None:
    with pytest.raises(DataError) as caught:
        read_lock(text, file="x.lock")
    assert str(caught.value).startswith("x.lock")
    assert why in str(caught.value)


def test_anchors_that_would_multiply_are_read_once_each() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(EnvmgrError):
        read_lock(bomb + GOOD.replace("[linux-64]", "*i"), file="x.lock")


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    lock = read_lock(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(), file="x")
    assert facts(lock) == [(*ZLIB, NEEDS)]


def test_two_groups_with_different_files_of_a_package_are_not_mixed() -> None:
    other = f"- {{conda: {URL.replace('1013', '1014')}, {FACTS}}}\n"
    text = PIXI_LOCKS[6].replace(
        f"linux-64: [{{conda: {URL}}}]", f"linux-64: [{{conda: {URL.replace('1013', '1014')}}}]"
    )
    lock = read_lock(text + other, file="pixi.lock")
    assert [each.url[-12:] for each in lock.select("linux-64", ("other",))] == ["1014.tar.bz2"]
    with pytest.raises(DataError, match="an environment can hold one of them"):
        lock.select("linux-64", ("default", "other"))
