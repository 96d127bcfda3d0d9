"""Replacement of the build prefix in text and binary files."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.errors import PrefixError
from envmgr.models.placeholder import find_placeholder
from envmgr.prefix.placeholder import replace_in_binary, replace_placeholder

if TYPE_CHECKING:
    from pathlib import Path

OLD = "/opt/placeholder_placehold_placehold_placehold"
NEW = "/home/me/env"


def text(data: bytes, prefix: str = NEW, subdir: str = "linux-64") -> bytes:
    return replace_placeholder(data, OLD, prefix, mode="text", subdir=subdir)


def binary(data: bytes, prefix: str = NEW, subdir: str = "linux-64") -> bytes:
    return replace_placeholder(data, OLD, prefix, mode="binary", subdir=subdir)


def test_text_is_replaced_everywhere() -> None:
    assert text(f"a={OLD}/lib:{OLD}/bin\nb={OLD}".encode()) == f"a={NEW}/lib:{NEW}/bin\nb={NEW}".encode()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mode", ["text", "binary"])
def test_wide_text_is_replaced(encoding: str, mode: str) -> None:
    data = f"x\0{OLD}/lib\0y\0".encode(encoding)
    replaced = replace_placeholder(data, OLD, NEW, mode=mode, subdir="linux-64").decode(encoding)
    assert replaced.replace("\0", "") == f"x{NEW}/liby"
    if mode == "binary":
        assert len(replaced.encode(encoding)) == len(data)


@pytest.mark.parametrize(
    ("before", "prefix", "after"),
    [
        (f"#!{OLD}/bin/python\nx", NEW, f"#!{NEW}/bin/python\nx"),
        (f"#! {OLD}/bin/python -u\nx", NEW, f"#! {NEW}/bin/python -u\nx"),
        (f"#!{OLD}/bin/ruby\nx", "/home/a b", "#!/usr/bin/env ruby\nx"),
        (f"#!{OLD}/bin/ruby\r\nx", "/home/a b", "#!/usr/bin/env ruby\r\nx"),
        (f"#!{OLD}/bin/python -c 'x'\nx", "/home/a b", "#!/usr/bin/env -S python -c 'x'\nx"),
        (f"#!{OLD}/libexec/python\nx", "/home/a b", "#!/usr/bin/env python\nx"),
        (f"#!{OLD}/bin/perl -w\n{OLD}", "/home/a b", "#!/usr/bin/env -S perl -w\n/home/a b"),
        (f"#!/bin/sh\n{OLD}", "/home/a b", "#!/bin/sh\n/home/a b"),
        (f"#!{OLD}/bin/python3.11\nx", "/" + "p" * 109, "#!/" + "p" * 109 + "/bin/python3.11\nx"),
        (f"#!{OLD}/bin/perl5.32.1\nx", "/" + "p" * 110, "#!/usr/bin/env perl5.32.1\nx"),
        (f"#!{OLD}/bin/perl5.32.1", "/" + "p" * 200, "#!/usr/bin/env perl5.32.1"),
    ],
)
def test_shebang_stays_usable_for_the_kernel(before: str, prefix: str, after: str) -> None:
    assert text(before.encode(), prefix) == after.encode()


PYTHON_SCRIPTS = {
    "plain": b"import sys\nprint(sys.argv[1:])\n",
    "with a docstring": b'"""Says what it got."""\nimport sys\nprint(sys.argv[1:])\n',
    "with a future import": b"from __future__ import annotations\nimport sys\nprint(sys.argv[1:])\n",
    "in Latin-1": b"# -*- coding: latin-1 -*-\nimport sys\nassert len('\xe4') == 1\nprint(sys.argv[1:])\n",
    "of Windows lines": b"import sys\r\nprint(sys.argv[1:])\r\n",
}


@pytest.mark.parametrize("case", PYTHON_SCRIPTS)
@pytest.mark.parametrize("folder", ["with space", 'a "$b" ', "p" * 150, "ü ü"])
@pytest.mark.parametrize("options", ["", " -I -X utf8"])
def test_python_scripts_run_where_no_shebang_can_name_the_interpreter(
    tmp_path: Path, case: str, folder: str, options: str
) -> None:
    prefix = tmp_path / folder
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/python3").symlink_to(os.path.realpath(sys.executable))
    tool = prefix / "bin/tool"
    tool.write_bytes(text(f"#!{OLD}/bin/python3{options}\n".encode() + PYTHON_SCRIPTS[case], str(prefix)))
    tool.chmod(0o755)
    done = subprocess.run(
        [tool, "a b", "$c"], env={"PATH": "/nowhere"}, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "['a b', '$c']"), done.stderr


@pytest.mark.parametrize(
    "body", ['"""Usage: x"""\nprint(__doc__)\n', "# c\n\nr'd'\nfrom __future__ import annotations\n"]
)
def test_python_script_that_needs_its_docstring_in_place_is_looked_up_on_path(body: str) -> None:
    script = f"#!{OLD}/bin/python3.11\n{body}".encode()
    assert text(script, "/home/a b") == f"#!/usr/bin/env python3.11\n{body}".encode()


def test_macos_allows_longer_shebangs() -> None:
    prefix = "/" + "p" * 200
    assert text(f"#!{OLD}/bin/sh\n".encode(), prefix, "osx-arm64") == f"#!{prefix}/bin/sh\n".encode()


def test_windows_text_gets_forward_slashes_and_windows_binaries_stay() -> None:
    assert text(f"p={OLD}/x".encode(), "C:\\envs\\a", "win-64") == b"p=C:/envs/a/x"
    data = f"{OLD}/x\0".encode()
    assert binary(data, "C:\\envs\\a", "win-64") == data


def test_binary_pads_at_the_end_of_each_c_string() -> None:
    pad = len(OLD) - len(NEW)
    data = f"\x7fELF\0{OLD}/lib/a.so\0middle\0{OLD}\0end".encode()
    expected = b"\x7fELF\0" + f"{NEW}/lib/a.so".encode() + bytes(pad + 1)
    expected += b"middle\0" + NEW.encode() + bytes(pad + 1) + b"end"
    assert binary(data) == expected


def test_binary_with_the_placeholder_several_times_in_one_c_string() -> None:
    data = f"A{OLD}/a:{OLD}/b:/usr/lib:{OLD}\0next".encode()
    pad = 3 * (len(OLD) - len(NEW))
    assert binary(data) == f"A{NEW}/a:{NEW}/b:/usr/lib:{NEW}".encode() + bytes(pad + 1) + b"next"


def test_binary_string_that_runs_to_the_end_of_the_file() -> None:
    data = f"x\0{OLD}/share".encode()
    assert binary(data) == f"x\0{NEW}/share".encode().ljust(len(data), b"\0")


def test_prefix_as_long_as_the_placeholder_fits() -> None:
    prefix = "/".ljust(len(OLD), "x")
    assert binary(f"{OLD}/a\0".encode(), prefix) == f"{prefix}/a\0".encode()


def test_prefix_longer_than_the_placeholder_is_refused_with_both_lengths() -> None:
    prefix = "/".ljust(len(OLD) + 1, "x")
    with pytest.raises(PrefixError, match=f"{len(OLD) + 1} bytes.*room for {len(OLD)}") as caught:
        binary(f"{OLD}/a\0".encode(), prefix)
    assert caught.value.hint


def test_long_prefix_is_no_matter_where_the_placeholder_does_not_occur() -> None:
    assert binary(b"nothing here\0", "/" + "x" * 300) == b"nothing here\0"


@given(st.lists(st.sampled_from([b"/old/prefix", b"\0", b"/lib", b":", b"\xff\x00\x01"]), max_size=40))
def test_binary_keeps_length_and_every_c_string(parts: list[bytes]) -> None:
    data = b"".join(parts)
    replaced = replace_in_binary(data, "/old/prefix", "/new")
    assert len(replaced) == len(data)
    wanted = [string.replace(b"/old/prefix", b"/new") for string in data.split(b"\0") if string]
    assert [string for string in replaced.split(b"\0") if string] == wanted


PIECES = [
    b"/old/prefix",
    b"\0",
    b"/lib",
    b":",
    b"\n",
    b"#!",
    "/old/prefix".encode("utf-16-le"),
    b"/old/prefi",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=30),
    st.sampled_from(["text", "binary"]),
    st.sampled_from(["linux-64", "win-64"]),
)
def test_offsets_that_were_found_once_give_what_a_search_gives(
    parts: list[bytes], mode: str, subdir: str
) -> None:
    data = b"".join(parts)
    offsets = find_placeholder(data, "/old/prefix")
    searched = replace_placeholder(data, "/old/prefix", "/new", mode=mode, subdir=subdir)
    found = replace_placeholder(data, "/old/prefix", "/new", mode=mode, subdir=subdir, offsets=offsets)
    assert found == searched


def test_offsets_of_another_file_are_not_believed() -> None:
    data = OLD.encode() + b"/bin\0" + OLD.encode()
    for mode in ("text", "binary"):
        found = replace_placeholder(data, OLD, NEW, mode=mode, subdir="linux-64", offsets=[1, 7])
        assert found == replace_placeholder(data, OLD, NEW, mode=mode, subdir="linux-64")


def test_prefix_without_room_is_refused_with_offsets_too() -> None:
    with pytest.raises(PrefixError, match="the package has room for"):
        replace_placeholder(OLD.encode(), OLD, "/" + "x" * 300, mode="binary", subdir="linux-64", offsets=[0])
