"""Writes an environment down for others: as it was asked for, or as it is, in the formats that other tools read.

An export holds no path of this machine and no secret. What a format cannot carry, and what was left out, is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from msgspec import Struct, field

from envmgr.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from envmgr.envfile.environment_text import WrittenEnvironment
    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.models.spec_style import VersionStyle
    from envmgr.ops.context import Context
    from envmgr.ops.intent import Holdings

ExportFormat: TypeAlias = Literal["yaml", "json", "explicit", "requirements"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_CONDAS_NAMES = {"yml": "yaml", "environment-yaml": "yaml", "environment-json": "json"}


class ExportRequest(Struct, frozen=True):
    """Which environment, and how.

    ``from_history``: what was asked for, with ``versions`` in that style; otherwise what is installed, exactly.
    ``builds``: with builds, where packages are exact. ``channels`` come first, and alone with
    ``override_channels``; they may be folders. With ``ignore_channels`` no package says where it is from.
    """

    name: str | None = None
    prefix: str | None = None
    format: ExportFormat = "yaml"
    from_history: bool = False
    versions: VersionStyle = "asked"
    builds: bool = True
    channels: tuple[str, ...] = ()
    override_channels: bool = False
    ignore_channels: bool = False


class Exported(Struct, frozen=True):
    """The *text* of the export of *prefix*, and sentences that tell what it does not hold."""

    prefix: Path
    format: ExportFormat
    text: str
    left_out: tuple[str, ...] = ()


def format_named(name: str) -> ExportFormat:
    """The format that is called *name*, in conda's words too; raises UsageError."""
    for known in EXPORT_FORMATS:
        if known == _CONDAS_NAMES.get(name.lower(), name.lower()):
            return known
    raise UsageError(f"there is no format '{name}'.", hint=f"There are: {', '.join(EXPORT_FORMATS)}.")


def format_of_file(name: str) -> ExportFormat:
    """The format that a file called *name* is written in; raises UsageError where that cannot be told.

    >>> format_of_file("environment.yml"), format_of_file("explicit.txt"), format_of_file("requirements-dev.txt")
    ('yaml', 'explicit', 'requirements')
    """
    base, _, extension = name.replace("\\", "/").rpartition("/")[2].lower().rpartition(".")
    if extension in ("yml", "yaml"):
        return "yaml"
    if extension == "json":
        return "json"
    if extension == "txt" and base:
        return "requirements" if base.startswith("requirements") else "explicit"
    raise UsageError(
        f"the name of {name} does not tell a format.",
        hint=f"Name it *.yml, *.json or *.txt, or say --format: {', '.join(EXPORT_FORMATS)}.",
    )


def export(request: ExportRequest, context: Context) -> Exported:
    """Read the environment and write it down; nothing is changed.

    Raises UsageError for options that do not go together, PrefixError and DataError for what cannot be read.
    """
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.intent import read_holdings

    _check(request)
    prefix = locate_existing(request.name, request.prefix, context)
    writing = _Writing(request, read_holdings(prefix, context), context)
    text = writing.text()
    return Exported(prefix, request.format, text, tuple(dict.fromkeys(writing.left_out)))


def _check(request: ExportRequest) -> None:
    if request.versions != "asked" and not request.from_history:
        raise UsageError(
            "--versions goes with --from-history; without it all versions are exact.",
            hint="Add --from-history, or leave out --versions.",
        )
    if request.format == "explicit" and (request.from_history or not request.builds):
        raise UsageError(
            "an explicit file names archives, which have a version and a build.",
            hint="Leave out --from-history and --no-builds, or choose the format yaml.",
        )


