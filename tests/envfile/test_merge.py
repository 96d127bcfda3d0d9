"""Several environment files as one."""

from __future__ import annotations

from envmgr.envfile.environment_yml import EnvironmentFile, parse_environment
from envmgr.envfile.merge import merge_environments

BASE = """\
name: base-env
channels: [conda-forge]
dependencies: [python >=3.11, numpy, {pip: [a, b]}]
variables: {A: 1, B: 2}
platforms: [linux-64]
extras: 1
"""
DEV = """\
name: dev-env
channels: [bioconda, conda-forge, nodefaults]
dependencies: [numpy, pytest, {pip: [b, c]}, {npm: [d]}]
variables: {B: 3}
platforms: [linux-64, osx-64]
category: dev
"""


def test_later_files_win_and_lists_are_joined():
    files = [
        parse_environment(text, file=name, subdir="linux-64")
        for name, text in (("a.yml", BASE), ("b.yml", DEV))
    ]
    merged = merge_environments(files)
    assert merged.name == "dev-env"
    assert merged.channels == ("conda-forge", "bioconda")
    assert merged.nodefaults
    assert [str(each.source) for each in merged.requirements] == ["a.yml:3", "a.yml:3", "b.yml:3"]
    assert {name: [item.text for item in items] for name, items in merged.subsections.items()} == {
        "pip": ["a", "b", "c"],
        "npm": ["d"],
    }
    assert str(merged.subsection_sources["npm"]) == "b.yml:3"
    assert merged.variables == {"A": "1", "B": "3"}
    assert merged.platforms == ("linux-64", "osx-64")
    assert merged.category == "dev"
    assert len(merged.warnings) == 1


def test_a_later_file_without_a_name_keeps_the_earlier_one():
    assert merge_environments([EnvironmentFile(name="a"), EnvironmentFile()]).name == "a"


def test_one_file_and_none_stay_what_they_are():
    one = parse_environment(BASE, file="a.yml", subdir="linux-64")
    assert merge_environments([one]) == one
    assert merge_environments([]) == EnvironmentFile()
