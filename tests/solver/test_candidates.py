"""The quick ways from a spec to a mask say what MatchSpec says (CEP 29), for unusual versions and builds too."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.models.match_spec import MatchSpec
from envmgr.models.record_table import tables_of
from envmgr.solver.candidates import Candidates, Ordering
from tests.solver.cases import rec

PARTS = ("0", "1", "2", "10", "01", "1a", "rc1", "0dev", "post1")
VERSIONS = [
    *("1", "1.0", "1.0.0", "1.2", "1.2.0", "1.2.10", "1.20", "01.2", "1.02", "1.2rc1", "1.2.rc1", "1.2dev"),
    *("1!1.2", "1.2+local", "1.2.3+1", "2024.01.5", "2024.1", "1_2", "1.2_3", "0", "0.0.1", "10.2", "1.1.9"),
]
BUILDS = ["py312h1_0", "PY312H1_1", "h12_0", "cuda_py312_0", "h12_cpu", "0", "nompi_py39"]
PATTERNS = ["py312*", "*_0", "*py312*", "h12_0", "*", "PY312h1_*", "^py.*_0$", "no*"]
FAMILIES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map(".".join)


def candidates() -> Candidates:
    return Ordering().arrange(
        tables_of([rec("a", version, build) for version in VERSIONS for build in BUILDS])
    )


ALL = candidates()


def expected(text: str) -> list[str]:
    spec = MatchSpec.parse(text)
    return [record.dist_name for record in ALL.records if spec.matches(record)]


def found(text: str, among: Candidates) -> list[str]:
    return [record.dist_name for record in among.installed_values(among.matching(text))]


@settings(max_examples=150)
@given(
    FAMILIES, st.sampled_from(["{}.*", "={}", "{}*", "={}.*", "!={}.*", "{}.*|1.2.*", ">=1,{}.*", "~=1.{}"])
)
def test_a_family_of_versions(prefix: str, form: str) -> None:
    text = f"a {form.format(prefix)}"
    assert found(text, ALL) == expected(text)


@settings(max_examples=100)
@given(st.lists(st.tuples(FAMILIES, st.sampled_from(PATTERNS)), min_size=1, max_size=6))
def test_builds_within_few_and_within_many_versions(asked: list[tuple[str, str]]) -> None:
    """The same object answers all, so what one question leaves behind must not change the next answer."""
    among = candidates()
    for prefix, build in asked:
        for text in (f"a {prefix}.* {build}", f"a >=0 {build}"):
            assert found(text, among) == expected(text)
