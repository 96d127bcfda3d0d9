"""Wheels in the package cache: like any other package, and none that could do harm."""

from __future__ import annotations

import hashlib
import io
import struct
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from envmgr.errors import ChannelError, DataError
from envmgr.models.package_files import EntryPoint
from envmgr.net.files import FileTransport
from envmgr.packages.store import PackageCache
from envmgr.packages.unpacked import CachedPackage, ObtainOptions
from envmgr.packages.unused import iter_archives, iter_packages
from envmgr.packages.wheel import PLACEHOLDER
from envmgr.ports import RecordingReporter
from envmgr.pypi.records import wheel_record
from tests.builders import File, Whl, archive_bytes, link, pkg, repodata_entry, wheel_bytes, whl

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.models.record import PackageRecord

INDEX = "https://pypi.org/simple"


def placed(folder: Path, wheel: Whl, data: bytes | None = None, *, vouched: bool = True) -> PackageRecord:
    """The record of *wheel*, written below *folder*."""
    folder.mkdir(exist_ok=True)
    data = wheel_bytes(wheel) if data is None else data
    (folder / wheel.file_name).write_bytes(data)
    facts: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} if vouched else {}
    return wheel_record((folder / wheel.file_name).as_uri(), index=INDEX, **facts)


def obtain(cache: PackageCache, *records: PackageRecord, **options: Any) -> list[CachedPackage]:
    found = cache.obtain(records, FileTransport(), RecordingReporter(), ObtainOptions(**options))
    return list(found.values())


@pytest.fixture
def cache(tmp_path: Path) -> PackageCache:
    return PackageCache([tmp_path / "pkgs"])


def refusal(tmp_path: Path, cache: PackageCache, wheel: Whl, data: bytes | None = None, **facts: Any) -> str:
    """What is said of a wheel that is refused; nothing of it is left in the cache."""
    record = placed(tmp_path / "wheels", wheel, data, **facts)
    with pytest.raises(DataError) as caught:
        obtain(cache, record)
    layer = cache.layers[0]
    assert not [*iter_packages(layer), *iter_archives(layer)]
    assert not [path for path in layer.rglob("*") if path.name.startswith(".envmgr-work")]
    return str(caught.value)


def test_a_wheel_is_unpacked_in_the_shape_of_a_noarch_python_package(
    tmp_path: Path, cache: PackageCache
) -> None:
    wheel = whl(
        "My-Tool",
        files={"my_tool/__init__.py": "x = 1\n", "my_tool/run.sh": File(b"#!/bin/sh\n", 0o755)},
        data={
            "scripts/plain": "#!/bin/sh\necho\n",
            "scripts/mine": "#!python -E\nprint('hi')\n",
            "headers/my.h": "int x;\n",
            "data/share/my/a.txt": "a",
            "purelib/pure.py": "p = 1\n",
            "platlib/plat.py": "q = 1\n",
        },
        console_scripts=("my-tool = my_tool:main [extra]",),
        gui_scripts=("my-window=my_tool.window:show",),
    )
    (package,) = obtain(cache, placed(tmp_path / "wheels", wheel))
    assert package.folder == tmp_path / "pkgs" / ".pypi" / "My_Tool-1.0-py3-none-any"
    assert package.archive == package.folder.with_name("My_Tool-1.0-py3-none-any.whl")
    info = "site-packages/My_Tool-1.0.dist-info"
    assert {entry.path for entry in package.files.paths} == {
        "site-packages/my_tool/__init__.py", "site-packages/my_tool/run.sh", "site-packages/pure.py",
        "site-packages/plat.py", "python-scripts/plain", "python-scripts/mine", "python-headers/my.h",
        "python-data/share/my/a.txt", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/entry_points.txt",
        f"{info}/INSTALLER",
    }  # fmt: skip
    assert package.files.entry_points == (
        EntryPoint("my-tool", "my_tool", "main"),
        EntryPoint("my-window", "my_tool.window", "show"),
    )
    assert [entry.path for entry in package.files.paths if entry.placeholder] == ["python-scripts/mine"]
    script = package.folder / "python-scripts" / "mine"
    assert script.read_text() == f"#!{PLACEHOLDER}/bin/python\nprint('hi')\n"
    modes = {path: (package.folder / path).stat().st_mode & 0o100 for path in package.files.offsets}
    assert modes == {"python-scripts/mine": 0o100}
    executable = ("site-packages/my_tool/run.sh", "python-scripts/plain")
    assert all((package.folder / path).stat().st_mode & 0o100 for path in executable)
    assert not (package.folder / "site-packages/pure.py").stat().st_mode & 0o100


