"""`envmgr search` as a user calls it: names, globs and specs, the table, details, JSON, and nothing found."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg
from tests.servers import serve
from tests.shards import write_shards

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr

DAY = 86_400_000
START = 1_700_000_000_000  # 2023-11-14


def text(snapshot: str) -> str:
    return textwrap.dedent(snapshot).lstrip("\n")


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    packages = [
        pkg("numpy", "1.9.0", "py39_0", timestamp=START, size=1536),
        pkg("numpy", "1.10.0", "py39_0", timestamp=START + DAY),
        pkg("numpy", "1.10.0", "py310_0", timestamp=START + 2 * DAY),
        pkg("numpy", "1.10.0", "py39_1", timestamp=START + DAY),
        pkg("numpy", "2.0.0", "pyh_0", noarch="python", timestamp=START + 3 * DAY, license="BSD-3-Clause"),
        pkg("numpy-base", "2.0.0", timestamp=START),
        pkg("python", "3.12.1", timestamp=START),
        pkg("zlib", "1.3", subdir="osx-64"),
    ]
    return make_channel(tmp_path / "main", packages)


def rows(out: str) -> list[list[str]]:
    """The cells of a table without its header."""
    return [line.split() for line in out.splitlines()[1:]]


def only(channel: Path, *more: Path) -> list[object]:
    return [word for each in (channel, *more) for word in ("-c", each)] + ["--override-channels"]


def test_a_line_for_each_version_with_its_newest_build(envmgr: Envmgr, channel: Path):
    found = envmgr("search", "numpy", *only(channel))
    assert (found.code, found.err) == (0, "")
    sizes = {line.split()[1]: line for line in found.out.splitlines()}
    assert [row[:3] for row in rows(found.out)] == [
        ["numpy", "2.0.0", "pyh_0"],
        ["numpy", "1.10.0", "py39_1"],
        ["numpy", "1.9.0", "py39_0"],
    ]
    assert "  + 2 builds  main     linux-64  " in sizes["1.10.0"]
    assert "+" not in sizes["1.9.0"]
    assert sizes["2.0.0"].endswith("2023-11-17")
    assert " noarch " in sizes["2.0.0"]


@pytest.mark.parametrize("option", ["--builds", "--all"])
def test_each_build_on_demand(envmgr: Envmgr, channel: Path, option: str):
    found = envmgr("search", "numpy=1.10", option, *only(channel))
    assert [row[1:3] for row in rows(found.out)] == [
        ["1.10.0", "py39_1"],
        ["1.10.0", "py310_0"],
        ["1.10.0", "py39_0"],
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("numpy", {"numpy 2.0.0", "numpy 1.10.0", "numpy 1.9.0"}),
        ("NumPy", {"numpy 2.0.0", "numpy 1.10.0", "numpy 1.9.0"}),
        ("numpy >=1.9.5,<2", {"numpy 1.10.0"}),
        ("numpy * py39*", {"numpy 1.10.0", "numpy 1.9.0"}),
        ("numpy[build_number=1]", {"numpy 1.10.0"}),
        ("numpy[build_number='>=1']", {"numpy 1.10.0"}),
        ("numpy[subdir=noarch]", {"numpy 2.0.0"}),
        ("numpy[license=BSD*]", {"numpy 2.0.0"}),
        ("*num*", {"numpy 2.0.0", "numpy 1.10.0", "numpy 1.9.0", "numpy-base 2.0.0"}),
        ("num*y", {"numpy 2.0.0", "numpy 1.10.0", "numpy 1.9.0"}),
        ("* 2.*", {"numpy 2.0.0", "numpy-base 2.0.0"}),
        ("^(numpy|python)$ >=2", {"numpy 2.0.0", "python 3.12.1"}),
        ("main::numpy-base", {"numpy-base 2.0.0"}),
        ("zlib[subdir=osx-64]", {"zlib 1.3"}),
        ("main/osx-64::zlib", {"zlib 1.3"}),
    ],
)
def test_specs_are_queries(envmgr: Envmgr, channel: Path, spec: str, expected: set[str]):
    found = envmgr("search", spec, *only(channel))
    assert found.code == 0, found.err
    assert {" ".join(row[:2]) for row in rows(found.out)} == expected


def test_a_checksum_or_an_archive_names_one_build(envmgr: Envmgr, channel: Path):
    builds = envmgr("search", "numpy", "--json", *only(channel)).json["numpy"]
    wanted = builds[1]
    for spec in (f"*[sha256={wanted['sha256']}]", f"*[md5={wanted['md5']}]", wanted["url"]):
        found = envmgr("search", spec, "--json", *only(channel))
        assert found.json == {"numpy": [wanted]}, spec


def test_several_specs_show_each_record_once(envmgr: Envmgr, channel: Path):
    found = envmgr("search", "numpy", "numpy=1.10", "python", "zlib[subdir=osx-64]", *only(channel))
    assert [row[:2] for row in rows(found.out)] == [
        ["numpy", "2.0.0"],
        ["numpy", "1.10.0"],
        ["numpy", "1.9.0"],
        ["python", "3.12.1"],
        ["zlib", "1.3"],
    ]


def test_another_platform(envmgr: Envmgr, channel: Path):
    for option in ("--platform", "--subdir"):
        assert rows(envmgr("search", "zlib", option, "osx-64", *only(channel)).out)[0][:2] == ["zlib", "1.3"]
    found = envmgr("search", "*", "--platform", "osx-64", *only(channel))
    assert {row[0] for row in rows(found.out)} == {"numpy", "zlib"}


def test_limit_counts_lines_of_each_package(envmgr: Envmgr, channel: Path):
    found = envmgr("search", "num*", "--limit", "1", *only(channel))
    assert [row[:2] for row in rows(found.out)] == [["numpy", "2.0.0"], ["numpy-base", "2.0.0"]]
    assert found.err == "2 older versions not shown\n"
    found = envmgr("search", "numpy", "--builds", "--limit", "4", *only(channel))
    assert found.err == "1 older build not shown\n"
    assert envmgr("search", "numpy", "-q", "--limit", "1", *only(channel)).err == ""
    shown = envmgr("search", "numpy <2", "--limit", "1", "--json", *only(channel)).json
    assert [each["build"] for each in shown["numpy"]] == ["py39_1", "py310_0", "py39_0"]


def test_json_has_the_keys_of_conda_and_all_that_the_channel_says(envmgr: Envmgr, tmp_path: Path):
    package = pkg(
        "tool",
        "1.5",
        "h1_3",
        depends=["lib >=2"],
        constrains=["old <1"],
        license="MIT",
        run_exports={"weak": ["tool >=1.5"]},
    )
    channel = make_channel(tmp_path / "main", [package])
    found = envmgr("search", "tool", "--json", *only(channel)).json
    (record,) = found["tool"]
    url = channel.as_uri()
    archive = (channel / "linux-64" / "tool-1.5-h1_3.conda").read_bytes()
    assert record == {
        "name": "tool",
        "version": "1.5",
        "build": "h1_3",
        "build_string": "h1_3",
        "build_number": 3,
        "channel": url,
        "base_url": url,
        "platform": "linux-64",
        "subdir": "linux-64",
        "dist_name": "tool-1.5-h1_3",
        "fn": "tool-1.5-h1_3.conda",
        "url": f"{url}/linux-64/tool-1.5-h1_3.conda",
        "size": len(archive),
        "md5": record["md5"],
        "sha256": record["sha256"],
        "timestamp": START,
        "license": "MIT",
        "depends": ["lib >=2"],
        "constrains": ["old <1"],
        "run_exports": {"weak": ["tool >=1.5"]},
    }


def test_details_of_each_build(envmgr: Envmgr, tmp_path: Path):
    package = pkg(
        "tool",
        "1.5",
        "h1_3",
        depends=["lib >=2", "zlib"],
        constrains=["old <1"],
        license="MIT\x1b[31m",
        timestamp=START // 1000,
        track_features="slow",
        extra_depends={"plot": ["matplotlib"]},
        run_exports={"weak": ["tool >=1.5"], "strong": []},
    )
    channel = make_channel(tmp_path / "main", [package, pkg("tool", "1.4")])
    found = envmgr("search", "tool", "--info", "--limit", "1", *only(channel))
    record = envmgr("search", "tool=1.5", "--json", *only(channel)).json["tool"][0]
    size = record["size"]
    amount = f"{size} B" if size < 1024 else f"{size / 1024:.1f} KB"
    assert found.out == text(f"""
        tool 1.5 h1_3
        -------------
        file name      : tool-1.5-h1_3.conda
        channel        : main
        subdir         : linux-64
        url            : {record["url"]}
        build number   : 3
        size           : {amount} ({size} bytes)
        sha256         : {record["sha256"]}
        md5            : {record["md5"]}
        timestamp      : 2023-11-14 22:13:20 UTC
        license        : MIT?[31m
        track features : slow
        depends:
          lib >=2
          zlib
        constrains:
          old <1
        extra plot:
          matplotlib
        run exports, weak:
          tool >=1.5
        """)
    both = envmgr("search", "tool", "-i", *only(channel))
    assert both.out.startswith("tool 1.5 h1_3\n")  # A solver likes features less; here newer is newer.
    assert both.out.count("file name") == 2


def test_a_lower_channel_is_shadowed_under_strict_priority(envmgr: Envmgr, channel: Path, tmp_path: Path):
    other = make_channel(tmp_path / "other", [pkg("numpy", "9.0"), pkg("scipy", "1.0")])
    found = envmgr("search", "numpy", "scipy", *only(channel, other))
    lines = found.out.splitlines()
    assert "other (shadowed)" in lines[1]
    assert lines[1].split()[:2] == ["numpy", "9.0"]
    assert [line for line in lines if "(shadowed)" in line] == [lines[1]]
    assert found.err == f"shadowed: strict channel priority takes numpy from {channel.as_uri()}\n"
    records = envmgr("search", "numpy", "--json", *only(channel, other)).json["numpy"]
    assert [each.get("shadowed_by") for each in records] == [channel.as_uri(), *[None] * 5]


@pytest.mark.parametrize(
    "words", [["numpy", "--channel-priority", "flexible"], ["other::numpy"], ["numpy[channel=other]"]]
)
def test_nothing_is_shadowed_where_the_channel_is_free_or_named(
    envmgr: Envmgr, channel: Path, tmp_path: Path, words: list[str]
):
    other = make_channel(tmp_path / "other", [pkg("numpy", "9.0")])
    found = envmgr("search", *words, *only(channel, other))
    assert rows(found.out)[0][:2] == ["numpy", "9.0"]
    assert "shadowed" not in found.out + found.err


def test_the_same_version_of_two_channels_is_two_lines(envmgr: Envmgr, tmp_path: Path):
    first = make_channel(tmp_path / "first", [pkg("a", "1.0", "x_0"), pkg("a", "1.0", "x_1")])
    second = make_channel(tmp_path / "second", [pkg("a", "1.0.0", "x_5"), pkg("a", "1.1", "x_0")])
    found = envmgr("search", "a", *only(first, second))
    assert [row[1:3] for row in rows(found.out)] == [["1.1", "x_0"], ["1.0", "x_1"], ["1.0.0", "x_5"]]


def test_only_the_channel_that_a_spec_names_is_asked(envmgr: Envmgr, channel: Path, tmp_path: Path):
    make_channel(tmp_path / "served" / "one", [pkg("a")])
    make_channel(tmp_path / "served" / "two", [pkg("b")])
    with serve(tmp_path / "served") as server:
        urls = [word for name in ("one", "two") for word in ("-c", f"{server.url}/{name}")]
        found = envmgr("search", "two::b", *urls, "--override-channels")
        assert found.code == 0, found.err
        assert {path.split("/")[1] for path in server.paths} == {"two"}


def test_offline_takes_what_is_stored(envmgr: Envmgr, tmp_path: Path):
    make_channel(tmp_path / "served", [pkg("a")])
    with serve(tmp_path / "served") as server:
        words = ["search", "a", "-c", server.url, "--override-channels"]
        failed = envmgr(*words, "--offline")
        assert failed.code == 1
        assert "offline" in failed.err
        assert envmgr(*words).code == 0
        server.forget()
        assert rows(envmgr(*words, "--offline").out)[0][:2] == ["a", "1.0"]
        assert server.paths == []


def test_credentials_of_a_channel_are_used_and_never_shown(envmgr: Envmgr, tmp_path: Path):
    make_channel(tmp_path / "served", [pkg("a")])
    with serve(tmp_path / "served") as server:
        url = server.url.replace("://", "://ana:secret@")
        found = envmgr("search", "a", "-c", url, "--override-channels", "--json")
        assert found.code == 0, found.err
        assert {seen.headers.get("authorization", "")[:6] for seen in server.requests} == {"Basic "}
        failed = envmgr("search", "b", "-c", url, "--override-channels")
        assert failed.code == 1
        assert "secret" not in found.out + found.err + failed.err


@pytest.mark.parametrize(
    ("spec", "sentence", "hint"),
    [
        ("nunpy", "CHANNEL has no nunpy for linux-64; near names: numpy.", "Did you mean numpy?"),
        ("y-b", "CHANNEL has no y-b for linux-64.", "Names that contain it: 1; search for '*y-b*'."),
        (
            "zlib",
            "CHANNEL has no zlib for linux-64.",
            "Check the spelling of 'zlib', or add the channel that has it.",
        ),
        (
            "bioconductor-x",
            "CHANNEL has no bioconductor-x for linux-64.",
            "Packages like 'bioconductor-x' are on the channel bioconda; add it with -c bioconda.",
        ),
        (
            "numpy >=3",
            "CHANNEL has no numpy for linux-64 that matches 'numpy >=3'; the newest is 2.0.0.",
            None,
        ),
        ("qt*", "CHANNEL has no package for linux-64 that matches 'qt*'.", None),
        (
            "num* >=3",
            "CHANNEL has no package for linux-64 that matches 'num* >=3'; 2 names match, their records do not.",
            None,
        ),
    ],
)
def test_nothing_found_is_one_sentence(
    envmgr: Envmgr, channel: Path, spec: str, sentence: str, hint: str | None
):
    failed = envmgr("search", spec, "--json", *only(channel))
    assert failed.code == 1
    facts = failed.json
    assert (facts["error"].replace(channel.as_uri(), "CHANNEL"), facts["hint"]) == (sentence, hint)
    assert facts["exception_name"] == "PackagesNotFoundError"
    assert (facts["packages"], facts["channel_urls"]) == ([spec], [channel.as_uri()])
    failed = envmgr("search", spec, *only(channel))
    assert (failed.code, failed.out) == (1, "")


def test_what_is_found_is_shown_beside_what_is_not(envmgr: Envmgr, channel: Path):
    found = envmgr("search", "python", "nunpy", *only(channel))
    assert found.code == 1
    assert rows(found.out)[0][:2] == ["python", "3.12.1"]
    assert found.err == (
        f"warning: {channel.as_uri()} has no nunpy for linux-64; near names: numpy. Did you mean numpy?\n"
    )
    assert list(envmgr("search", "python", "nunpy", "--json", *only(channel)).json) == ["python"]
    failed = envmgr("search", "nunpy", "pithon", *only(channel))
    assert failed.code == 1
    assert failed.err.splitlines()[0] == "envmgr: nothing matches any of the specs."
    assert len(failed.err.splitlines()) == 4


def test_versions_that_cannot_be_read_are_listed_last(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(tmp_path / "main", [pkg("a", "1.0"), pkg("a", "b@d"), pkg("a", "0.5")])
    found = envmgr("search", "a", *only(channel))
    assert [row[1] for row in rows(found.out)] == ["1.0", "0.5", "b@d"]
    assert [row[1] for row in rows(envmgr("search", "a >0", *only(channel)).out)] == ["1.0", "0.5"]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ([], 2, "SPEC"),
        (["a", "--limit", "0"], 2, "--limit"),
        (["a", "--limit", "x"], 2, "--limit"),
        (["a", "--override-channels"], 2, "there is no channel to search."),
        (["numpy =="], 1, "numpy =="),
        (["^($"], 1, "regular expression"),
        (["a[colour=red]"], 1, "the key 'colour' is not known"),
        (["a", "--platform", "a/b"], 1, "a/b"),
        (["a[subdir='a/b']", "-c", "x"], 1, "a/b"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(
    envmgr: Envmgr, arguments: list[str], code: int, word: str
):
    failed = envmgr("search", *arguments)
    assert failed.code == code
    assert word in failed.err
    assert failed.out == ""
    assert "Traceback" not in failed.err
    assert len(failed.err.splitlines()) <= 2


def test_repoquery_search_is_the_same(envmgr: Envmgr, channel: Path):
    words = ["numpy >=1.10", "--builds", *only(channel)]
    assert envmgr("repoquery", "search", *words) == envmgr("search", *words)


@pytest.mark.parametrize(("spec", "fetched"), [("tool1*", 12), ("tool1", 1), ("*", 0)])
def test_of_a_sharded_channel_few_names_are_fetched_one_by_one(
    envmgr: Envmgr, tmp_path: Path, spec: str, fetched: int
):
    channel = make_channel(tmp_path / "main", [pkg(f"tool{number}") for number in (*range(20), 100)])
    many = make_channel(tmp_path / "many", [])
    repodata = json.loads((many / "noarch" / "repodata.json").read_text())
    for number in range(1_000):
        record = {"name": f"x{number}", "version": "1", "build": "0", "build_number": 0, "depends": []}
        repodata["packages.conda"][f"x{number}-1-0.conda"] = record
    (many / "noarch" / "repodata.json").write_text(json.dumps(repodata))
    for each in (channel, many):
        write_shards(each, remove_others=False)
    with serve(tmp_path) as server:
        urls = [word for name in ("main", "many") for word in ("-c", f"{server.url}/{name}")]
        found = envmgr("search", spec, *urls, "--override-channels")
        assert found.code == 0, found.err
        shards = [path for path in server.paths if "/shards/" in path]
    assert len(rows(found.out)) == (fetched or 1_021)
    assert len(shards) == fetched
