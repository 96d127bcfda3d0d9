"""Requirement files are read by pip's grammar, and every complaint has its file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envmgr.errors import DataError
from envmgr.models.requirement import Source
from envmgr.pypi.index_options import index_options
from envmgr.pypi.requirement_files import Gathered, gather
from envmgr.pypi.resolution import PypiItem

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, text: str, **files: str | bytes) -> Gathered:
    for name, content in {"requirements.txt": text, **files}.items():
        path = folder / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    item = PypiItem("-r requirements.txt", folder, Source("env.yml", 7, "-r requirements.txt"))
    return gather([item], {"TOKEN": "t0k", "HOME": "/home/ann"})


def test_lines_are_joined_commented_and_expanded_as_pip_does(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "# first\nfoo >= 1, \\\n  < 2  # range\n\nbar[a,b]==1 ; python_version < '3.13'\n"
        "baz @ https://u:${TOKEN}@host/baz-1.0.tar.gz#sha256=ab ; os_name == 'posix'\n",
    )
    assert [(line.text, line.name, line.source.line) for line in found.requirements] == [
        ("foo >= 1,   < 2", "foo", 2),
        ("bar[a,b]==1 ; python_version < '3.13'", "bar", 5),
        ("baz @ https://u:t0k@host/baz-1.0.tar.gz#sha256=ab ; os_name == 'posix'", "baz", 6),
    ]
    assert "t0k" not in found.requirements[2].shown


@pytest.mark.parametrize(
    ("line", "text", "name", "editable"),
    [
        ("./pkg", "{}/pkg", None, False),
        ("-e .", "{}", None, True),
        ("-e ./pkg[extra]", "{}/pkg[extra]", None, True),
        ("--editable=../up", "{up}/up", None, True),
        ("~/proj", "/home/ann/proj", None, False),
        ("wheels/Foo_B-1.0-py3-none-any.whl", "{}/wheels/Foo_B-1.0-py3-none-any.whl", "foo-b", False),
        ("foo @ file:./pkg", "foo @ file://{}/pkg", "foo", False),
        ("git+https://h/r@v1#egg=Name_X", "git+https://h/r@v1#egg=Name_X", "name-x", False),
        ("-e git+https://h/r@v1", "git+https://h/r@v1", None, True),
        ("https://h/foo-1.0.zip", "https://h/foo-1.0.zip", "foo", False),
    ],
)
def test_paths_and_urls_come_out_absolute(
    tmp_path: Path, line: str, text: str, name: str | None, editable: bool
) -> None:
    (found,) = read(tmp_path, line).requirements
    wanted = text.format(tmp_path, up=tmp_path.parent)
    assert (found.text, found.name, found.editable, found.is_direct) == (wanted, name, editable, True)


def test_files_are_relative_to_the_one_that_names_them(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "-r sub/more.txt\n--constraint=sub/limits.txt\nfoo\n",
        sub__more_txt="./near\n-c limits.txt\n--extra-index-url https://x.test/simple\n",
        sub__limits_txt="bar<2\n",
    )
    assert [(line.text, str(line.source)) for line in found.requirements] == [
        (f"{tmp_path}/sub/near", "sub/more.txt:1"),
        ("foo", "requirements.txt:3"),
    ]
    assert [(line.text, str(line.source)) for line in found.constraints] == [
        ("bar<2", "sub/limits.txt:1")
    ] * 2
    assert [(option.name, option.value) for option in found.options] == [
        ("--extra-index-url", "https://x.test/simple")
    ]


def test_sums_and_settings_belong_to_their_line(tmp_path: Path) -> None:
    digest = "a" * 64
    found = read(tmp_path, f"foo==1 \\\n  --hash=sha256:{digest} \\\n  --hash sha256:{digest}\n").requirements
    assert found[0].hashes == (f"sha256:{digest}", f"sha256:{digest}")
    assert found[0].text == "foo==1"


def test_files_in_utf_16_and_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, "-r a.txt\n-r b.txt", a_txt="foo\n".encode("utf-16"), b_txt=b"\xef\xbb\xbfbar\n")
    assert [line.name for line in found.requirements] == ["foo", "bar"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo\n-r none.txt", r"requirements\.txt:2: there is no file none\.txt"),
        ("-r requirements.txt", r"requirements\.txt:1: requirements\.txt includes itself"),
        ("-r .", r"requirements\.txt:1: \. is a folder"),
        ("--indx-url x", r"requirements\.txt:1: `--indx-url` is no option"),
        ("\nfoo=1.0", r"requirements\.txt:2: `foo=1\.0` is no requirement of PyPI"),
        ("foo --pre", r"`--pre` must stand on a line of its own"),
        ("--hash=sha256:00", r"`--hash` stands behind no requirement"),
        ("foo==1 --hash=md5:00", r"is no sum"),
        ("-i", r"`-i` needs a value"),
        ("-f 'x", r"a quote is not closed"),
        ("foo ; python_versio < '3'", r"is no requirement of PyPI"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "--http://me:s3cret@h/x",
        "foo=1 @ https://me:s3cret@h/x",
        "foo --hash=https://me:s3cret@h",
        "-i http://me:s3cret@h:port/x\nfoo",
        "foo ; git+https://!\\http://me:s3cret@h",
    ],
)
def test_complaints_have_no_login(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError) as failed:
        index_options([], read(tmp_path, text).options)
    assert "s3cret" not in str(failed.value) + str(failed.value.hint)