def test_wheels_and_conda_packages_come_in_one_call_and_stay_in_the_cache(
    tmp_path: Path, cache: PackageCache
) -> None:
    from envmgr.models.record import Origin, PackageRecord

    conda = pkg("requests", "1.0", "pypi_0", files={"a.txt": "conda"})
    (tmp_path / "channel").mkdir()
    (tmp_path / "channel" / conda.file_name).write_bytes(data := archive_bytes(conda))
    base = (tmp_path / "channel").as_uri()
    known = repodata_entry(conda, data)
    first = PackageRecord.parse(known, fn=conda.file_name, origin=Origin(base, "noarch", f"{base}/"))
    second = placed(tmp_path / "wheels", whl("requests"))
    packages = obtain(cache, first, second)
    assert [each.record.name for each in packages] == ["requests", "pypi:requests"]
    assert [each.folder.parent.name for each in packages] == ["pkgs", ".pypi"]
    assert (tmp_path / "pkgs" / "urls.txt").read_text().splitlines() == [first.url]
    for folder in ("channel", "wheels"):
        for path in (tmp_path / folder).iterdir():
            path.unlink()
    again = obtain(PackageCache(cache.layers), first, second, offline=True)
    assert [each.files for each in again] == [each.files for each in packages]
    assert not any(map(cache.check, again))
    assert not any(map(cache.check_quickly, again))
    assert {path.name for path in iter_packages(tmp_path / "pkgs")} == {
        "requests-1.0-pypi_0",
        "requests-1.0-py3-none-any",
    }


def test_two_indexes_wheels_of_one_name_lie_beside_each_other(tmp_path: Path, cache: PackageCache) -> None:
    one = placed(tmp_path / "one", whl("a", files={"a.py": "one = 1\n"}))
    two = placed(tmp_path / "two", whl("a", files={"a.py": "two = 2\n"}))
    packages = [*obtain(cache, one), *obtain(cache, two)]
    texts = [(each.folder / "site-packages/a.py").read_text() for each in packages]
    assert texts == ["one = 1\n", "two = 2\n"]
    assert packages[1].folder.parents[1] == tmp_path / "pkgs" / ".pypi" / ".by-hash"
    assert len([*iter_packages(tmp_path / "pkgs")]) == len([*iter_archives(tmp_path / "pkgs")]) == 2


def test_offline_a_wheel_that_is_nowhere_is_named(tmp_path: Path, cache: PackageCache) -> None:
    record = wheel_record("https://example.org/w/a-1.0-py3-none-any.whl", index=INDEX, sha256="0" * 64)
    with pytest.raises(ChannelError, match=r"offline, and 1 package.* a-1\.0-py3-none-any\.whl"):
        obtain(cache, record, offline=True)


def test_a_damaged_wheel_in_the_cache_is_found_and_unpacked_anew(tmp_path: Path, cache: PackageCache) -> None:
    record = placed(tmp_path / "wheels", whl("a"))
    (package,) = obtain(cache, record)
    (package.folder / "site-packages/a.py").write_text("something else\n")
    finding = cache.check_quickly(package)
    assert finding is not None
    assert finding.path == "site-packages/a.py"
    assert cache.discard(package, package.folder.stat().st_ino)
    (again,) = obtain(cache, record, offline=True)
    assert not cache.check(again)


def test_a_file_that_no_record_line_names_is_taken_and_a_line_without_a_file_is_no_harm_where_the_index_vouches(
    tmp_path: Path, cache: PackageCache
) -> None:
    wheel = whl("a", members={"extra.py": File(b"y = 1\n")}, record={"gone": "lost.txt,sha256=abc,3"})
    (package,) = obtain(cache, placed(tmp_path / "wheels", wheel))
    assert (package.folder / "site-packages/extra.py").exists()
    said = refusal(tmp_path, PackageCache([tmp_path / "other"]), wheel, vouched=False)
    assert said == "a-1.0-py3-none-any.whl is damaged at its source: 'lost.txt' is missing."


