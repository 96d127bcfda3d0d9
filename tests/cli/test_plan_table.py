"""The table of a plan: order, signs, sizes, short channels, and lines that fit the terminal."""

from __future__ import annotations

import pytest

from envmgr.cli.columns import cell_width
from envmgr.cli.plan_table import Bytes, Row, channel_labels, count_channels, plan_rows, table_lines
from envmgr.models.record import Origin, PackageRecord
from envmgr.ops.moves import DiskSize


def record(
    name: str, version: str, build: str = "0", channel: str = "https://conda.anaconda.org/conda-forge"
):
    origin = Origin(channel, "noarch", f"{channel}/noarch/")
    return PackageRecord(name=name, version=version, build=build, origin=origin, size=2048)


UNLINK = [record("down", "2.0"), record("up", "1.9"), record("gone", "1"), record("built", "1", "h1_0")]
LINK = [
    *(record("down", "1.0"), record("up", "1.10"), record("built", "1", "h2_0"), record("new", "1")),
    record("asked", "1", channel="https://repo.example.org/team/conda-forge"),
]
SIZES = Bytes(
    frozenset(LINK[:4]),
    {"new-1-0": DiskSize(9000, is_exact=True), "up-1.10-0": DiskSize(8192, is_exact=False)},
)
REASONS = {
    "asked": "asked for",
    "new": "needed by asked",
    "up": "asked 1 needs up >=1.10",
    "gone": "needs up",
}


def lines(width: int | None) -> list[str]:
    return table_lines(plan_rows(UNLINK, LINK, REASONS, SIZES, ""), width)


def test_a_plan_is_a_table_of_what_goes_changes_and_comes():
    assert lines(None) == [
        "    package  version           channel           download  disk     why",
        "  - gone     1                 conda-forge                          needs up",
        "  v down     2.0 -> 1.0        conda-forge       2.0 KB",
        "  ^ up       1.9 -> 1.10       conda-forge       2.0 KB    ~8.0 KB  asked 1 needs up >=1.10",
        "  ~ built    1 (h1_0 -> h2_0)  conda-forge       2.0 KB",
        "  + asked    1                 team/conda-forge                     asked for",
        "  + new      1                 conda-forge       2.0 KB    8.8 KB   needed by asked",
    ]


def test_columns_that_matter_least_go_first_and_reasons_last():
    assert lines(70)[:3] == [
        "    package  version           download  why",
        "  - gone     1                           needs up",
        "  v down     2.0 -> 1.0        2.0 KB",
    ]
    assert lines(34)[:3] == ["    package  version", "  - gone     1", "      needs up"]
    assert "asked for" not in "".join(lines(34))


@pytest.mark.parametrize("width", [20, 25, 34, 40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int):
    rows = [
        Row(
            "added",
            "a-package-with-a-very-long-name-indeed",
            "1.2.3.post4",
            channel="通道通道",
            why="needed by 日本語 " * 5,
        ),
        Row(
            "upgraded", "e\u0301e\u0301", "1 -> 2", channel="x", download="1 KB", disk="~1 KB", why="w" * 200
        ),
    ]
    assert all(cell_width(line) < width for line in table_lines(rows, width))


def test_wide_and_combining_characters_keep_the_columns():
    rows = [Row("added", "日本", "1", why="x"), Row("added", "e\u0301", "1", why="y")]
    found = table_lines(rows, None)
    assert {cell_width(line.rpartition(line[-1])[0]) for line in found[1:]} == {
        cell_width("  + package  version  ")
    }


def test_three_hundred_packages_take_a_line_each_and_no_more():
    rows = [
        Row("added", f"package-{n}", "1.0", channel="c", download="1 MB", why="needed by x")
        for n in range(300)
    ]
    assert len(table_lines(rows, 80)) == 301


def test_channels_are_short_and_told_apart():
    urls = [
        "https://conda.anaconda.org/bioconda",
        "file:///srv/a/mine",
        "file:///srv/b/mine",
        "file:///home/local",
    ]
    labels = channel_labels([record("a", str(n), channel=url) for n, url in enumerate(urls)], urls[-1])
    assert list(labels.values()) == ["bioconda", "a/mine", "b/mine", "local"]
    assert count_channels(LINK, "") == "conda-forge (4), team/conda-forge (1)"
    assert count_channels(LINK[:4], "") == "conda-forge"


def test_nothing_in_a_row_steers_the_terminal():
    hostile = record("a", "1\x1b[2J", "b\x07", "https://x.org/c\x1b]0;d")
    shown = table_lines(plan_rows([], [hostile], {"a": "\x1b[31m"}, SIZES, "", builds=True), None)
    assert all(line.isprintable() for line in shown)


def test_lines_are_painted_by_their_kind():
    painted: list[tuple[str, str]] = []
    table_lines([Row("removed", "a", "1")], None, lambda text, kind: painted.append((text, kind)) or text)
    assert painted == [("    package  version", "title"), ("- a        1", "removed")]
