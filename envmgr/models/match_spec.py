"""Match specs: queries for package records (CEP 29), with conditions, extras and flags (CEPs 43, 44, 45).

`MatchSpec.parse` reads every form that conda reads; ``str()`` writes the canonical one (CEP 29, appendix A),
and parsing that gives an equal spec. A spec never depends on settings: a channel is kept as it was written,
and names are promoted to URLs only to be compared.

Specs are read by the ten thousand and matched by the million, so whatever can be compiled is compiled while
parsing. Whether a condition holds and what extras bring along is the solver's business.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import astuple, replace

from envmgr.errors import DataError
from envmgr.models.channel import DEFAULT_ALIAS, Channel, is_url, split_url, without_credentials
from envmgr.models.condition import And, Or, parse_expression, render_expression
from envmgr.models.credentials import check_url
from envmgr.models.identifiers import is_package_name, split_distribution
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.platform import KNOWN_SUBDIRS
from envmgr.models.record import ARCHIVE_EXTENSIONS, PackageRecord, split_names
from envmgr.models.spec_text import SpecText, refuse, shown_spec, split_spec
from envmgr.models.string_match import StringMatch, is_regex
from envmgr.models.version_spec import VersionSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from envmgr.models.version import Version

__all__ = [
    "And",
    "Condition",
    "MatchSpec",
    "Or",
    "condition_text",
    "parse_condition",
    "parse_match_spec",
]

# What nearly all dependencies look like: "name", "name >=1.2,<2" or "name 1.2.* build", one space between.
_CLAUSE = r"(?:[<>=!~]=|[<>=])?[0-9A-Za-z_.+*][0-9A-Za-z_.+*!]*"
_COMMON = lazy_pattern(rf"([a-z0-9_][a-z0-9_.-]*)(?: ({_CLAUSE}(?:[,|]{_CLAUSE})*)(?: ([0-9A-Za-z_.+*]+))?)?")
_ARCHIVE = lazy_pattern(
    r"\s*([^\s\[\]]*[^\s\[\]/\\](?:\.conda|\.tar\.bz2))(?:#(?:(md5|sha256):)?([0-9A-Fa-f]*))?\s*"
)
_LITERAL = lazy_pattern(r"=?(?:[0-9]+!)?[^=<>!~*,|()^$]+")
_EXTRA = lazy_pattern(r"[a-z0-9_.+-]{1,64}")
_FLAG = lazy_pattern(r"[a-z0-9_*]+(:[a-z0-9_*]+)?")
_PLAIN_VALUE = lazy_pattern(r"[A-Za-z0-9_.+*:/-]+")
ANACONDA_CHANNELS: Final = "https://repo.anaconda.com/pkgs/"
_SUMS: Final = {"md5": lazy_pattern(r"[0-9a-f]{32}"), "sha256": lazy_pattern(r"[0-9a-f]{64}")}
_RENAMED: Final = {"fn": "file_name"}
_KNOWN_KEYS: Final = frozenset(
    {
        "name",
        "version",
        "build",
        "build_number",
        "channel",
        "subdir",
        "namespace",
        "fn",
        "url",
        "md5",
        "sha256",
    }
    | {"sha256", "license", "license_family", "track_features", "features", "extras", "flags", "when"}
)


class MatchSpec(Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """One query; None (or an empty tuple) means that a field does not matter.

    ``name`` is lower case and may be ``*``, a glob or a regular expression. ``channel`` is a name or URL as
    it was written, without credentials; ``file_name``, ``subdir``, ``license`` and ``license_family`` may be
    patterns. ``build_number`` takes operators, as conda allows. ``track_features`` and ``features`` match
    records that have all of these. ``extras`` and ``when`` do not take part in matching, ``namespace`` not
    even in equality.
    """

    name: str
    version: VersionSpec | None = None
    build: StringMatch | None = None
    build_number: StringMatch | VersionSpec | None = None
    channel: str | None = None
    subdir: str | None = None
    namespace: str | None = None
    file_name: str | None = None
    url: str | None = None
    md5: str | None = None
    sha256: str | None = None
    license: str | None = None
    license_family: str | None = None
    track_features: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    flags: tuple[StringMatch, ...] = ()
    when: Condition | None = None

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, MatchSpec) else NotImplemented

    @functools.cached_property
    def _key(self) -> tuple[Any, ...]:
        return astuple(replace(self, namespace=None))

    @functools.cached_property
    def _other_tests(self) -> tuple[Callable[[PackageRecord], bool], ...]:
        return () if _is_common(self) else tuple(_tests_beside_version_and_build(self))

    @classmethod
    def parse(cls, text: str) -> MatchSpec:
        """Read a spec, or the URL or path of an archive (CEP 29, appendix C).

        Raises DataError that quotes *text*, says what was expected, and hints at frequent mistakes.

        >>> str(MatchSpec.parse("conda-forge/linux-64::foo >=1.0"))
        "conda-forge/linux-64::foo[version='>=1.0']"
        """
        common = _COMMON.fullmatch(text)
        if common is not None and is_package_name(common.group(1)) and not text.endswith(ARCHIVE_EXTENSIONS):
            return _from_common_form(*common.groups())
        archive = _ARCHIVE.fullmatch(text)
        if archive is not None:
            return cls(**_archive_fields(text, *archive.groups()))
        try:
            return cls(**_fields(text, split_spec(text)))
        except DataError as error:
            shown = shown_spec(text)
            if shown in str(error):
                raise
            raise DataError(f"the spec '{shown}' is not valid: {error}", hint=error.hint) from None

    @property
    def is_name_exact(self) -> bool:
        """Whether only one name can match."""
        return "*" not in self.name and not is_regex(self.name)

    @property
    def has_other_tests(self) -> bool:
        """Whether matching looks at more of a record than name, version and build."""
        return bool(self._other_tests)

    @property
    def is_about_origin(self) -> bool:
        """Whether beside name, version and build only channel and subdir matter: the same for all of a source."""
        return not replace(self, channel=None, subdir=None).has_other_tests

    def matches(self, record: PackageRecord) -> bool:
        """Whether *record* fulfils everything but ``when`` and ``extras``."""
        return (
            (self.name == record.name or self.matches_name(record.name))
            and (self.version is None or self.version.matches(record.parsed_version))
            and (self.build is None or self.build.matches(record.build))
            and (not self._other_tests or all(test(record) for test in self._other_tests))
        )

    def matches_name(self, name: str) -> bool:
        """Whether a package of this name can match."""
        return self.name == name or _string_match(self.name).matches(name)

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.build, self.channel))

    def __reduce__(self) -> tuple[Any, ...]:
        return MatchSpec.parse, (str(self),)

    def __str__(self) -> str:
        return _render(self)


Condition: TypeAlias = "MatchSpec | And[MatchSpec] | Or[MatchSpec]"


@functools.cache
def parse_match_spec(text: str) -> MatchSpec:
    """`MatchSpec.parse`, remembered: a channel's records repeat their dependencies."""
    return MatchSpec.parse(text)