class _Writing(Struct):
    """One export on its way, with what it had to leave out so far."""

    request: ExportRequest
    holdings: Holdings
    context: Context
    left_out: list[str] = field(default_factory=list)

    def text(self) -> str:
        match self.request.format:
            case "explicit":
                return self._explicit()
            case "requirements":
                return self._requirements()
            case "json":
                return self._environment().json_text()
        self._lose_all(self.holdings.pins, "pins, for which environment.yml has no place")
        return self._environment().yaml_text()

    def _environment(self) -> WrittenEnvironment:
        from envmgr.envfile.environment_text import WrittenEnvironment

        channels = self._channels()
        items = tuple(self._items())
        dependencies = self._asked(channels, items) if self.request.from_history else self._exact(channels)
        return WrittenEnvironment(
            self.holdings.name,
            tuple(map(_channel_text, channels)),
            tuple(dependencies),
            items,
            self._variables(),
            self.holdings.pins,
        )

    def _channels(self) -> tuple[str, ...]:
        """The URLs; folders of this machine only where the request names them."""
        from envmgr.models.credentials import without_credentials
        from envmgr.ops.channels import parse_channels
        from envmgr.ops.intent import searched_channels

        request = self.request
        given = [name for name in request.channels if name != "nodefaults"]
        urls = [channel.url for channel in parse_channels(given, self.context)]
        self._tell_logins({url: url != without_credentials(url) for url in given})
        if request.override_channels:
            return tuple(urls)
        for url in searched_channels(self.holdings, self.context):
            if url in urls:
                continue
            if url.startswith("file:"):
                self.left_out.append(
                    f"the channel {url} is a folder of this machine and is left out; -c {url} writes it."
                )
            else:
                urls.append(url)
        self._tell_logins({url: self._has_login(url) for url in urls})
        return tuple(urls)

    def _has_login(self, url: str) -> bool:
        """Whether a channel was written with a login, in a request or in the settings."""
        from envmgr.models.credentials import without_credentials
        from envmgr.ops.channels import credential_urls

        written = [
            each for each in credential_urls(self.context.settings) if without_credentials(each) != each
        ]
        shown = {*self.holdings.logins, *map(without_credentials, written)}
        return any(f"{each.rstrip('/')}/".startswith(f"{url}/") for each in shown)

    def _tell_logins(self, urls: dict[str, bool]) -> None:
        from envmgr.models.credentials import without_credentials_in_text

        for url in (url for url, has_login in urls.items() if has_login):
            self.left_out.append(
                f"the login for {without_credentials_in_text(url)} is left out; whoever uses the file needs one of"
                " their own."
            )

    def _exact(self, channels: Sequence[str]) -> Iterator[str]:
        """`name=version=build`, with the channel where it is not the one that is searched first."""
        for record in self.holdings.records:
            build = f"={record.build}" if self.request.builds else ""
            yield f"{self._origin(record, channels)}{record.name}={record.version}{build}"

    def _origin(self, record: PackageRecord, channels: Sequence[str]) -> str:
        url = record.origin.channel if record.origin else ""
        if self.request.ignore_channels or url not in channels[1:]:
            return ""
        return f"{_channel_text(url)}::"

    def _asked(self, channels: Sequence[str], items: Sequence[str]) -> Iterator[str]:
        from envmgr.models.match_spec import MatchSpec
        from envmgr.models.spec_style import plain_text, restyled
        from envmgr.ops.intent import asked_specs

        versions = {record.name: record.version for record in self.holdings.records}
        specs = list(asked_specs(self.holdings))
        if items and "pip" in versions and not any(spec.name == "pip" for spec in specs):
            specs.append(
                MatchSpec(name="pip")
            )  # Other tools need it for the items, and python may not bring it.
        styled = (
            restyled(self._travelling(spec, channels), versions[spec.name], self.request.versions)
            for spec in specs
        )
        yield from dict.fromkeys(map(plain_text, styled))

    def _travelling(self, spec: MatchSpec, channels: Sequence[str]) -> MatchSpec:
        """*spec* without what only this machine has, and without what the request does not want."""
        from msgspec.structs import replace

        from envmgr.models.credentials import is_url

        if spec.channel is not None and (
            self.request.ignore_channels or self._is_lost(spec.channel, channels)
        ):
            spec = replace(spec, channel=None, subdir=None)
        if spec.url is not None and (spec.url.startswith("file:") or not is_url(spec.url)):
            self.left_out.append(f"{spec.name} came from an archive of this machine, which is not named.")
            spec = replace(spec, url=None)
        return spec if self.request.builds else replace(spec, build=None, build_number=None)

    def _is_lost(self, channel: str, channels: Sequence[str]) -> bool:
        return channel.startswith(("file:", "^", "/", ".", "~")) and channel not in channels

    def _items(self) -> Iterator[str]:
        """The items of the pip section: options first, without which the others are not found."""
        from envmgr.ops.intent import noted_of_pypi

        items = list(self._asked_items() if self.request.from_history else self._exact_items())
        if items:
            yield from self._travelling_items(noted_of_pypi(self.holdings).options)
        yield from items

    def _exact_items(self) -> Iterator[str]:
        for each in self.holdings.pypi:
            if each.item is None:
                self._lose_item(f"{each.name} {each.version}")
            else:
                yield self._without_login(each.item)

    def _asked_items(self) -> Iterator[str]:
        from envmgr.ops.intent import asked_items, noted_of_pypi
        from envmgr.pypi.items import item_name, restyled_item

        versions = {each.name: each.version for each in self.holdings.pypi}
        for text in self._travelling_items(asked_items(self.holdings)):
            name = item_name(text)
            yield restyled_item(text, versions[name], self.request.versions) if name in versions else text
        self._lose_all(
            noted_of_pypi(self.holdings).constraints,
            "constraints of pip, which only a file of their own can hold",
        )

    def _travelling_items(self, texts: Iterable[str]) -> Iterator[str]:
        """Those of *texts* that mean something elsewhere, without logins."""
        from envmgr.pypi.items import item_name, names_place_here

        for text in texts:
            if names_place_here(text):
                self._lose_item(item_name(text) or text)
            else:
                yield self._without_login(text)

    def _lose_item(self, what: str) -> None:
        self.left_out.append(f"{what} is a file or folder of this machine to pip, and is left out.")

    def _without_login(self, text: str) -> str:
        from envmgr.pypi.items import without_login

        shown = without_login(text)
        if shown != text or any(url in shown for url in self.holdings.logins):
            self._tell_logins({shown: True})
        return shown

    def _variables(self) -> dict[str, str]:
        from envmgr.ops.variables import travelling_variables

        places = [str(place) for place in (self.holdings.prefix, self.context.home)]
        kept, left_out = travelling_variables(self.holdings.variables, places)
        self.left_out += left_out
        return kept

    def _explicit(self) -> str:
        from envmgr.envfile.explicit import explicit_lines
        from envmgr.solver.order import in_link_order

        given = self._given_folders()
        records = in_link_order({record.name: record for record in self.holdings.records})
        kept = [record for record in records if record.url and not self._is_here_only(record, given)]
        self._lose_all(
            [record.name for record in records if record not in set(kept)],
            "packages without a URL that others reach",
        )
        self._lose_rest("an explicit file")
        subdirs = (record.subdir for record in kept if record.subdir not in (None, "noarch"))
        return _lines(
            [f"# platform: {next(subdirs, self.context.settings.subdir)}", *explicit_lines(kept, "best")]
        )

    def _given_folders(self) -> set[str]:
        from envmgr.ops.channels import parse_channels

        given = [name for name in self.request.channels if name != "nodefaults"]
        return {channel.url for channel in parse_channels(given, self.context)}

    def _is_here_only(self, record: PackageRecord, given: set[str]) -> bool:
        is_given = record.origin is not None and record.origin.channel in given
        return record.url.startswith("file:") and not is_given

    def _requirements(self) -> str:
        items = list(self._items())
        self._lose_all(
            [record.name for record in self.holdings.records], "conda packages, which no index of PyPI has"
        )
        self._lose_all(sorted(self.holdings.variables), "variables, for which pip has no place")
        return _lines(items)

    def _lose_rest(self, what: str) -> None:
        """Say what a list of archives has no place for."""
        for names, kind in (
            ([each.name for each in self.holdings.pypi], "distributions of PyPI"),
            (sorted(self.holdings.variables), "variables"),
            (list(self.holdings.pins), "pins"),
        ):
            self._lose_all(names, f"{kind}, for which {what} has no place")

    def _lose_all(self, names: Sequence[str], what: str) -> None:
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            self.left_out.append(f"{what}, are left out: {', '.join(names[:5])}{more}.")


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _channel_text(url: str) -> str:
    """A channel as every tool finds it: by its name where that means the same everywhere, else by its URL."""
    from envmgr.models.channel import Channel

    return Channel.parse(url).name
