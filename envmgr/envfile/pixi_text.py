"""What an environment file is to say, out as pixi.toml. Pure.

The counterpart of `envmgr.envfile.pixi_manifest`: what is written here, that reads. What the manifest has no place
for is told in sentences.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from envmgr.envfile.platform_choices import target_names
from envmgr.errors import DataError
from envmgr.models.python_range import range_text
from envmgr.models.toml_text import toml_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

    from envmgr.envfile.environment_text import WrittenEnvironment
    from envmgr.models.match_spec import MatchSpec

_REPOSITORY: Final = re.compile(
    r"git\+(?P<git>[^#@]+(?:@[^#@/]+/[^#@]+)?)(?:@(?P<rev>[^#@/][^#@]*))?(?:#(?P<rest>.*))?"
)
_OPTION: Final = re.compile(r"(-i|--index-url|--extra-index-url|-f|--find-links)[ =]+(\S+)")
_NO_PLACE: Final = ("license_family", "namespace", "track_features", "features", "flags", "when")


def pixi_manifest(environments: Mapping[str, WrittenEnvironment]) -> tuple[str, list[str]]:
    """The text of a pixi.toml for what is asked for on each platform, and sentences on what it does not hold.

    Dependencies that are not the same on all platforms stand in tables for their targets. Name, channels and
    variables are those of the first one.

    >>> from envmgr.envfile.environment_text import WrittenEnvironment
    >>> made = WrittenEnvironment("x", ("conda-forge",), ("python=3.12",))
    >>> print(pixi_manifest({"linux-64": made})[0], end="")
    [workspace]
    name = "x"
    channels = ["conda-forge"]
    platforms = ["linux-64"]
    <BLANKLINE>
    [dependencies]
    python = "3.12.*"
    """
    left_out: list[str] = []
    first = next(iter(environments.values()))
    workspace = {"name": first.name, "channels": list(first.channels), "platforms": list(environments)}
    parted = {subdir: _parted(each.pypi) for subdir, each in environments.items()}
    options = dict.fromkeys(option for options, _ in parted.values() for option in options)
    conda = {subdir: _conda(each.dependencies, left_out) for subdir, each in environments.items()}
    pypi = {subdir: _pypi(items, left_out) for subdir, (_, items) in parted.items()}
    tables = [
        ("[workspace]", workspace),
        *_by_target("dependencies", conda),
        ("[pypi-options]", _options(list(options), left_out)),
        *_by_target("pypi-dependencies", pypi),
        ("[activation.env]", dict(first.variables)),
    ]
    text = "\n".join(toml_table(header, values) for header, values in tables if values)
    return text, list(dict.fromkeys(left_out))


def _by_target(
    title: str, tables: Mapping[str, Mapping[str, object]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries that all platforms have alike below *title*, others below the targets that have them."""
    found: dict[str, dict[str, list[str]]] = {}
    values: dict[tuple[str, str], object] = {}
    targets: dict[str, dict[str, object]] = {"": {}}
    for subdir, table in tables.items():
        for name, value in table.items():
            values[name, repr(value)] = value
            found.setdefault(name, {}).setdefault(repr(value), []).append(subdir)
    for name, groups in found.items():
        for key, subdirs in groups.items():
            is_everywhere = len(subdirs) == len(tables)
            for target in ("",) if is_everywhere else target_names(subdirs, list(tables)):
                targets.setdefault(target, {})[name] = values[name, key]
    for target, entries in targets.items():
        yield (f"[target.{target}.{title}]" if target else f"[{title}]"), entries