def test_what_an_installer_writes_is_not_taken_from_a_wheel(tmp_path: Path, cache: PackageCache) -> None:
    wheel = whl("a", metadata={"INSTALLER": "evil\n", "direct_url.json": "{}", "REQUESTED": ""})
    (package,) = obtain(cache, placed(tmp_path / "wheels", wheel))
    metadata = package.folder / "site-packages/a-1.0.dist-info"
    assert {path.name for path in metadata.iterdir()} == {"METADATA", "WHEEL", "INSTALLER"}
    assert (metadata / "INSTALLER").read_text() == "envmgr\n"


def test_a_wheel_with_zip64_records_and_stored_members_is_read(tmp_path: Path, cache: PackageCache) -> None:
    plain = wheel_bytes(wheel := whl("a"))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain)) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            with target.open(zipfile.ZipInfo(entry.filename), "w", force_zip64=True) as member:
                member.write(source.read(entry))
    (package,) = obtain(cache, placed(tmp_path / "wheels", wheel, out.getvalue()))
    assert (package.folder / "site-packages/a.py").read_text().startswith("NAME")


def test_a_wheel_made_by_pip_itself_is_read(tmp_path: Path, cache: PackageCache) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "my.tool"\nversion = "2.0.post1"\n[project.scripts]\nmy-tool = "my_tool:main"\n'
    )
    (source / "my_tool.py").write_text("def main():\n    print('made')\n")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*command, "-w", str(tmp_path / "w"), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "w").iterdir()
    (package,) = obtain(cache, wheel_record(path.as_uri()))
    assert (package.record.shown_name, package.record.version) == ("my-tool", "2.0.post1")
    assert package.files.entry_points == (EntryPoint("my-tool", "my_tool", "main"),)


