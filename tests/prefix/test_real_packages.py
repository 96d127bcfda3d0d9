"""Packages as they were published, from unpacking to a checked prefix, read by another tool's library."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import PrefixError
from envmgr.prefix.check import verify_prefix
from envmgr.prefix.store import PrefixStore
from tests.builders import link, pkg
from tests.prefixes import CHANNEL, create, python_package, unpack, unpack_archive
from tests.shared_data import shared_path

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.prefix.plan import PackageToLink

NOARCH = "packages/test-channel/noarch"


def real(name: str, tmp_path: Path) -> PackageToLink:
    return unpack_archive(shared_path(f"{NOARCH}/{name}"), tmp_path / "pkgs")


@pytest.mark.parametrize("extension", [".conda", ".tar.bz2"])
def test_zlib_with_its_symlinks_mended_installs_and_checks(tmp_path: Path, extension: str) -> None:
    """The archives lost their symlinks when they were published; two of the four are put back here."""
    archive = shared_path(f"packages/zlib-channel/linux-64/zlib-1.2.11-h7b6447c_3{extension}")
    try:
        package = unpack_archive(archive, tmp_path / "pkgs")
    except OSError:
        pytest.skip("Python's tarfile cannot unpack the empty symlinks of this archive")
    for path in ("lib/libz.so", "lib/libz.so.1"):
        (package.folder / path).unlink(missing_ok=True)
        (package.folder / path).symlink_to("libz.so.1.2.11")
    prefix = tmp_path / "env"
    create(prefix, [package])
    assert verify_prefix(prefix) == ()
    assert f"prefix={prefix}\n" in (prefix / "lib/pkgconfig/zlib.pc").read_text()


def test_zlib_with_damaged_symlinks_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    archive = shared_path("packages/zlib-channel/linux-64/zlib-1.2.11-h7b6447c_3.tar.bz2")
    package = unpack_archive(archive, tmp_path / "pkgs")
    with pytest.raises(
        PrefixError, match=r"zlib-1.2.11-h7b6447c_3 is damaged: lib/libz.so(.1)? should be a symlink"
    ):
        create(tmp_path / "env", [package])
    assert sorted(os.listdir(tmp_path)) == ["pkgs"]


@pytest.mark.parametrize("archive", ["mock-2.0.0-py37_1000.conda", "mock-2.0.0-py37_1000.tar.bz2"])
def test_both_formats_give_the_same_prefix(tmp_path: Path, archive: str) -> None:
    package = unpack_archive(shared_path(f"packages/single/{archive}"), tmp_path / "pkgs")
    create(tmp_path / "env", [package])
    assert verify_prefix(tmp_path / "env") == ()
    assert (tmp_path / "env/lib/python3.7/site-packages/mock/mock.py").is_file()


def test_ca_certificates(tmp_path: Path) -> None:
    name = "ca-certificates-2024.7.4-hbcca054_0.conda"
    package = unpack_archive(shared_path(f"packages/single/{name}"), tmp_path / "pkgs")
    create(tmp_path / "env", [package])
    assert verify_prefix(tmp_path / "env") == ()
    assert (tmp_path / "env/ssl/cert.pem").read_bytes() == (tmp_path / "env/ssl/cacert.pem").read_bytes()


def test_noarch_python_sample(tmp_path: Path) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    python = unpack(
        pkg("python", f"{version}.0", files={f"bin/python{version}": link("x")}), tmp_path / "pkgs"
    )
    interpreter = python.folder / f"bin/python{version}"
    interpreter.unlink()
    interpreter.symlink_to(os.path.realpath(sys.executable))
    sample = real("sample_noarch_python-1.0-py_0.conda", tmp_path)
    create(tmp_path / "env", [python, sample])
    files = PrefixStore(tmp_path / "env").records()[1].files
    folder = f"lib/python{version}/site-packages"
    tag = sys.implementation.cache_tag
    assert files == (f"{folder}/__pycache__/sample.{tag}.pyc", f"{folder}/sample.py")
    assert all((tmp_path / "env" / path).is_file() for path in files)


def test_failing_post_link_is_rolled_back(tmp_path: Path) -> None:
    package = real("failing_post_link-1.0-0.conda", tmp_path)
    with pytest.raises(
        PrefixError, match=r"post-link script of failing_post_link-1.0-0 failed with exit code 1"
    ):
        create(tmp_path / "env", [package])
    assert sorted(os.listdir(tmp_path)) == ["pkgs"]


def test_link_scripts_run_in_order_in_the_activated_environment(tmp_path: Path) -> None:
    names = ["post_link-b", "post_link-c", "post_link-d", "post_link_run_in_env_package"]
    created = create(tmp_path / "env", [real(f"{name}-1.0-0.conda", tmp_path) for name in names])
    assert len(created.messages) == 1
    assert "Success: TEST_VAR is set correctly" in created.messages[0]
    assert verify_prefix(tmp_path / "env") == ()


def test_clobbering_packages_are_reported(tmp_path: Path) -> None:
    from envmgr.ports import RecordingReporter

    reporter = RecordingReporter()
    packages = [real(f"clobber-{name}-1.0-0.conda", tmp_path) for name in "ab"]
    create(tmp_path / "env", packages, reporter)
    (warning,) = reporter.warnings
    assert warning.startswith("bin/clobber-test-file comes with clobber-a-1.0-0 and clobber-b-1.0-0;")
    assert (tmp_path / "env/bin/clobber-test-file").read_text() == "clobber-b\n"


def test_activation_scripts_are_found(tmp_path: Path) -> None:
    create(tmp_path / "env", [real("activate_deactivate_package-1.0-0.conda", tmp_path)])
    store = PrefixStore(tmp_path / "env")
    assert [path.name for path in store.activation_scripts()] == ["activate.sh"]
    assert [path.name for path in store.deactivation_scripts()] == ["deactivate.sh"]


def test_py_rattler_reads_records_and_environment(tmp_path: Path) -> None:
    rattler = pytest.importorskip("rattler")
    tool = pkg(
        "tool",
        "1.5",
        "py_2",
        noarch="python",
        files={"site-packages/t.py": "x = 1\n"},
        entry_points=("t = t:main",),
    )
    packages = [
        unpack(python_package("3.12.1", timestamp=1_700_000_000_123), tmp_path / "pkgs", ("python 3.12.*",)),
        unpack(tool, tmp_path / "pkgs", ("tool", "tool >=1")),
        unpack(pkg("native", files={"lib/a": "a", "lib/b": link("a")}, license="MIT"), tmp_path / "pkgs"),
    ]
    prefix = tmp_path / "env"
    create(prefix, packages)
    paths = sorted((prefix / "conda-meta").glob("*.json"))
    records = [rattler.PrefixRecord.from_path(path) for path in paths]
    for path, record in zip(paths, records, strict=True):
        ours = next(each for each in PrefixStore(prefix).records() if path.name == each.document_name)
        assert record.name.normalized == ours.record.name
        assert str(record.version) == ours.record.version
        assert (record.url, record.file_name) == (ours.record.url, ours.record.fn)
        assert sorted(str(file) for file in record.files) == sorted(ours.files)
        assert {str(entry.relative_path) for entry in record.paths_data.paths} == set(ours.files)
        assert list(record.requested_specs) == list(ours.requested)
    environment = rattler.Environment(
        "env", {rattler.Subdir("linux-64"): records}, [rattler.Channel(CHANNEL)]
    )
    (platform,) = environment.platforms()
    locked = {package.name: package.location for package in environment.packages(platform)}
    assert locked == {each.record.name: each.record.url for each in PrefixStore(prefix).records()}


def test_what_py_rattler_writes_is_read(tmp_path: Path) -> None:
    rattler = pytest.importorskip("rattler")
    create(tmp_path / "env", [unpack(pkg("a", "1.2", files={"lib/a": "a"}), tmp_path / "pkgs", ("a",))])
    (path,) = (tmp_path / "env/conda-meta").glob("*.json")
    before = PrefixStore(tmp_path / "env").records()
    rattler.PrefixRecord.from_path(path).write_to_path(path, True)
    after = PrefixStore(tmp_path / "env").records()
    assert after == before
    assert (after[0].files, after[0].requested) == (before[0].files, before[0].requested)