def parse_condition(text: str) -> Condition:
    """Read the value of ``when``: specs joined by ``and`` and ``or``, with parentheses (CEP 43, "Syntax").

    >>> print(condition_text(parse_condition("(python >=3.10 or pypy) and __unix")))
    (python>=3.10 or pypy) and __unix
    """
    return parse_expression(text, _parse_inner_spec)


def condition_text(condition: Condition) -> str:
    """A condition as ``when`` holds it: specs of a name and a version stand without brackets and spaces."""
    return render_expression(condition, _inner_text)


def _parse_inner_spec(text: str) -> MatchSpec:
    spec = MatchSpec.parse(text)
    if spec.when is not None:
        refuse(text, "a condition cannot hold another condition")
    return spec


def _inner_text(spec: MatchSpec) -> str:
    version = str(spec.version or "")
    plain = replace(spec, version=None) == MatchSpec(name=spec.name)
    if not plain or version[:1] not in ("<", ">", "!", "~") or "(" in version or "^" in version:
        return str(spec)
    return f"{spec.name}{version}"


def _from_common_form(name: str, version: str | None, build: str | None) -> MatchSpec:
    return MatchSpec(
        name=name,
        version=VersionSpec.parse(version) if version and version != "*" else None,
        build=StringMatch.parse(build) if build and build != "*" else None,
    )


