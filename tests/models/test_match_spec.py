"""Match specs: syntax, matching and canonical form of CEP 29, with CEPs 43, 44 and 45."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.errors import DataError
from envmgr.models.match_spec import And, MatchSpec, Or, condition_text, parse_condition, parse_match_spec
from envmgr.models.record import Origin, PackageRecord

CONDA_FORGE = "https://conda.anaconda.org/conda-forge"
MD5 = "12345678901234567890123456789012"
SHA256 = "f453db4ffe2271ec492a2913af4e61d4a6c118201f07de757df0eff769b65d2e"

# CEP 29, "Version expression parsing": "with equivalent version specifiers in the same block".
FUZZY_BLOCK = """
pkg=1.8
pkg =1.8
pkg 1.8.*
pkg 1.8.* *
pkg=1.8.*
pkg=1.8.*=*
pkg =1.8.* *
pkg ==1.8.* *
pkg[version=1.8.*]
pkg[version="1.8.*"]
""".strip().splitlines()
EXACT_BLOCK = """
pkg 1.8
pkg 1.8 *
pkg==1.8
pkg=1.8=*
pkg==1.8=*
pkg ==1.8 *
pkg[version=1.8]
pkg[version="1.8"]
""".strip().splitlines()

# text as written, canonical text (CEP 29, appendix A)
CANONICAL = [
    # "Examples" of the standard, word by word.
    ("foo 1.0 py27_0", "foo==1.0=py27_0"),
    ("foo=1.0=py27_0", "foo==1.0=py27_0"),
    ("conda-forge::foo[version=1.0.*]", "conda-forge::foo=1.0"),
    ("conda-forge/linux-64::foo>=1.0", "conda-forge/linux-64::foo[version='>=1.0']"),
    ("*/linux-64::foo>=1.0", "foo[subdir=linux-64,version='>=1.0']"),
    # Three fields: "{name} {version} {build}, {name} =={version} {build}, {name}={version}={build} and
    # {name}=={version}={build} all denote exact equality", "{name} ={version} {build} denotes fuzzy equality".
    ("pkg 1.8 b", "pkg==1.8=b"),
    ("pkg ==1.8 b", "pkg==1.8=b"),
    ("pkg=1.8=b", "pkg==1.8=b"),
    ("pkg==1.8=b", "pkg==1.8=b"),
    ("pkg =1.8 b", "pkg=1.8[build=b]"),
    # "Separator types MUST NOT be mixed": conda reads these as it reads pkg=1.8=b, and real channels hold them.
    ("pkg =1.8=b", "pkg==1.8=b"),
    ("pkg=1.8 b", "pkg==1.8=b"),
    ("pkg 1.8=b", "pkg==1.8=b"),
    # "Leading and trailing spaces MUST be ignored"; several spaces count as one.
    ("  pkg  ", "pkg"),
    ("libsolv 0.7.24  *_6", "libsolv==0.7.24[build=*_6]"),
    ("python         ==3.12.0", "python==3.12.0"),
    ("pkg\t1.8", "pkg==1.8"),
    # Other versions and builds.
    ("pkg", "pkg"),
    ("pkg *", "pkg"),
    ("pkg * *", "pkg"),
    ("pkg * py*", "pkg[build=py*]"),
    ("pkg=", "pkg"),
    ("pkg>=1", "pkg[version='>=1']"),
    ("pkg >=1.0 , < 2.0 py34_0", "pkg[version='>=1.0,<2.0',build=py34_0]"),
    ("pkg >=1.0 , < 2.0 =py34_0", "pkg[version='>=1.0,<2.0',build=py34_0]"),
    ("pkg>1.8,<2|==1.7", "pkg[version='>1.8,<2|==1.7']"),
    ("pkg=1.2|1.3", "pkg[version='1.2.*|==1.3']"),
    ("pkg (>=1|<0.5),!=2", "pkg[version='(>=1|<0.5),!=2']"),
    ("pkg ( >=1 | <0.5 )", "pkg[version='>=1|<0.5']"),
    ("pkg~=1.2.3", "pkg[version='~=1.2.3']"),
    ("pkg !=1.2.*", "pkg[version='!=1.2.*']"),
    ("pkg >=1.2.*", "pkg[version='>=1.2']"),
    ("pkg 1.2*", "pkg=1.2"),
    ("pkg ^1\\.[23]$", "pkg[version='^1\\.[23]$']"),
    ("pkg * ^py3[67]_\\d$", "pkg[build='^py3[67]_\\d$']"),
    ("pkg 1.8 PY37_0", "pkg==1.8=py37_0"),
    ("torchvision==*=*cuda112*", "torchvision[build=*cuda112*]"),
    ("mpich===4.2.2[build=external_*]", "mpich==4.2.2[build=external_*]"),
    ("x264 >=1 !164.3095,<1!165", "x264[version='>=1!164.3095,<1!165']"),
    ("pkg 1!2.0+cu118", "pkg==1!2.0+cu118"),
    # Names.
    ("PyYAML", "pyyaml"),
    ("*", "*"),
    ("py* 1.0", "py*==1.0"),
    ("^py(torch|tensor)$ 2.*", "^py(torch|tensor)$=2"),
    ("__glibc >=2.17", "__glibc[version='>=2.17']"),
    ("_libgcc_mutex 0.1 conda_forge", "_libgcc_mutex==0.1=conda_forge"),
    # Channel, subdir, namespace: "This expression field MUST be parsed and ignored."
    ("conda-forge::foo", "conda-forge::foo"),
    ("conda-forge:foo:bar", "conda-forge::bar"),
    ("conda-forge:r-base=4.3.2", "r-base=4.3.2"),
    ("::foo", "foo"),
    ("conda-forge/label/dev::foo", "conda-forge/label/dev::foo"),
    ("conda-forge/linux-64::x=1=b", "conda-forge/linux-64::x==1=b"),
    ("conda-forge/linux-64:ns:x 1", "conda-forge/linux-64::x==1"),
    ("https://example.org:8080/a/b/osx-arm64::x", "https://example.org:8080/a/b/osx-arm64::x"),
    ("https://user:secret@example.org/t/tk-1/a::x", "https://example.org/a::x"),
    ("file:///opt/my=channel::x", "file:///opt/my=channel::x"),
    ("./channel::x", "./channel::x"),
    ("x[channel=conda-forge]", "conda-forge::x"),
    ("x[channel=conda-forge/noarch]", "conda-forge/noarch::x"),
    ("x[channel='conda-*']", "x[channel=conda-*]"),
    ("conda-*/linux-64::x", "x[channel=conda-*,subdir=linux-64]"),
    ("conda-forge::x[subdir='linux-*']", "conda-forge::x[subdir=linux-*]"),
    # Keyword expressions: "override the positional values, except for name".
    ("name[version='>=1', build=*foo]", "name[version='>=1',build=*foo]"),
    ('name[version=">=1" build="*foo"]', "name[version='>=1',build=*foo]"),
    ("name [ version = '1.0' ]", "name==1.0"),
    ("name 1.0 b[version=2.0,build=c]", "name==2.0=c"),
    ("a::name[channel=b,name=other]", "b::name"),
    ("name[version=>=1]", "name[version='>=1']"),
    ("name[build_number=3]", "name[build_number=3]"),
    ("name[build_number='>=3']", "name[build_number='>=3']"),
    ("name[fn=name-1-0.conda]", "name[fn=name-1-0.conda]"),
    ("name[license='GPL 2']", "name[license='gpl 2']"),
    ("name[license='a, b']", "name[license='a, b']"),
    ('name[license="it\'s"]', 'name[license="it\'s"]'),
    ("name[license='it\\'s \"b\"']", "name[license='it\\'s \"b\"']"),
    ("name[track_features='mkl debug']", "name[track_features='mkl debug']"),
    (f"*[md5={MD5}]", f"*[md5={MD5}]"),
    (f"*[sha256={SHA256.upper()}]", f"*[sha256={SHA256}]"),
    # A comment ends a spec, as conda reads it.
    ("pkg 1.8 # because", "pkg==1.8"),
    ("pkg[version=1.8]  # [linux]", "pkg==1.8"),
    # Extras and flags: "MUST be a string or a list of strings".
    ('example[extras="group-name"]', "example[extras=[group-name]]"),
    ("example[extras=[a, 'b' ,c.d]]", "example[extras=[a,b,c.d]]"),
    ('pytorch[version=">=3.1", flags=["cuda", "blas:*"]]', "pytorch[version='>=3.1',flags=[cuda,blas:*]]"),
    ("pytorch[flags=release]", "pytorch[flags=[release]]"),
    # Conditions.
    ('numpy>=2[when="python>=3.10"]', "numpy[version='>=2',when='python>=3.10']"),
    ("a[when='b and (c or d >=2)']", "a[when='b and (c or d>=2)']"),
    ("""a[when="b[version='>=3|<2', build=x]"]""", """a[when="b[version='>=3|<2',build=x]"]"""),
]


@pytest.mark.parametrize("text", FUZZY_BLOCK)
def test_fuzzy_block_of_the_standard_is_one_spec(text: str) -> None:
    assert MatchSpec.parse(text) == MatchSpec.parse("pkg=1.8")
    assert str(MatchSpec.parse(text)) == "pkg=1.8"


@pytest.mark.parametrize("text", EXACT_BLOCK)
def test_exact_block_of_the_standard_is_one_spec(text: str) -> None:
    assert MatchSpec.parse(text) == MatchSpec.parse("pkg==1.8")
    assert str(MatchSpec.parse(text)) == "pkg==1.8"


@pytest.mark.parametrize(("text", "canonical"), CANONICAL, ids=[case[0] for case in CANONICAL])
def test_spec_is_written_in_its_canonical_form(text: str, canonical: str) -> None:
    assert str(MatchSpec.parse(text)) == canonical


@pytest.mark.parametrize("canonical", sorted({case[1] for case in CANONICAL}))
def test_canonical_form_round_trips(canonical: str) -> None:
    spec = MatchSpec.parse(canonical)
    assert str(spec) == canonical
    assert spec == MatchSpec.parse(str(spec))
    assert hash(spec) == hash(MatchSpec.parse(str(spec)))
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_artifact_url_is_a_fully_specified_spec() -> None:
    # CEP 29, appendix C.
    spec = MatchSpec.parse(f"{CONDA_FORGE}/linux-64/python-3.11.10-h123456_0.conda")
    assert (spec.channel, spec.subdir, spec.name) == ("conda-forge", "linux-64", "python")
    assert (str(spec.version), str(spec.build)) == ("==3.11.10", "h123456_0")
    assert MatchSpec.parse(str(spec)) == spec
    assert spec.matches(record("python", "3.11.10", "h123456_0"))
    assert not spec.matches(
        record("python", "3.11.10", "h123456_0", channel="https://example.org/conda-forge")
    )


@pytest.mark.parametrize(
    ("text", "url", "sums"),
    [
        (
            "https://u:p@example.org/t/tk-1/ch/noarch/a-1-0.tar.bz2",
            "https://example.org/ch/noarch/a-1-0.tar.bz2",
            {},
        ),
        (
            f"https://example.org/ch/noarch/a-1-0.conda#{MD5}",
            "https://example.org/ch/noarch/a-1-0.conda",
            {"md5": MD5},
        ),
        (f"./a-1-0.conda#sha256:{SHA256}", "./a-1-0.conda", {"sha256": SHA256}),
        ("a-1-0.conda", "a-1-0.conda", {}),
        ("C:\\pkgs\\a-1-0.conda", "C:\\pkgs\\a-1-0.conda", {}),
    ],
)
def test_archive_may_be_a_path_and_carry_a_checksum(text: str, url: str, sums: dict[str, str]) -> None:
    spec = MatchSpec.parse(text)
    assert (spec.name, str(spec.version), str(spec.build), spec.url) == ("a", "==1", "0", url)
    assert {key: getattr(spec, key) for key in ("md5", "sha256") if getattr(spec, key)} == sums


REFUSED = [
    ("", "it is empty", None),
    (">=1.0", "a package name must come first", "*"),
    ("[version=1]", "a package name must come first", None),
    ("numpy=<1.19", "the version clause '=<1.19' does not begin with one of the operators", "<="),
    ("rust =>1.65.0", "the version clause '=>1.65.0'", ">="),
    ("numpy==", "no version behind its operator", None),
    ("fsspec!", "the version clause '!'", None),
    ("numpy >=1.0 <2", "two version clauses follow each other", "comma"),
    ("numpy 1.0 b c", "expected at most a name, a version and a build", None),
    ("cython - pip=21.3.1", "expected at most a name, a version and a build", None),
    ("cartopy - lxml", "'-' is not a version", None),
    ("dask[dataframe, array]", "expected key=value pairs", "[extras=[dataframe, array]]"),
    ("numpy; python_version<'3'", "no environment markers", "[when=...]"),
    ("numpy >=1.0; python_version<'3'", "no environment markers", "[when=...]"),
    ("numpy @ file:///x", "a URL must end in .conda or .tar.bz2", "pip"),
    ("git+https://github.com/a/b", "a URL must end in .conda or .tar.bz2", "pip"),
    ("numpy@1.0", "'@' has no meaning", "pip"),
    ("-r requirements.txt", "'-r' is not a package name", "pip"),
    ("conda-forge/numpy", "'conda-forge/numpy' is not a package name", "::"),
    ("openmm::conda-forge/label/test", "'conda-forge/label/test' is not a package name", "::"),
    ("foo--bar", "'foo--bar' is not a package name", None),
    ("a" * 65, "is not a package name", None),
    ("{{ name }}", "'{{' is not a package name", None),
    ("x[foo=1]", "the key 'foo' is not known", None),
    ("x[version]", "expected key=value pairs", None),
    ("x[version=1", "a bracket is not closed", None),
    ("x[version='1]", "the quoted value of 'version' is not closed", None),
    ("x[version=1] 2", "found '2' behind the bracket section", None),
    ("x[version=1][build=2]", "found '[build=2]' behind the bracket section", None),
    ("x[version=1,version=2]", "the key 'version' is given twice", None),
    ("x[version=,build=2]", "the key 'version' has no value", None),
    ("x[version='']", "the key 'version' has no value", None),
    ("x[version=>=1,<2]", "found '<2'", "Quote"),
    ("x[version=[1,2]]", "the key 'version' takes one value, not a list", None),
    ("x[md5=abc]", "'abc' is not a md5 checksum", None),
    ("x[extras=[a b]]", "lacks a comma", None),
    ("x[extras=[a,,b]]", "the key 'extras' has no value", None),
    ("x[extras='a,b']", "'a,b' is not a valid name of an extra", "[a, b]"),
    ("x[extras=Big]", "'Big' is not a valid name of an extra", None),
    ("x[flags='a:b:c']", "'a:b:c' is not a valid flag", None),
    ("x[when='']", "the key 'when' has no value", None),
    ("x[when='a or']", "a spec is missing at its end", None),
    ("x[when='(a']", "a parenthesis is not closed", None),
    ("x[when='a) or b']", "found ')' without a partner", None),
    ("x[when='a[when=b]']", "a condition cannot hold another condition", None),
    ("x[build='^(?=a)$']", "lookaround", None),
    ("https://example.org/ch/noarch/x-1.conda", "'x-1.conda' is not a package's file name", None),
    (f"a-1-0.conda#{MD5}0", "is not a sha256 checksum", None),
]


@pytest.mark.parametrize(("text", "said", "hint"), REFUSED, ids=[case[0][:30] for case in REFUSED])
def test_refusal_quotes_the_spec_and_says_what_was_expected(text: str, said: str, hint: str | None) -> None:
    with pytest.raises(DataError) as caught:
        MatchSpec.parse(text)
    assert said in str(caught.value)
    assert text in str(caught.value)
    assert str(caught.value).endswith(".")
    assert hint is None or hint in str(caught.value.hint)


def record(name: str, version: str = "1.0", build: str = "0", **options: Any) -> PackageRecord:
    channel, subdir = options.pop("channel", CONDA_FORGE), options.pop("subdir", "linux-64")
    origin = Origin(channel, subdir, f"{channel}/{subdir}/")
    made = PackageRecord(name=name, version=version, build=build, **options)
    return made.placed(f"{name}-{version}-{build}.conda", origin)


MATCHES = [
    ("numpy", record("numpy"), True),
    ("NumPy", record("numpy"), True),
    ("numpy", record("numpy-base"), False),
    ("num*", record("numpy-base"), True),
    ("^(numpy|scipy)$", record("scipy"), True),
    ("^(numpy|scipy)$", record("scipy2"), False),
    ("* 1.0", record("anything"), True),
    ("numpy >=1.2,<2", record("numpy", "1.26.4"), True),
    ("numpy >=1.2,<2", record("numpy", "2.0"), False),
    ("numpy 1.26", record("numpy", "1.26.0"), True),
    ("numpy 1.26", record("numpy", "1.26.4"), False),
    # Strings: "case-insensitive", globs, regular expressions.
    ("numpy * py312*", record("numpy", build="py312h1_0"), True),
    ("numpy * PY312*", record("numpy", build="py312h1_0"), True),
    ("numpy * *_openblas", record("numpy", build="0_mkl"), False),
    ("numpy 1.0 py312h1_0", record("numpy", build="PY312H1_0"), True),
    ("numpy 1.0 py312", record("numpy", build="py312h1_0"), False),
    ("numpy[build='^py3(11|12)h']", record("numpy"), False),
    ("numpy[build='^py3(11|12)h.*$']", record("numpy", build="py312h1_0"), True),
    # Numbers: "converted to str and handled as such"; conda's operators work as well.
    ("numpy[build_number=3]", record("numpy", build_number=3), True),
    ("numpy[build_number=3]", record("numpy", build_number=30), False),
    ("numpy[build_number=3*]", record("numpy", build_number=30), True),
    ("numpy[build_number='>=3,<5']", record("numpy", build_number=4), True),
    ("numpy[build_number='>=3,<5']", record("numpy", build_number=5), False),
    # Channels: "When a name is used, it MUST be promoted to its corresponding fully qualified URL".
    ("conda-forge::numpy", record("numpy"), True),
    ("Conda-Forge::numpy", record("numpy"), True),
    ("bioconda::numpy", record("numpy"), False),
    ("forge::numpy", record("numpy"), False),
    (f"{CONDA_FORGE}::numpy", record("numpy"), True),
    (f"{CONDA_FORGE}/::numpy", record("numpy"), True),
    ("https://example.org/conda-forge::numpy", record("numpy"), False),
    ("conda-forge::numpy", record("numpy", channel="https://mirror.example.org/api/conda-forge"), True),
    ("conda-forge/label/dev::numpy", record("numpy"), False),
    ("conda-forge/label/dev::numpy", record("numpy", channel=f"{CONDA_FORGE}/label/dev"), True),
    ("defaults::numpy", record("numpy", channel="https://repo.anaconda.com/pkgs/main"), True),
    ("pkgs/main::numpy", record("numpy", channel="https://repo.anaconda.com/pkgs/main"), True),
    ("defaults::numpy", record("numpy"), False),
    ("numpy[channel='conda-*']", record("numpy"), True),
    ("numpy[channel='bio*']", record("numpy"), False),
    ("conda-forge::numpy", PackageRecord(name="numpy", version="1"), False),
    ("conda-forge/linux-64::numpy", record("numpy"), True),
    ("conda-forge/linux-64::numpy", record("numpy", subdir="noarch"), False),
    ("numpy[subdir='linux-*']", record("numpy"), True),
    ("numpy[subdir=noarch]", PackageRecord(name="numpy", version="1", subdir="noarch"), True),
    # Other fields.
    ("numpy[fn=numpy-1.0-0.conda]", record("numpy"), True),
    ("numpy[fn='*.tar.bz2']", record("numpy"), False),
    (f"numpy[url={CONDA_FORGE}/linux-64/numpy-1.0-0.conda]", record("numpy"), True),
    (f"numpy[url={CONDA_FORGE}/linux-64/numpy-1.1-0.conda]", record("numpy"), False),
    (f"*[md5={MD5}]", record("numpy", md5=MD5), True),
    (f"*[md5={MD5}]", record("numpy"), False),
    (f"*[sha256={SHA256}]", record("numpy", sha256=SHA256.upper()), True),
    ("numpy[license='bsd*']", record("numpy", license="BSD-3-Clause"), True),
    ("numpy[license=MIT]", record("numpy"), False),
    ("numpy[license_family=bsd]", record("numpy", license_family="BSD"), True),
    ("numpy[track_features=mkl]", record("numpy", track_features="mkl,debug"), True),
    ("numpy[track_features='mkl nomkl']", record("numpy", track_features=["mkl"]), False),
    ("numpy[features=mkl]", record("numpy", features="mkl"), True),
    ("numpy[features=mkl]", record("numpy"), False),
    # CEP 45: "a package is excluded from consideration if it does not contain every flag listed".
    ("torch[flags=[cuda,'blas:*']]", record("torch", flags=["cuda", "release", "blas:mkl"]), True),
    ("torch[flags=[cuda,'blas:*']]", record("torch", flags=["cuda"]), False),
    ("torch[flags=cuda]", record("torch"), False),
    # CEP 43 and 44: conditions and extras say nothing about the record itself.
    ("numpy[when='python <3']", record("numpy"), True),
    ("numpy[extras=[test]]", record("numpy"), True),
]


@pytest.mark.parametrize(
    ("text", "candidate", "expected"), MATCHES, ids=[f"{case[0]} {case[2]}" for case in MATCHES]
)
def test_spec_matches_every_field(text: str, candidate: PackageRecord, expected: bool) -> None:
    assert MatchSpec.parse(text).matches(candidate) is expected


def test_spec_knows_whether_it_names_one_package() -> None:
    assert not MatchSpec.parse("num*").is_name_exact
    assert MatchSpec.parse("numpy").is_name_exact


def test_namespace_is_kept_but_means_nothing() -> None:
    spec = MatchSpec.parse("conda-forge:r-base=4.3.2")
    assert spec.namespace == "conda-forge"
    assert spec == MatchSpec.parse("r-base=4.3.2")
    assert spec.matches(record("r-base", "4.3.2"))


def test_parsed_specs_are_remembered() -> None:
    assert parse_match_spec("numpy >=1.2") is parse_match_spec("numpy >=1.2")


def test_and_binds_closer_than_or() -> None:
    a, b, c = (MatchSpec.parse(name) for name in "abc")
    assert parse_condition("a or b and c") == Or((a, And((b, c))))
    assert parse_condition("(a or b) and c") == And((Or((a, b)), c))
    assert parse_condition("((a))") == a
    assert condition_text(parse_condition("(a or b) and c")) == "(a or b) and c"
    assert str(parse_condition("a and (b and c)")) == "a and b and c"


def test_condition_specs_may_have_brackets_with_spaces_and_parentheses() -> None:
    condition = parse_condition("a[version='(>=1 | <0.5)', build=x] and __unix")
    assert condition == And((MatchSpec.parse("a[version='(>=1|<0.5)',build=x]"), MatchSpec.parse("__unix")))


NAMES = st.sampled_from(["a", "numpy", "r-base", "_x", "__glibc", "*", "py*", "^a|b$"])
VERSIONS = st.sampled_from(
    ["", "*", "1.0", "==1.0", "=1.0", "1.0.*", ">=1,<2", ">=1|2.*", "!=1", "~=1.2", "(1|2),>0"]
)
BUILDS = st.sampled_from(["", "*", "0", "py3*", "h1_0"])
CHANNELS = st.sampled_from(
    ["", "c::", "c/noarch::", "*/noarch::", "https://h/c::", "c/label/x::", "ns:", "c:ns:"]
)
VALUES = st.text(alphabet="ab1 ,='\"\\[]()*^$.#", min_size=1, max_size=8).filter(
    lambda text: text.strip() != ""
)


def positional(channel: str, name: str, version: str, build: str) -> str:
    return f"{channel}{name} {version} {build}" if version else f"{channel}{name}"


@given(st.builds(positional, CHANNELS, NAMES, VERSIONS, BUILDS))
def test_every_positional_form_round_trips(text: str) -> None:
    spec = MatchSpec.parse(text)
    assert MatchSpec.parse(str(spec)) == spec
    assert str(MatchSpec.parse(str(spec))) == str(spec)


@given(VALUES)
def test_every_value_that_is_quoted_as_python_quotes_it_round_trips(value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    try:
        spec = MatchSpec.parse(f"x[license='{escaped}']")
    except DataError as error:
        assert "regular expression" in str(error)
        return
    assert (spec.license or "").lower() == value.strip().lower()
    assert MatchSpec.parse(str(spec)) == spec


@given(st.text(max_size=20) | st.text(alphabet="ax1 .=*<>!~,|[]'\"():/^$#@;-", max_size=20))
def test_any_text_is_a_spec_or_a_data_error(text: str) -> None:
    try:
        spec = MatchSpec.parse(text)
    except DataError as error:
        assert str(error).endswith(".")
    else:
        assert MatchSpec.parse(str(spec)) == spec
