"""Explicit files and lists of specs (CEP 23)."""

from __future__ import annotations

import pytest

from envmgr.envfile.explicit import ExplicitFile, is_explicit, parse_explicit, parse_specs_file
from envmgr.errors import DataError

MD5 = "1bbc659ca658bfd49a481b5ef7a0f40f"
SHA256 = "72d143408507043628b32bed089730b6d5f5445eccc44b59911ec9f262e365e7"
URL = "https://conda.anaconda.org/conda-forge/noarch/wheel-0.43.0-pyhd8ed1ab_1.conda"


def parse(text: str | bytes, **environ: str) -> ExplicitFile:
    return parse_explicit(text, file="list.txt", environ=environ, cwd="/work dir")


def one(line: str, **environ: str) -> tuple[str, str | None, str | None]:
    (package,) = parse(f"@EXPLICIT\n{line}\n", **environ).packages
    return package.url, package.md5, package.sha256


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (URL, (URL, None, None)),
        (f"  {URL}\t", (URL, None, None)),
        (f"{URL}#{MD5}", (URL, MD5, None)),
        (f"{URL}#{SHA256}", (URL, None, SHA256)),
        (f"{URL}#sha256:{SHA256}", (URL, None, SHA256)),
        ("file:///a/noarch/b-1-0.tar.bz2", ("file:///a/noarch/b-1-0.tar.bz2", None, None)),
        ("/a/noarch/b-1-0.tar.bz2", ("file:///a/noarch/b-1-0.tar.bz2", None, None)),
        ("b-1-0.conda", ("file:///work%20dir/b-1-0.conda", None, None)),
        ("../b-1-0.conda", ("file:///b-1-0.conda", None, None)),
        ("~/b-1-0.conda", ("file:///home/ann/b-1-0.conda", None, None)),
        ("$DIR/b-1-0.conda", ("file:///data/b-1-0.conda", None, None)),
        ("C:\\pkgs\\b-1-0.conda", ("file:///C:/pkgs/b-1-0.conda", None, None)),
    ],
)
def test_a_line_gives_url_and_checksum(line, expected):
    assert one(line, HOME="/home/ann", DIR="/data") == expected


def test_comments_and_order_and_platform_are_kept():
    text = f"# platform: osx-arm64\n\n{URL}\n@EXPLICIT\n  # note\n/a/b-1-0.conda\n"
    explicit = parse(text)
    assert explicit.platform == "osx-arm64"
    assert [str(package.source) for package in explicit.packages] == ["list.txt:3", "list.txt:6"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@EXPLICIT", True),
        ("# a\r\n @EXPLICIT \r\n", True),
        ("@explicit", False),
        ("# @EXPLICIT", False),
        ("a", False),
    ],
)
def test_an_explicit_file_says_so_on_a_line_of_its_own(text, expected):
    assert is_explicit(text) is expected


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            "numpy=1.2",
            "`numpy=1.2` is not the URL or path of a .conda or .tar.bz2 archive.",
            "without the line",
        ),
        (
            "https://x.org/a.zip?v=1&token=s3kr1t",
            "`https://x.org/a.zip?v=1` is not the URL or path of a .conda or .tar.bz2 archive.",
            None,
        ),
        (f"{URL}#{MD5.upper()}", "is neither an MD5 nor a SHA-256.", "lower case"),
        (f"{URL}#{MD5[1:]}", "is neither an MD5 nor a SHA-256.", "32 or 64"),
        (f"{URL}#md5:{MD5}", "is neither an MD5 nor a SHA-256.", "32 or 64"),
        ("https://x.org/noarch/name.conda", "name.conda", None),
    ],
)
def test_a_line_that_names_no_archive_is_refused(line, message, hint):
    with pytest.raises(DataError) as caught:
        parse(f"@EXPLICIT\n\n{line}\n")
    assert str(caught.value).startswith("list.txt:3: ")
    assert message in str(caught.value)
    assert hint is None or hint in caught.value.hint


def test_credentials_reach_the_download_but_no_message():
    url = "https://ann:secret@x.org/t/tk-1/c/noarch/a-1-0.conda"
    (package,) = parse(f"@EXPLICIT\n{url}\n").packages
    assert package.url == url
    assert "secret" not in package.source.text
    with pytest.raises(DataError) as caught:
        parse("@EXPLICIT\nhttps://ann:secret@x.org/a.zip\n")
    assert "secret" not in str(caught.value)


def test_a_list_of_specs_keeps_lines_and_skips_comments():
    requirements = parse_specs_file(
        "# x\n\npython\ntk[build=h5_1]  # why\nscipy=1.13.1\r\n", file="specs.txt"
    )
    assert [(str(each.spec), str(each.source)) for each in requirements] == [
        ("python", "specs.txt:3"),
        ("tk[build=h5_1]", "specs.txt:4"),
        ("scipy=1.13.1", "specs.txt:5"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-r other.txt", "specs.txt:2: `-r other.txt` is a requirement for pip, not a conda package spec."),
        ("@explicit", "specs.txt:2: expected a package spec, found `@explicit`."),
        (
            "a @ https://x.org/a.whl",
            "specs.txt:2: `a @ https://x.org/a.whl` is a requirement for pip, not a conda package spec.",
        ),
    ],
)
def test_a_line_that_is_no_spec_is_refused(line, message):
    with pytest.raises(DataError) as caught:
        parse_specs_file(f"python\n{line}\n", file="specs.txt")
    assert str(caught.value) == message


@pytest.mark.parametrize("data", [b"\xff\xfea", b"a\x00b", b"caf\xe9", b"x" * 3_000_000])
def test_a_file_that_is_no_text_is_refused(data):
    with pytest.raises(DataError, match=r"^list\.txt"):
        parse(b"@EXPLICIT\n" + data)