def _fields(text: str, parts: SpecText) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": _checked_name(text, parts.name), "namespace": parts.namespace or None}
    if parts.version is not None:
        fields["version"] = _positional_version(parts)
    if parts.build is not None:
        fields["build"] = StringMatch.parse(parts.build)
    if parts.channel is not None:
        fields |= _channel_fields(text, parts.channel)
    for key, value in parts.keys.items():
        if key not in _KNOWN_KEYS:
            refuse(text, f"the key '{key}' is not known")
        if key not in ("name", "namespace"):
            fields |= _key_fields(text, key, value)
    for key in ("version", "build"):
        if fields.get(key) is not None and fields[key].is_any:
            del fields[key]
    if fields.get("build_number") is not None and fields["build_number"].is_any:
        del fields["build_number"]
    return fields


def _checked_name(text: str, name: str) -> str:
    name = name if is_regex(name) else name.lower()
    if is_regex(name) or "*" in name:
        _string_match(name)
        return name
    if not is_package_name(name):
        refuse(text, f"'{name}' is not a package name", _name_hint(name))
    return name


def _name_hint(name: str) -> str | None:
    if "," in name or "|" in name:
        return "Put a space or an operator between name and version."
    if "/" in name:
        return "A channel is separated from the name by '::'."
    if "^" in name:
        plain = name.partition("^")[0]
        return f"Write >= with < for what ^ means elsewhere, as in {plain}>=1.2,<2."
    return None


def _positional_version(parts: SpecText) -> VersionSpec:
    """The version in its place behind the name, where ``=1.8`` and ``=1.8=build`` mean different things."""
    assert parts.version is not None, "only called where a version is given"
    version = parts.version
    if parts.build is not None and parts.equals_form and _LITERAL.fullmatch(version):
        return VersionSpec.parse(version.lstrip("="))
    return VersionSpec.parse(version)


def _channel_fields(text: str, written: str) -> dict[str, Any]:
    """Channel and subdir out of ``channel/subdir``; the channel ``*`` means any."""
    if is_url(written):
        check_url(written)
        channel, subdir, file_name = split_url(written)
        if file_name:
            refuse(text, f"'{without_credentials(written)}' is a file, not a channel")
    else:
        channel, subdir = written.rstrip("/"), ""
        head, slash, last = channel.rpartition("/")
        if slash and last in KNOWN_SUBDIRS:
            channel, subdir = head, last
    fields: dict[str, Any] = {} if channel == "*" else {"channel": channel}
    return {**fields, "subdir": subdir} if subdir else fields


def _key_fields(text: str, key: str, value: str | tuple[str, ...]) -> dict[str, Any]:
    if key in ("track_features", "features"):
        return {key: split_names(value if isinstance(value, str) else list(value))}
    if key in ("extras", "flags"):
        return {key: _checked_list(text, key, value)}
    assert isinstance(value, str), "only the keys above take lists"
    if key == "version":
        return {key: VersionSpec.parse(value)}
    if key == "build":
        return {key: StringMatch.parse(value)}
    if key == "build_number":
        return {key: _number_match(value)}
    if key == "channel":
        return _channel_fields(text, value)
    if key == "when":
        return {key: parse_condition(value)}
    if key in _SUMS:
        return {key: _checked_sum(text, key, value)}
    if key == "url":
        return {key: without_credentials(value)}
    return {_RENAMED.get(key, key): str(StringMatch.parse(value))}


def _number_match(value: str) -> StringMatch | VersionSpec:
    return VersionSpec.parse(value) if re.search(r"[=<>!~,|]", value) else StringMatch.parse(value)


def _checked_sum(text: str, key: str, value: str) -> str:
    value = value.strip().lower()
    if not _SUMS[key].fullmatch(value):
        refuse(text, f"'{value}' is not a {key} checksum")
    return value


