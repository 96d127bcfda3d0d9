"""Which Python distributions conda packages provide, and what a conda record says in PyPI's words."""

from __future__ import annotations

import json

import pytest
import zstandard

from envmgr.models.distribution_names import known_names
from envmgr.models.record import PackageRecord
from envmgr.pypi.conda_requirements import best_candidates, candidate_of, specifier
from envmgr.pypi.names import distribution_names
from envmgr.pypi.resolution import Candidate
from tests.shared_data import shared_path


def record(
    name: str, version: str = "1.0", depends: tuple[str, ...] = ("python >=3.10",), **more: object
) -> PackageRecord:
    return PackageRecord.parse(
        {"name": name, "version": version, "build": "0", "depends": list(depends), **more}
    )


@pytest.mark.parametrize(
    ("package", "names"),
    [
        (record("requests"), ("requests",)),
        (record("ruamel.yaml"), ("ruamel-yaml",)),
        (record("jupyter_core"), ("jupyter-core",)),
        (record("pytorch"), ("torch",)),
        (record("matplotlib-base"), ("matplotlib",)),
        (record("python-tzdata", depends=(), noarch="python"), ("tzdata",)),
        (record("pytorch-cpu"), ()),
        (record("zlib", depends=("libgcc",)), ()),
        (record("odd", purls=["pkg:pypi/Real_Name@1.0", "pkg:conda/x"]), ("real-name",)),
        (record("chosen"), ("mine",)),
    ],
)
def test_names_come_from_the_setting_the_record_the_table_or_the_rule(
    package: PackageRecord, names: tuple[str, ...]
) -> None:
    assert distribution_names(package, {"chosen": ["Mine"]}) == names


def test_the_table_names_packages_that_channels_have() -> None:
    """The table was held against the records; 150 of its cases at least are in them."""
    names: dict[str, bool] = {}
    for channel in ("conda-forge", "pytorch"):
        for subdir in ("linux-64", "noarch"):
            path = shared_path(f"corpus/{channel}/{subdir}/repodata.json.zst")
            with path.open("rb") as file:
                document = json.load(zstandard.ZstdDecompressor().stream_reader(file))
            for section in ("packages", "packages.conda"):
                names |= {each["name"]: True for each in document[section].values()}
    assert len([conda for conda in known_names() if conda in names]) >= 150


@pytest.mark.parametrize(
    ("conda", "pypi"),
    [
        (">=1.22.4,<2.0a0", ">=1.22.4,<2.0a0"),
        ("1.2.*", "==1.2.*"),
        ("=1.2", "==1.2.*"),
        ("==1.2", "==1.2"),
        ("1.2 py_0", "==1.2"),
        (">=3.10,<3.11.0a0 *_cpython", ">=3.10,<3.11.0a0"),
        ("!=1.5.*", "!=1.5.*"),
        ("~=1.4", "~=1.4"),
        (">=2.*", ">=2"),
        ("*", None),
        ("", None),
        ("1.2|1.3", None),
        (">=1.0_x", None),
    ],
)
def test_ranges_are_translated_or_left_out(conda: str, pypi: str | None) -> None:
    assert specifier(conda) == pypi


def test_a_record_becomes_a_candidate_with_what_it_needs() -> None:
    package = record(
        "sci", "1.14.1", ("python >=3.12,<3.13.0a0", "numpy >=1.26,<3", "libblas", "pytorch 2.5.*")
    )
    names = {"numpy": ("numpy",), "pytorch": ("torch",)}
    found = candidate_of(package, lambda name: names.get(name, ()))
    assert found == Candidate("1.14.1", ("numpy>=1.26,<3", "torch==2.5.*"), ">=3.12,<3.13.0a0")
    assert candidate_of(record("sci", "1_x"), lambda name: ()) is None


def test_candidates_are_one_for_each_version_highest_first() -> None:
    given = [Candidate("1.9"), Candidate("1.10", ("a",)), Candidate("1.10", ("b",)), Candidate("1.8")]
    assert best_candidates(given, 2) == (Candidate("1.10", ("a",)), Candidate("1.9"))
