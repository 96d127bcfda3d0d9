"""The pure rules of building: globs, file choice, run paths, requirements, records."""

from __future__ import annotations

import posixpath
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.build.depends import (
    Exported,
    PackageFacts,
    Resolver,
    collect_exports,
    finalize,
    run_closure,
    spec_name,
    unique,
)
from envmgr.build.elf import ElfFile, glibc_version, is_glibc_library, read_elf
from envmgr.build.files import (
    package_path,
    placeholder_mode,
    relative_link,
    select_files,
    with_python_shebang,
)
from envmgr.build.globs import matches_any
from envmgr.build.python_metadata import rewrite_record
from envmgr.build.recipe import Build, DynamicLinking, FileFilter, PrefixDetection
from envmgr.build.relocate import Libraries, find_missing, plan_runpath
from envmgr.errors import BuildError, DataError
from tests.build_plans import output_of

PREFIX = "/build/" + "p" * 200


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("lib/*.so*", "lib/liba.so.1", True),
        ("lib/*.so*", "lib/x/liba.so.1", False),
        ("**/*.so*", "lib/x/liba.so.1", True),
        ("**/*.py", "a.py", True),
        ("include/", "include/x/y.h", True),
        ("include", "include/x/y.h", True),
        ("include", "include2/x", False),
        ("lib/lib[ab]?.so", "lib/libbx.so", True),
        ("lib/lib[!ab].so", "lib/liba.so", False),
        ("**", "anything/at/all", True),
        ("bin/c++", "bin/c++", True),
        ("a.b", "aXb", False),
    ],
)
def test_glob_follows_folders(pattern: str, path: str, fits: bool) -> None:
    assert matches_any(path, [pattern]) is fits


def test_new_files_are_selected_and_notes_of_installers_are_not() -> None:
    after = [
        "bin/old",
        "bin/new",
        "lib/python3.11/site-packages/a/__pycache__/x.pyc",
        "conda-meta/history",
        "lib/keep.pyc",
        "lib/python3.11/site-packages/a-1.dist-info/direct_url.json",
        "lib/python3.11/site-packages/a-1.dist-info/RECORD",
    ]
    build = Build()
    assert select_files(["bin/old"], after, build) == (
        "bin/new",
        "lib/python3.11/site-packages/a-1.dist-info/RECORD",
    )
    narrowed = Build(files=FileFilter(include=("bin/",), exclude=("bin/n*",)), always_include=("bin/old",))
    assert select_files(["bin/old"], after, narrowed) == ("bin/old",)


def test_noarch_python_moves_files_and_drops_scripts_of_entry_points() -> None:
    build = Build(noarch="python", entry_points=("tool = a.b:main",))
    paths = ["lib/python3.11/site-packages/a/b.py", "bin/tool", "bin/other", "share/doc"]
    assert [package_path(path, build) for path in paths] == [
        "site-packages/a/b.py",
        None,
        "python-scripts/other",
        "share/doc",
    ]
    assert package_path("bin/tool", Build(entry_points=("tool = a.b:main",))) == "bin/tool"


def test_forced_and_ignored_files_overrule_detection() -> None:
    detection = PrefixDetection(text=("a",), binary=("b",), ignore=("c",))
    modes = [placeholder_mode(path, is_binary=path == "a", detection=detection) for path in "abcd"]
    assert modes == ["text", "binary", None, "text"]
    assert placeholder_mode("x", is_binary=True, detection=PrefixDetection(ignore_binary_files=True)) is None
    assert placeholder_mode("x", is_binary=False, detection=PrefixDetection(ignore=True)) is None


@pytest.mark.parametrize(
    ("path", "target", "expected"),
    [
        ("lib/a", "b", "b"),
        ("lib/a", "../share/b", "../share/b"),
        ("lib/a", "../../etc/b", None),
        ("lib/x/a", f"{PREFIX}/lib/b", "../b"),
        ("a", f"{PREFIX}/lib/b", "lib/b"),
        ("lib/a", "/etc/b", None),
        ("lib/a", f"{PREFIX}-other/b", None),
    ],
)
def test_links_stay_in_the_prefix(path: str, target: str, expected: str | None) -> None:
    assert relative_link(path, target, PREFIX) == expected


def test_long_and_short_python_starts_become_one_line() -> None:
    fixed = f"#!{PREFIX}/bin/python\nrest\n".encode()
    long = f"#!/bin/sh\n'''exec' {PREFIX}/bin/python3.11 \"$0\" \"$@\"\n' '''\nrest\n".encode()
    short = f"#!{PREFIX}/bin/python3.11\nrest\n".encode()
    foreign = b"#!/usr/bin/python3\nrest\n"
    assert [with_python_shebang(text, PREFIX, everywhere=False) for text in (long, short, foreign)] == [
        fixed,
        fixed,
        foreign,
    ]
    assert with_python_shebang(foreign, PREFIX, everywhere=True) == fixed
    assert with_python_shebang(b"#!/bin/sh\necho\n", PREFIX, everywhere=True) == b"#!/bin/sh\necho\n"


