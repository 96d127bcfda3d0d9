"""What is written as an environment file is read as the same, whatever the texts are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.envfile.environment_text import WrittenEnvironment
from envmgr.envfile.environment_yml import parse_environment
from envmgr.models.spec_style import plain_text

NAMES = st.sampled_from(["x", "2024", "yes", "null", "1.10", "a-b", "überall"])
VALUES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30) | st.sampled_from(
    [
        "yes",
        "1.10",
        "null",
        "",
        " ",
        "a: b",
        "x # [win]",
        "#",
        "- x",
        "{a}",
        "'",
        '"',
        "~",
        "***unset***",
        "@x",
        "%",
    ]
)
SPECS = st.sampled_from(
    [
        "numpy",
        "numpy >=1.2,<2",
        "pytorch=*=cuda*",
        "python=3.12",
        "a==1!2",
        "ch::b[md5=0123456789abcdef0123456789abcdef]",
        "y==1=h_0",
    ]
)
ITEMS = st.sampled_from(
    ["foo>=2", "foo[x]==1; python_version < '4'", "--pre", "a @ https://h/a.whl#sha256=0"]
)


@settings(max_examples=150)
@given(
    name=st.none() | NAMES,
    channels=st.lists(st.sampled_from(["conda-forge", "https://h/c", "file:///a%20b"]), unique=True),
    specs=st.lists(SPECS, unique=True),
    items=st.lists(ITEMS, unique=True),
    variables=st.dictionaries(st.sampled_from(["A", "_b", "NULL", "ON", "C1"]), VALUES),
    as_json=st.booleans(),
)
def test_what_is_written_is_read_as_the_same(name, channels, specs, items, variables, as_json):
    written = WrittenEnvironment(name, tuple(channels), tuple(specs), tuple(items), variables)
    text = written.json_text() if as_json else written.yaml_text()
    read = parse_environment(text, file="e.yml", subdir="linux-64")
    assert (read.name, read.channels, read.nodefaults) == (name, tuple(channels), True)
    assert [plain_text(each.spec) for each in read.requirements] == specs
    assert [item.text for item in read.subsections.get("pip", ())] == items
    assert read.variables == variables
    assert read.warnings == ()