def _parted(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    options = [line for line in lines if line.startswith("-") and not line.startswith(("-e ", "--editable"))]
    return options, [line for line in lines if line not in options]


def _conda(texts: Sequence[str], left_out: list[str]) -> dict[str, Any]:
    from envmgr.models.match_spec import parse_match_spec

    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        spec = parse_match_spec(text)
        lost = [name for name in _NO_PLACE if getattr(spec, name)]
        if lost:
            left_out.append(f"{', '.join(lost)} of {text}, for which pixi.toml has no place, are left out.")
        try:
            _join(found.setdefault(spec.name, {}), _fields(spec))
        except DataError:
            left_out.append(f"{text} is left out: pixi.toml names a package once, and {spec.name} is there.")
    return {name: _short(table) for name, table in found.items()}


def _fields(spec: MatchSpec) -> dict[str, Any]:
    texts = {
        "version": spec.version,
        "build": spec.build,
        "build-number": spec.build_number,
        "channel": spec.channel,
        "subdir": spec.subdir,
        "file-name": spec.file_name,
        "url": spec.url,
        "md5": spec.md5,
        "sha256": spec.sha256,
        "license": spec.license,
    }
    fields: dict[str, Any] = {key: str(each) for key, each in texts.items() if each is not None}
    return {**fields, "extras": list(spec.extras)} if spec.extras else fields


def _join(table: dict[str, Any], fields: dict[str, Any]) -> None:
    """Add *fields*; raises DataError where *table* says something else that no text can say together with it."""
    both = table.keys() & fields.keys()
    other = {key for key in both if table[key] != fields[key]}
    if other - {"version"} or any("|" in each["version"] for each in (table, fields) if other):
        raise DataError("two specs of one package do not go together in one table.")
    version = {"version": f"{table['version']},{fields['version']}"} if other else {}
    table |= {**fields, **version}


def _short(table: dict[str, Any]) -> object:
    if not table:
        return "*"
    return table["version"] if table.keys() == {"version"} else table


def _options(lines: Sequence[str], left_out: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in lines:
        option = _OPTION.fullmatch(line)
        if option is None:
            left_out.append(f"pip's option {line}, for which pixi.toml has no place, is left out.")
        elif option[1] in ("-i", "--index-url"):
            found["index-url"] = option[2]
        elif option[1] == "--extra-index-url":
            found.setdefault("extra-index-urls", []).append(option[2])
        else:
            found.setdefault("find-links", []).append({"url": option[2]})
    return found


def _pypi(lines: Sequence[str], left_out: list[str]) -> dict[str, object]:
    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, object] = {}
    hashed = [line.partition(" --hash=")[0] for line in lines if " --hash=" in line]
    if hashed:
        left_out.append(f"the hashes of {', '.join(hashed)}, for which pixi.toml has no place, are left out.")
    for line in lines:
        try:
            wanted = Requirement(line.partition(" --hash=")[0])
        except InvalidRequirement:
            left_out.append(f"{line}, which pixi.toml has no form for, is left out.")
            continue
        table = dict(_table(wanted))
        if wanted.name in found:
            left_out.append(
                f"{line} is left out: pixi.toml names a package once, and {wanted.name} is there."
            )
        elif not table:
            left_out.append(f"{line}, which pixi.toml has no form for, is left out.")
        else:
            found[wanted.name] = _short(table)
    return found


def _table(wanted: Requirement) -> Iterator[tuple[str, object]]:
    """The keys of a dependency; none for a repository that is not git's."""
    if wanted.url is None:
        yield "version", range_text(str(wanted.specifier)) or "*"
    elif wanted.url.startswith("git+"):
        found = _REPOSITORY.fullmatch(wanted.url)
        if found is None:
            return
        yield "git", found["git"]
        if found["rev"]:
            yield "rev", found["rev"]
        inside = dict(part.partition("=")[::2] for part in (found["rest"] or "").split("&"))
        if "subdirectory" in inside:
            yield "subdirectory", inside["subdirectory"]
    elif re.match(r"https?:", wanted.url):
        yield "url", wanted.url
    else:
        return
    if wanted.extras:
        yield "extras", sorted(wanted.extras)
    if wanted.marker is not None:
        yield "env-markers", str(wanted.marker)