def _checked_list(text: str, key: str, value: str | tuple[str, ...]) -> tuple[Any, ...]:
    items = tuple(item.strip() for item in ((value,) if isinstance(value, str) else value))
    shape = _EXTRA if key == "extras" else _FLAG
    for item in items:
        if not shape.fullmatch(item):
            kind = "name of an extra" if key == "extras" else "flag"
            refuse(
                text, f"'{item}' is not a valid {kind}", "Lists are written [a, b]." if "," in item else None
            )
    return items if key == "extras" else tuple(StringMatch.parse(item) for item in items)


def _archive_fields(text: str, place: str, algorithm: str | None, anchor: str | None) -> dict[str, Any]:
    """The fields of an archive's URL or path, with the checksum that may follow ``#``."""
    url = without_credentials(place)
    channel, subdir, file_name = split_url(url) if is_url(url) else ("", "", re.split(r"[/\\]", place)[-1])
    try:
        name, version, build, _ = split_distribution(file_name)
    except DataError:
        refuse(text, f"'{file_name}' is not a package's file name; expected name-version-build")
    fields: dict[str, Any] = {"name": _checked_name(text, name), "url": url}
    fields["version"] = VersionSpec.parse(f"=={version}")
    fields["build"] = StringMatch.parse(build)
    if subdir:
        alias = DEFAULT_ALIAS + "/"
        fields |= {
            "channel": channel.removeprefix(alias),
            "subdir": subdir,
        }
    if anchor:
        key = algorithm or ("md5" if len(anchor) == 32 else "sha256")
        fields[key] = _checked_sum(text, key, anchor)
    return fields


@functools.lru_cache(maxsize=4096)
def _string_match(text: str) -> StringMatch:
    return StringMatch.parse(text)


def _is_common(spec: MatchSpec) -> bool:
    """Whether nothing beside name, version and build is given; told quickly, since it holds for nearly all."""
    texts = (spec.channel, spec.subdir, spec.file_name, spec.url, spec.md5, spec.sha256, spec.license)
    rest = (spec.license_family, spec.build_number, spec.track_features, spec.features, spec.flags)
    return not any(texts) and not any(rest)


def _tests_beside_version_and_build(spec: MatchSpec) -> Iterator[Callable[[PackageRecord], bool]]:
    """The tests that few specs need."""
    if spec.channel is not None:
        yield _channel_test(spec.channel)
    if spec.build_number is not None:
        yield _build_number_test(spec.build_number)
    for key, read in _READERS.items():
        pattern = getattr(spec, key)
        if pattern is not None:
            yield _text_test(_string_match(pattern), read)
    for key in _SUMS:
        if getattr(spec, key) is not None:
            yield functools.partial(_has_sum, key, getattr(spec, key))
    if spec.url is not None and is_url(spec.url):
        yield lambda record: record.url == spec.url
    if spec.track_features:
        yield lambda record: set(spec.track_features) <= set(record.features_tracked)
    if spec.features:
        yield lambda record: set(spec.features) <= set(split_names(record.features))
    if spec.flags:
        yield lambda record: all(any(map(flag.matches, record.flags)) for flag in spec.flags)


_READERS: Final[dict[str, Callable[[PackageRecord], str | None]]] = {
    "subdir": lambda record: record.origin.subdir if record.origin else record.subdir,
    "file_name": lambda record: record.file_name,
    "license": lambda record: record.license,
    "license_family": lambda record: record.license_family,
}


def _text_test(
    pattern: StringMatch, read: Callable[[PackageRecord], str | None]
) -> Callable[[PackageRecord], bool]:
    return lambda record: pattern.matches(read(record) or "")


def _has_sum(key: str, wanted: str, record: PackageRecord) -> bool:
    found = getattr(record, key)
    return found is not None and found.lower() == wanted


def _build_number_test(number: StringMatch | VersionSpec) -> Callable[[PackageRecord], bool]:
    if isinstance(number, StringMatch):
        return lambda record: number.matches(str(record.build_number))
    return lambda record: number.matches(_number_version(record.build_number))


@functools.lru_cache(maxsize=4096)
def _number_version(number: int) -> Version:
    from envmgr.models.version import Version

    return Version.parse(str(number))