A = "a-1.0-py3-none-any.whl"
DATA = "a-1.0.data"
HOSTILE: dict[str, tuple[Whl, str]] = {
    "climbs out": (whl("a", members={"../x.py": ""}), "climbs out of the package with '..'"),
    "climbs out of data": (whl("a", members={"a-1.0.data/data/../../../x": ""}), "climbs out"),
    "absolute": (whl("a", members={"/etc/x": ""}), "is absolute"),
    "conda-meta": (whl("a", data={"data/conda-meta/history": ""}), "lies in conda-meta/"),
    "symlink": (whl("a", members={"b.py": link("/etc/passwd")}), "is a symlink, which no wheel may hold"),
    "fifo": (whl("a", members={"b.py": File(b"", 0o010644 ^ 0o100000)}), "is no regular file"),
    "file as folder": (whl("a", members={"a.py/b.py": ""}), "needs a place that another one has taken"),
    "twice by its scheme": (whl("a", data={"purelib/a.py": "x"}), "needs a place that another one has taken"),
    "unknown scheme": (whl("a", data={"kernel/x": ""}), "is for an unknown place; known are purelib"),
    "deep": (whl("a", members={"d/" * 200 + "x": ""}), "lies in more than 128 folders"),
    "other inside": (whl("a", folder="b-1.0.dist-info"), f"{A} is another distribution inside, b-1.0."),
    "other version": (whl("a", folder="a-1.1.dist-info"), f"{A} is another distribution inside, a-1.1."),
    "other in METADATA": (
        whl("a", metadata={"METADATA": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n"}),
        f"{A} is another distribution inside, evil 1.0.",
    ),
    "nameless": (whl("a", metadata={"METADATA": "\n"}), "is another distribution inside, one without a name."),
    "two metadata folders": (whl("a", members={"b-1.0.dist-info/METADATA": ""}), "several .dist-info folders"),
    "wheel of the future": (
        whl("a", metadata={"WHEEL": "Wheel-Version: 2.0\n"}), f"{A} has the wheel version 2.0; only version 1"
    ),
    "wrong sum": (
        whl("a", record={"a.py": "a.py,sha256=AAAA,30"}),
        f"{A} is damaged at its source: 'a.py' has another sha256 than RECORD states.",
    ),
    "wrong sum of a script": (
        whl("a", data={"scripts/x": "#!python\n"}, record={f"{DATA}/scripts/x": f"{DATA}/scripts/x,sha512=A,9"}),
        "has another sha512 than RECORD states",
    ),
    "weak sum": (whl("a", record={"a.py": "a.py,md5=AAAA,30"}), "it has a sum of the kind 'md5'"),
    "sizes of letters": (
        whl("a", record={"a.py": "a.py,sha256=AAAA,many"}), "RECORD is not valid: invalid literal"
    ),
    "bad entry point": (whl("a", console_scripts=("a = os",)), "the entry point 'a = os' is not valid"),
    "command with a slash": (whl("a", console_scripts=("../a = a:b",)), "is not valid; expected command"),
    "bad entry points": (whl("a", metadata={"entry_points.txt": "x"}), "its entry_points.txt is not valid"),
    "name that is no UTF-8": (whl("a", members={"PLACE-OF-BYTES": ""}), "is not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_wheel_is_refused_with_a_sentence_and_leaves_nothing(
    what: str, tmp_path: Path, cache: PackageCache
) -> None:
    wheel, expected = HOSTILE[what]
    data = wheel_bytes(wheel).replace(b"PLACE-OF-BYTES", b"\xe9" * 14)
    said = refusal(tmp_path, cache, wheel, data)
    assert expected in said
    assert said.startswith(A)
    assert "\n" not in said
    assert said.endswith(".")


def twice(data: bytes) -> bytes:
    out = io.BytesIO(data)
    with pytest.warns(UserWarning), zipfile.ZipFile(out, "a") as archive:
        archive.writestr("a.py", "other")
    return out.getvalue()


def with_local_name(data: bytes) -> bytes:
    return data.replace(b"a.py", b"b.py", 1)


def with_size(data: bytes, size: int) -> bytes:
    """The directory states another size of the first member."""
    at = data.index(b"PK\1\2")
    return data[: at + 24] + struct.pack("<I", size) + data[at + 28 :]


def with_flag(data: bytes, offset: int, value: int) -> bytes:
    at = data.index(b"PK\1\2") + offset
    return data[:at] + struct.pack("<H", value) + data[at + 2 :]


BROKEN = {
    "twice": (twice, "holds 'a.py' twice"),
    "another name at its place": (with_local_name, "the zip calls it otherwise at its place"),
    "shorter than stated": (lambda data: with_size(data, 9999), "it has another size than the zip states"),
    "longer than stated": (lambda data: with_size(data, 3), "it has another size than the zip states"),
    "a bomb": (lambda data: with_size(data, 0xF0000000), "where 21"),
    "encrypted": (lambda data: with_flag(data, 8, 1), "is encrypted"),
    "another compression": (lambda data: with_flag(data, 10, 12), "(method 12)"),
    "another CRC": (lambda data: with_flag(data, 16, 1), "its CRC is another"),
    "cut": (lambda data: data[:-30], "is no sound zip archive"),
    "behind its end": (lambda data: data + b"more", "is no sound zip archive|behind the end"),
    "no zip": (lambda data: b"<html>", "is no sound zip archive"),
    "empty": (lambda data: b"", "is no sound zip archive"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_zip_is_refused_with_a_sentence_and_leaves_nothing(
    what: str, tmp_path: Path, cache: PackageCache
) -> None:
    spoil, expected = BROKEN[what]
    said = refusal(tmp_path, cache, wheel := whl("a"), spoil(wheel_bytes(wheel)))
    assert any(each in said for each in expected.split("|")), said
    assert said.startswith(A)
    assert said.count("\n") == 0


def test_flipped_bytes_of_a_wheel_are_a_sound_package_or_a_sentence(tmp_path: Path) -> None:
    wheel = whl("a", data={"scripts/a": "#!python\n"}, console_scripts=("b = a:c",))
    data = wheel_bytes(wheel)
    for at in range(0, len(data), 23):
        spoilt = data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]
        cache = PackageCache([tmp_path / "pkgs" / str(at)])
        try:
            (package,) = obtain(cache, placed(tmp_path / "wheels", wheel, spoilt))
        except DataError as error:
            assert str(error).startswith(A)
        else:
            assert not cache.check(package)
