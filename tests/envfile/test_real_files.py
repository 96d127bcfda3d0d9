"""Real environment files of public projects: each is read, or refused with a sentence that names a line."""

from __future__ import annotations

import json
import re

import pytest

from envmgr.envfile.environment_yml import parse_environment
from envmgr.errors import DataError
from envmgr.models.match_spec import MatchSpec
from tests.shared_data import shared_path

CHUNKS = 5
_SENTENCE = re.compile(r"e\.yml:\d+: [^\n]{5,600}\.$")

# What is wrong with real files, beside templates that were never filled in: the line and part of the sentence.
FAULTS = {
    "0772": (37, "`# [py<312]` uses `py`"),
    "0960": (5, "`# [py27]` uses `py27`"),
    "0966": (6, "=>1.65.0"),
    "1108": (34, "`coverage[toml]` asks for extras"),
    "1276": (29, "expected a text for `pip`, found an empty item"),
    "1304": (10, "=<1.19"),
    "1312": (10, "=<1.19"),
    "1438": (17, "`dask[dataframe, array]` asks for extras"),
    "1732": (13, "unknown selector `macos`"),
    "1780": (5, "`thefuzz[speedup]` asks for extras"),
    "1932": (110, "`rasterio[s3]` asks for extras"),
    "1948": (29, "is a requirement for pip"),
    "1958": (26, "is a requirement for pip"),
    "2032": (8, "`dask[complete]` asks for extras"),
    "2202": (7, "an empty text is not a package spec"),
    "2586": (10, "=>3.1"),
    "2594": (24, "openmm::conda-forge/label/test"),
    "2604": (31, "must be a list"),
    "2622": (50, "expected a text for `pip`, found a list"),
    "2654": (85, "must be a list"),
    "3128": (85, "is a requirement for pip"),
    "3142": (32, "=<2.0.0"),
    "3144": (36, "=<2.0.0"),
    "3146": (34, "=<2.0.0"),
    "3148": (34, "=<2.0.0"),
    "3150": (29, "=<2.0.0"),
    "3152": (28, "is two list items read as one"),
    "3222": (37, "found an empty item"),
    "3224": (37, "found an empty item"),
    "3524": (6, "=>2.1.2"),
    "3806": (63, "expected a text for `pip`, found a list"),
    "3856": (19, "the item `- pip:` is indented by 2 spaces"),
    "3858": (19, "is neither a list item"),
    "3862": (34, "`pip:` stands among the items of a list"),
    "3864": (22, "the item `- boto3<=1.42.63` is indented by 4 spaces"),
    "3868": (33, "a tab cannot indent YAML"),
    "3872": (3, "`invalid` is neither a list item"),
    "3874": (183, "the item `- pip:` is indented by 2 spaces"),
    "3876": (11, "is indented by 2 spaces"),
    "3878": (7, "a space character that YAML does not know"),
    "3880": (9, "the item `- pandas` is indented by 0 spaces"),
    "3884": (2, "a second YAML document starts here"),
    "3888": (7, "an unresolved merge conflict starts here"),
    "3898": (3, "starts with `*`"),
    "3902": (3, "starts with `*`"),
    "3906": (59, "the item `- pip:` is indented by 5 spaces"),
    "3910": (1, "the required key `dependencies` is missing"),
}


def refusals(chunk: int) -> tuple[int, dict[str, DataError]]:
    files = sorted(shared_path("envfiles/files").iterdir())[chunk::CHUNKS]
    read, refused = 0, {}
    for path in files:
        try:
            parse_environment(path.read_bytes(), file="e.yml", subdir="linux-64")
            read += 1
        except DataError as error:
            refused[path.stem] = error
    return read, refused


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_real_file_is_read_unless_its_fault_is_known(chunk):
    read, refused = refusals(chunk)
    assert read >= 0.94 * (read + len(refused))
    for number, error in refused.items():
        assert _SENTENCE.match(str(error)), str(error)
        line, words = FAULTS.get(number, (error.facts["line"], "is a template that was not filled in"))
        assert (error.facts["line"], words in str(error)) == (line, True), f"{number}: {error}"


def test_files_with_a_known_fault_are_refused():
    for number in FAULTS:
        path = shared_path(f"envfiles/files/{number}.yml")
        with pytest.raises(DataError):
            parse_environment(path.read_bytes(), file="e.yml", subdir="linux-64")


def test_representative_files_are_all_read():
    for number in shared_path("envfiles/representative.txt").read_text().split():
        path = shared_path(f"envfiles/files/{number}.yml")
        environment = parse_environment(path.read_bytes(), file=path.name, subdir="linux-64")
        assert environment.requirements


def test_real_specs_are_read_or_refused_with_a_sentence():
    refused = []
    lines = shared_path("envfiles/match_specs.tsv").read_text().splitlines()
    for line in lines:
        text = json.loads(line.split("\t")[2])
        try:
            spec = MatchSpec.parse(text)
        except DataError as error:
            refused.append(text)
            assert str(error).endswith(".")
            continue
        assert MatchSpec.parse(str(spec)) == spec
    assert len(refused) < 0.01 * len(lines)