LIBRARIES = Libraries(
    folders={"liba.so": {"lib"}, "libown.so": {"lib/own"}, "libb.so": {"lib"}},
    owners={"lib/liba.so": "a", "lib/libb.so": "b", "lib/own/libown.so": ""},
)


def runpath(path: str, elf: ElfFile, **linking) -> tuple[str, ...] | None:
    return plan_runpath(path, elf, PREFIX, DynamicLinking(**linking), LIBRARIES)


def test_run_paths_become_relative_and_foreign_ones_go() -> None:
    elf = ElfFile(
        True, ("liba.so",), runpath=("/usr/lib", f"{PREFIX}/lib/own", "$ORIGIN/../lib/x", "$ORIGIN/../../..")
    )
    assert runpath("bin/tool", elf) == ("$ORIGIN/../lib/own", "$ORIGIN/../lib/x", "$ORIGIN/../lib")
    assert runpath("bin/tool", elf, rpath_allowlist=("/usr/lib",))[0] == "/usr/lib"
    assert runpath("bin/tool", elf, rpaths=("lib/", "opt/lib"))[-1] == "$ORIGIN/../opt/lib"


def test_file_that_already_finds_everything_is_left_alone() -> None:
    assert runpath("lib/x/m.so", ElfFile(True, ("libc.so.6",))) is None
    assert runpath("lib/x/m.so", ElfFile(True, ("liba.so",), runpath=("$ORIGIN/..",))) is None
    assert runpath("lib/x/m.so", ElfFile(True, ("liba.so",))) == ("$ORIGIN/..",)
    assert runpath("lib/m.so", ElfFile(True, ("liba.so",))) == ("$ORIGIN",)
    assert runpath("bin/p", ElfFile(True, ("libc.so.6",), interpreter="/lib/ld.so")) == ("$ORIGIN/../lib",)


def missing(elf: ElfFile, *, required: set[str], allowed: tuple[str, ...] = ()) -> list[str]:
    return [str(problem) for problem in find_missing("lib/m.so", elf, allowed, LIBRARIES, required)]


def test_needed_library_must_come_with_the_package() -> None:
    needs = ("liba.so", "libown.so", "libc.so.6", "libz.so.1")
    elf = ElfFile(True, needs, runpath=("$ORIGIN",))
    assert missing(elf, required={"a"}) == ["lib/m.so needs libz.so.1, which no package provides"]
    assert missing(elf, required=set(), allowed=("libz*",)) == [
        "lib/m.so needs liba.so, of a, which 'run' does not require"
    ]
    unreachable = ElfFile(True, ("liba.so",), runpath=("$ORIGIN/elsewhere",))
    assert missing(unreachable, required={"a"}) != []


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("libc.so.6", True),
        ("ld-linux-x86-64.so.2", True),
        ("libpthread.so.0", True),
        ("libcrypt.so.1", False),
        ("libstdc++.so.6", False),
        ("libgcc_s.so.1", False),
        ("libc.musl-x86_64.so.1", False),
    ],
)
def test_only_glibc_itself_is_taken_from_the_machine(name: str, own: bool) -> None:
    assert is_glibc_library(name) is own


def test_glibc_bound_is_the_newest_release_that_is_needed() -> None:
    needs = (("libc.so.6", ("GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_PRIVATE")), ("libother.so", ("GLIBC_9.9",)))
    assert glibc_version([ElfFile(True, version_needs=needs)]) == (2, 17)
    relative = (("libc.so.6", ("GLIBC_ABI_DT_RELR",)),)
    assert glibc_version([ElfFile(True, version_needs=needs), ElfFile(True, version_needs=relative)]) == (
        2,
        36,
    )
    assert glibc_version([ElfFile(True)]) is None


def test_program_of_this_machine_is_read_like_the_dynamic_linker_reads_it() -> None:
    import subprocess
    import sys
    from pathlib import Path

    elf = read_elf(Path(sys.executable).resolve().read_bytes(), "python")
    assert any(name.startswith("libc.so") for name in elf.needed)
    listed = subprocess.run(["ldd", sys.executable], capture_output=True, text=True, check=False).stdout
    assert all(name in listed for name in elf.needed)
    assert elf.interpreter is not None


@given(data=st.data())
def test_damaged_elf_file_is_an_error_and_never_a_crash(data: st.DataObject) -> None:
    blob = bytearray(SMALL_ELF)
    for _ in range(data.draw(st.integers(1, 8))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(blob)))
    try:
        read_elf(bytes(blob[:cut]), "x")
    except DataError as error:
        assert str(error).startswith("x is a damaged ELF file")


