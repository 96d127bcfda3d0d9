"""Requests over real channel records: those known to solve do, validly; those known not to say why, briefly."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import pytest
import zstandard

from envmgr.models.match_spec import MatchSpec
from envmgr.models.record import Origin, PackageRecord
from envmgr.models.record_table import tables_of
from envmgr.models.virtual_package import virtual_record
from envmgr.solver.candidates import Ordering
from envmgr.solver.explain import MAX_LINES, explain
from envmgr.solver.problem import Problem
from envmgr.solver.solve import Conflict, Solution, solve
from envmgr.solver.universe import target_name
from tests.shared_data import shared_path
from tests.solver.cases import channel_url, lines
from tests.solver.validator import channel_violations, violations

if TYPE_CHECKING:
    from pathlib import Path

VIRTUAL = {
    record.name: record
    for record in (
        virtual_record("__glibc", "2.39"),
        virtual_record("__linux", "6.1"),
        virtual_record("__unix", "0"),
        virtual_record("__archspec", "1", "x86_64_v3"),
    )
}
FORGE = ("conda-forge",)
KNOWN_TO_SOLVE = [
    (FORGE, "python=3.12 numpy pandas scikit-learn", 35),
    (FORGE, "jupyterlab", 100),
    (FORGE, "pytorch-cpu", 50),
    (FORGE, "r-base r-tidyverse", 150),
    (FORGE, "geopandas gdal rasterio cartopy", 120),
    (FORGE, "xarray dask zarr", 100),
    (FORGE, "nodejs", 10),
    (FORGE, "vtk pyside6 opencv", 200),
    (FORGE, "qgis", 250),
    (("robostack-jazzy", "conda-forge"), "ros-jazzy-desktop colcon-common-extensions", 500),
    (("bioconda", "conda-forge"), "samtools bcftools", 25),
]


class Repodata(msgspec.Struct):
    old: dict[str, PackageRecord] = msgspec.field(name="packages", default_factory=dict)
    new: dict[str, PackageRecord] = msgspec.field(name="packages.conda", default_factory=dict)


@cache
def read_channel(folder: Path) -> dict[str, list[PackageRecord]]:
    by_name: dict[str, list[PackageRecord]] = defaultdict(list)
    url = channel_url(folder.name)
    for subdir in ("linux-64", "noarch"):
        packed = (folder / subdir / "repodata.json.zst").read_bytes()
        repodata = msgspec.json.decode(
            zstandard.ZstdDecompressor().decompressobj().decompress(packed), type=Repodata
        )
        origin = Origin(url, subdir, f"{url}/{subdir}/")
        for section in (repodata.old, repodata.new):
            for fn, record in section.items():
                by_name[record.name].append(record.placed(fn, origin))
    return by_name


def problem_for(channels: tuple[str, ...], request: str) -> Problem:
    indexes = [read_channel(shared_path(f"corpus/{channel}")) for channel in channels]

    def load(name: str) -> list[PackageRecord]:
        if name.startswith("__"):
            return [VIRTUAL[name]] if name in VIRTUAL else []
        return [record for index in indexes for record in index.get(name, ())]

    ranks = {channel_url(channel): rank for rank, channel in enumerate(channels)}
    return Problem(requirements=lines(*request.split()), load=load, channel_rank=ranks)


@pytest.mark.parametrize(("channels", "request_text", "least"), KNOWN_TO_SOLVE, ids=str)
def test_a_request_that_is_known_to_solve(channels: tuple[str, ...], request_text: str, least: int) -> None:
    problem = problem_for(channels, request_text)
    outcome = solve(problem)
    assert isinstance(outcome, Solution)
    assert violations(outcome.records, problem.requirements, virtual=VIRTUAL.values()) == []
    assert channel_violations(outcome.records, problem.requirements, problem.load, problem.channel_rank) == []
    assert len(outcome.records) >= least


def test_jupyterlab_alone_does_not_drag_in_an_old_python() -> None:
    outcome = solve(problem_for(FORGE, "jupyterlab"))
    assert isinstance(outcome, Solution)
    python = next(record for record in outcome.records if record.name == "python")
    assert MatchSpec.parse("python >=3.13").matches(python)


@pytest.mark.parametrize(
    ("request_text", "told"),
    [
        ("spyder", "need atomicwrites, which is not in conda-forge"),
        ("numpy=1.22 python=3.12", "but you ask for python=3.12"),
        ("pandas<1.2 python>=3.11 scikit-learn", "but you ask for python>=3.11"),
        ("tensorflow=2.10", "this machine has no __cuda (CONDA_OVERRIDE_CUDA overrides it)"),
        ("qgis python=3.8", "but you ask for python=3.8"),
        ("numpy >=3", "the nearest numpy is"),
        ("scikit-lern", "near names: scikit-learn"),
    ],
)
def test_a_request_that_cannot_be_fulfilled_is_explained_in_few_lines(request_text: str, told: str) -> None:
    request_text = request_text.replace(" >=", ">=")
    outcome = solve(problem_for(FORGE, request_text))
    assert isinstance(outcome, Conflict)
    names = read_channel(shared_path("corpus/conda-forge")).keys()
    explanation = explain(outcome, names=names, channels=FORGE)
    assert told in str(explanation)
    assert len(explanation.lines) <= min(MAX_LINES, 8)


def test_entries_are_matched_as_match_specs_match_them() -> None:
    """The quick ways through versions and builds agree with MatchSpec on the entries of real records."""
    index = read_channel(shared_path("corpus/conda-forge"))
    entries = sorted({text for records in index.values() for record in records for text in record.depends})
    checked = 0
    for text in entries[::7]:
        candidates = Ordering().arrange(tables_of(index.get(target_name(text), ())))
        if not 0 < len(candidates.records) <= 120:
            continue
        checked += 1
        spec = MatchSpec.parse(text)
        expected = [record for record in candidates.records if spec.matches(record)]
        assert candidates.installed_values(candidates.matching(text)) == expected, text
    assert checked > 500