def _channel_test(written: str) -> Callable[[PackageRecord], bool]:
    """Compare a spec's channel with a record's (CEP 29, "Channel matching").

    A name stands for every channel whose URL ends in it, since with another alias or a mirror the records come
    from there; ``defaults`` stands for all of Anaconda's own.
    """
    if "*" in written or is_regex(written):
        pattern = StringMatch.parse(written)
        return lambda record: any(map(pattern.matches, _channel_names(record)))
    if is_url(written):
        url = Channel.parse(written).url
        return lambda record: record.origin is not None and record.origin.channel == url
    wanted = written.strip("/").lower()
    if wanted == "defaults":
        return lambda record: (
            record.origin is not None and record.origin.channel.startswith(ANACONDA_CHANNELS)
        )
    return lambda record: (
        record.origin is not None and f"/{record.origin.channel.lower()}".endswith(f"/{wanted}")
    )


def _channel_names(record: PackageRecord) -> Iterable[str]:
    if record.origin is None:
        return ()
    url = record.origin.channel
    return (url, url[len(DEFAULT_ALIAS) + 1 :]) if url.startswith(DEFAULT_ALIAS + "/") else (url,)


def _render(spec: MatchSpec) -> str:
    """The canonical text (CEP 29, appendix A)."""
    pairs: list[tuple[str, str | tuple[str, ...]]] = []
    before = ""
    if spec.channel is not None and ("*" in spec.channel or is_regex(spec.channel)):
        pairs.append(("channel", spec.channel))
    elif spec.channel is not None:
        before = spec.channel
    if spec.subdir is not None and before and "*" not in spec.subdir and spec.subdir in KNOWN_SUBDIRS:
        before += f"/{spec.subdir}"
    elif spec.subdir is not None:
        pairs.append(("subdir", spec.subdir))
    behind = _render_version_and_build(spec, pairs)
    pairs += _other_pairs(spec)
    texts = [
        f"{key}={_quoted(value) if isinstance(value, str) else _list_text(value)}" for key, value in pairs
    ]
    brackets = f"[{','.join(texts)}]" if texts else ""
    return f"{before}::{spec.name}{behind}{brackets}" if before else f"{spec.name}{behind}{brackets}"


def _render_version_and_build(spec: MatchSpec, pairs: list[tuple[str, str | tuple[str, ...]]]) -> str:
    version, build = spec.version, spec.build
    behind = ""
    if version is not None and version.is_exact:
        behind = str(version)
    elif version is not None and version.is_fuzzy:
        behind = f"={str(version)[:-2]}"
    elif version is not None:
        pairs.append(("version", str(version)))
    if build is not None and version is not None and version.is_exact and _is_positional(build):
        return f"{behind}={build}"
    if build is not None:
        pairs.append(("build", str(build)))
    return behind


def _is_positional(build: StringMatch) -> bool:
    return build.is_exact and re.fullmatch(r"[a-z0-9_.+]+", build.text) is not None


def _other_pairs(spec: MatchSpec) -> list[tuple[str, str | tuple[str, ...]]]:
    pairs: list[tuple[str, Any]] = [("build_number", spec.build_number)]
    pairs += [("track_features", " ".join(spec.track_features)), ("features", " ".join(spec.features))]
    pairs += [("url", spec.url), ("md5", spec.md5), ("sha256", spec.sha256), ("license", spec.license)]
    pairs += [("license_family", spec.license_family), ("fn", spec.file_name), ("extras", spec.extras)]
    pairs.append(("flags", tuple(map(str, spec.flags))))
    pairs.append(("when", condition_text(spec.when) if spec.when is not None else None))
    return [(key, value if isinstance(value, tuple) else str(value)) for key, value in pairs if value]


def _list_text(items: tuple[str, ...]) -> str:
    return f"[{','.join(items)}]"


def _quoted(value: str) -> str:
    if _PLAIN_VALUE.fullmatch(value):
        return value
    if "'" in value and '"' not in value:
        return '"' + re.sub(r'\\(?=[\\"\']|$)', r"\\\\", value) + '"'
    escaped = re.sub(r"\\(?=[\\'\"]|$)", r"\\\\", value).replace("'", "\\'")
    return f"'{escaped}'"