def small_elf() -> bytes:
    """A 64-bit library with one needed library, a run path and one symbol version, laid out by hand."""
    strings = b"\0libneeded.so.1\0$ORIGIN/../lib:/opt\0libc.so.6\0GLIBC_2.17\0libself.so\0"
    at = {
        name: strings.index(name.encode())
        for name in ("libneeded", "$ORIGIN", "libc.so.6", "GLIBC_2.17", "libself")
    }
    base = 64 + 2 * 56
    verneed = struct.pack("<HHIII", 1, 1, at["libc.so.6"], 16, 0) + struct.pack(
        "<IHHII", 0, 0, 2, at["GLIBC_2.17"], 0
    )
    strings_at, verneed_at = base, base + len(strings)
    dynamic_at = verneed_at + len(verneed)
    entries = [(1, at["libneeded"]), (14, at["libself"]), (29, at["$ORIGIN"]), (5, strings_at)]
    entries += [(0x6FFFFFFE, verneed_at), (0x6FFFFFFF, 1), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    size = dynamic_at + len(dynamic)
    head = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    dyn = struct.pack("<IIQQQQQQ", 2, 6, dynamic_at, dynamic_at, dynamic_at, len(dynamic), len(dynamic), 8)
    return head + load + dyn + strings + verneed + dynamic


SMALL_ELF = small_elf()


def test_elf_reader_finds_needs_run_path_and_versions() -> None:
    elf = read_elf(SMALL_ELF, "x")
    assert (elf.needed, elf.soname, elf.search_path) == (
        ("libneeded.so.1",),
        "libself.so",
        ("$ORIGIN/../lib", "/opt"),
    )
    assert elf.version_needs == (("libc.so.6", ("GLIBC_2.17",)),)


def test_run_exports_flow_as_the_standard_says() -> None:
    build = PackageFacts("gcc", "12", "0", exports={"strong": ("libgcc >=12",), "weak": ("never",)})
    host = PackageFacts(
        "zlib",
        "1.3",
        "0",
        exports={
            "weak": ("libzlib >=1.3",),
            "strong": ("s",),
            "noarch": ("n",),
            "weak_constrains": ("c <2",),
        },
    )
    arch = collect_exports(output_of("{}"), [build], [host])
    assert arch == Exported(("libgcc >=12",), ("libgcc >=12", "s", "libzlib >=1.3"), ("c <2",))
    assert collect_exports(output_of("{}", noarch="generic"), [build], [host]) == Exported(run=("n",))
    ignoring = output_of("{ignore_run_exports: {by_name: [s], from_package: [gcc]}}")
    assert collect_exports(ignoring, [build], [host]) == Exported((), ("libzlib >=1.3",), ("c <2",))


def test_final_requirements_resolve_pins_and_add_the_glibc_bound() -> None:
    text = "{run: [\"${{ pin_compatible('numpy') }}\", \"${{ pin_subpackage('p', exact=True) }}\", zlib]}"
    environment = {"numpy": PackageFacts("numpy", "2.1.0", "py_0")}
    resolver = Resolver({"p": ("1", "h_0")}, environment)
    final = finalize(output_of(text), resolver, Exported(run=("zlib >=1.3,<2.0a0",)), (2, 17))
    assert final.depends == (
        "numpy >=2.1.0,<3.0a0",
        "p ==1 h_0",
        "zlib >=1.3,<2.0a0",
        "__glibc >=2.17,<3.0.a0",
    )
    with pytest.raises(BuildError, match=r"'numpy' is in neither the host nor the build environment"):
        finalize(output_of(text), Resolver({"p": ("1", "h_0")}, {}), Exported(), None)


def test_bare_name_gives_way_to_a_longer_spec() -> None:
    assert unique(["a", "b >=1", "a >=2", "b >=1"]) == ("b >=1", "a >=2")
    assert [spec_name(spec) for spec in ("a>=1", "ch::B 1", "c[version=1]", "d")] == ["a", "b", "c", "d"]


def test_required_packages_bring_theirs() -> None:
    environment = {
        "a": PackageFacts("a", "1", "0", depends=("b >=1",)),
        "b": PackageFacts("b", "1", "0", depends=("a",)),
    }
    assert run_closure(["a 1.*"], environment) == {"a", "b"}


def test_record_keeps_what_is_packaged_with_true_hashes() -> None:
    text = 'a.py,sha256=old,1\n"b,c.py",sha256=x,2\n__pycache__/a.pyc,,\n../../../bin/t,sha256=y,3\n'
    kept = {"lib/python3.11/site-packages/a.py", "lib/python3.11/site-packages/b,c.py", "bin/t"}
    changed = {"lib/python3.11/site-packages/a.py": b"new\n"}
    result = rewrite_record(text, "lib/python3.11/site-packages", kept.__contains__, changed).splitlines()
    assert [line.split(",")[0] for line in result] == ["a.py", '"b', "../../../bin/t"]
    assert result[0].endswith(",4") and "old" not in result[0]


@given(st.lists(st.sampled_from(["a", "b", "..", "lib", "x.y"]), min_size=1, max_size=6), st.booleans())
def test_relative_link_means_the_same_file_as_before(parts: list[str], absolute: bool) -> None:
    target = posixpath.join(PREFIX, *parts) if absolute else posixpath.join(*parts)
    result = relative_link("d/e/link", target, PREFIX)
    meant = posixpath.normpath(posixpath.join(PREFIX, "d/e", target))
    if result is None:
        assert not meant.startswith(f"{PREFIX}/") and meant != PREFIX
    else:
        assert posixpath.normpath(posixpath.join(PREFIX, "d/e", result)) == meant
