"""Exports for several platforms together: each is solved as a lock is, and what differs is said by platform.

What is installed counts for the environment's own platform. For others, what was asked for is solved for the
machine that a lock takes for them (`envmgr.lock.profile`); lines of the source file with selectors of theirs count,
too. What only the command line asked for and a platform's channels do not have at all is left out there, and told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.envfile.environment_yml import parse_environment
from envmgr.errors import DataError, SolveError, UsageError
from envmgr.models.match_spec import parse_match_spec
from envmgr.ops.export_environment import EnvironmentExport, pixi_export
from envmgr.ops.request import Asked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.envfile.environment_text import WrittenEnvironment
    from envmgr.envfile.lines_elsewhere import Lines
    from envmgr.models.channel import Channel
    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.ops.export_content import ExportContent
    from envmgr.ops.intent import Holdings, PypiPackage
    from envmgr.ops.joint import PypiPart
    from envmgr.ops.lock_inputs import Target
    from envmgr.prefix.generation import Generation, SourceFile

_FILE = "environment.yml"


def platforms_text(content: ExportContent) -> str:
    """The platforms of the request in one text of its format.

    Raises SolveError for a platform without a solution and UsageError for what the format cannot hold of one.
    """
    request = content.request
    asked = _Asked.of(content)
    contents = {each: asked.content_on(each, content) for each in dict.fromkeys(request.platforms)}
    match request.format:
        case "conda-lock":
            from envmgr.ops.export_lock import conda_lock_export

            return conda_lock_export(tuple(contents.values()))
        case "pixi-lock":
            from envmgr.ops.export_lock import pixi_lock_export

            return pixi_lock_export(tuple(contents.values()))
        case "pixi":
            return pixi_export(contents)
    together = _Together.of(asked, contents)
    joined = together.joined()
    if request.format == "json":
        return joined.json_text()
    if asked.text is not None and request.from_history:
        kept = together.kept_text(joined)
        if kept is not None:
            return kept
        content.left_out.append("the comments of the file are not kept, since its lines differ by platform.")
    return joined.yaml_text()


class _Asked(Struct):
    """What was asked for of the environment that *content* holds, and the file that it came from.

    ``text`` is that of the file as it says all that; None where there is none, or it cannot. ``channels`` are
    searched for other platforms. ``unknown`` tells what is not known of these.
    """

    content: ExportContent
    written: WrittenEnvironment
    source: SourceFile | None
    text: str | None
    channels: tuple[Channel, ...]
    unknown: str | None

    @classmethod
    def of(cls, content: ExportContent) -> _Asked:
        from envmgr.ops.export_source import from_source

        request = replace(
            content.request, from_history=True, versions="asked", builds=True, ignore_channels=False
        )
        export = EnvironmentExport(replace(content, request=request, left_out=[]))
        written = export.environment()
        found = from_source(written, content.holdings, content.context)
        is_file = content.request.from_history and content.request.format == "yaml"
        content.left_out += found.told if is_file else filter(None, [found.changed])
        last = content.holdings.past.last
        source = last.source if last is not None else None
        unknown = _unknown(content) if source is None else None
        if unknown is not None and set(content.request.platforms) - {content.subdir}:
            content.left_out.append(unknown)
        return cls(export.content, written, source, found.text, _channels(content), unknown)

    def content_on(self, subdir: str, content: ExportContent) -> ExportContent:
        """The environment, of which *content* is to be written, as it would be on *subdir*."""
        if subdir == content.subdir:
            return content
        lines = self._lines(subdir, content)
        specs = self._available(lines.specs, subdir, content)
        asked = Asked(
            specs=tuple(each.source.text for each in specs),
            channels=tuple(channel.url for channel in self.channels),
            override_channels=True,
            pypi=lines.items,
        )
        target = self._target(asked, specs, subdir, content)
        try:
            records, part = _solution(target, asked, content)
        except SolveError as error:
            hint = error.hint or (self.unknown and f"{self.unknown[0].upper()}{self.unknown[1:]}")
            raise SolveError(f"{subdir}: {error}", hint=hint, **error.facts) from None
        content.left_out += part.answer.warnings if part is not None else ()
        return replace(
            content,
            holdings=_as_holdings(content.holdings, _noted(asked, specs, subdir), records, part),
            virtual_packages=target.inputs.virtual_packages,
        )

    def _lines(self, subdir: str, content: ExportContent) -> Lines:
        """What is asked for there, without what only this machine has, which is told."""
        from envmgr.envfile.lines_elsewhere import lines_elsewhere, lines_now
        from envmgr.models.requirement import Source
        from envmgr.ops.export_source import meanings_of
        from envmgr.pypi.items import item_name, names_place_here

        if self.source is None:
            return lines_now(self.written)
        meanings = meanings_of(self.source.text, self.written, self.content.subdir, self.content.context)
        place = Source(self.source.name, None, self.source.text)
        found = lines_elsewhere(place, self.written, meanings, self.content.subdir, subdir)
        here = [each for each in found.items if names_place_here(each)]
        for item in here:
            content.lose_item(item_name(item) or item)
        return replace(found, items=tuple(each for each in found.items if each not in here))

    def _available(
        self, specs: tuple[Requirement, ...], subdir: str, content: ExportContent
    ) -> tuple[Requirement, ...]:
        """The *specs* without those that only a command line asked for and *subdir* does not have at all.

        They were asked for on another platform, and are told; what a file asks for there has to be there.
        """
        from contextlib import closing

        from envmgr.ops.channels import credential_urls
        from envmgr.ops.resolve import open_index

        doubtful = sorted({each.spec.name for each in specs if each.source.file is None})
        if not doubtful:
            return specs
        written = (*credential_urls(content.context.settings), *content.request.channels)
        context = content.context.with_credentials(written)
        with closing(open_index(self.channels, subdir, context)) as index:
            index.expect(doubtful)
            missing = [name for name in doubtful if not index.load(name)]
        found = tuple(each for each in specs if each.source.file or each.spec.name not in missing)
        if not found:
            return specs
        content.tell(f"no channel has these for {subdir}, where they are left out:", missing)
        return found

    def _target(
        self, asked: Asked, specs: Sequence[Requirement], subdir: str, content: ExportContent
    ) -> Target:
        """What is *asked*, with the places of *specs* and of pins, for the machine of a lock."""
        from envmgr.ops.lock_inputs import Asking, read_target
        from envmgr.ops.pins import pins_of
        from envmgr.ops.resolve import ResolveOptions

        target = read_target(Asking(asked, ResolveOptions()), subdir, self.content.context)
        lines = tuple(
            replace(line, source=each.source)
            for line, each in zip(target.wanted.requirements, specs, strict=True)
        )
        pins = () if content.request.no_pin else pins_of(content.holdings.prefix, content.context)
        return replace(target, wanted=replace(target.wanted, requirements=lines, pins=pins))


def _solution(
    target: Target, asked: Asked, content: ExportContent
) -> tuple[tuple[PackageRecord, ...], PypiPart | None]:
    """What fulfils *target*, as a lock has it solved."""
    from envmgr.ops.lock_request import LockRequest
    from envmgr.ops.lock_solve import solved
    from envmgr.ops.resolve import ResolveOptions

    context = target.context.with_credentials((*target.wanted.written_urls, *content.request.channels))
    options = ResolveOptions(for_lock=True, no_pin=content.request.no_pin)
    made = solved(target, (), (), LockRequest(asked, options=options), context)
    return made.records, made.part


def _unknown(content: ExportContent) -> str | None:
    """A sentence where files may ask for other things on other platforms: of several, and locks, none is kept."""
    files = next(
        (each.asking.files for each in reversed(content.holdings.past.known) if each.asking.files), ()
    )
    if not files:
        return None
    names = ", ".join(each.replace("\\", "/").rpartition("/")[2] for each in files)
    here = content.subdir
    return f"what {names} asks for on other platforms is not noted: what was asked for on {here} counts for them."


def _channels(content: ExportContent) -> tuple[Channel, ...]:
    """What is searched: the channels of the request, and those of the environment, folders too."""
    from envmgr.ops.channels import parse_channels
    from envmgr.ops.intent import searched_channels

    given = [name for name in content.request.channels if name != "nodefaults"]
    urls = [channel.url for channel in parse_channels(given, content.context)]
    if not content.request.override_channels:
        urls += searched_channels(content.holdings, content.context)
    return parse_channels(tuple(dict.fromkeys(urls)), content.context)


class _Together(Struct):
    """What is written of each platform, on its way into one environment file."""

    asked: _Asked
    environments: dict[str, WrittenEnvironment]

    @classmethod
    def of(cls, asked: _Asked, contents: Mapping[str, ExportContent]) -> _Together:
        environments = {subdir: EnvironmentExport(each).environment() for subdir, each in contents.items()}
        return cls(asked, _with_items_of_others(environments, contents))

    @property
    def subdirs(self) -> tuple[str, ...]:
        return tuple(self.environments)

    def joined(self) -> WrittenEnvironment:
        """All of it as one, with selectors and markers; UsageError for an item that can have none."""
        from envmgr.envfile.platform_choices import selectors

        dependencies = self._dependencies()
        return replace(
            self.asked.written,
            dependencies=tuple(dependencies),
            implied=(),
            pypi=self._items(),
            platforms=self.subdirs,
            selectors=selectors(dependencies, self.subdirs),
        )

    def _dependencies(self) -> dict[str, tuple[str, ...]]:
        """The specs of all platforms, each with those that it is for."""
        from envmgr.envfile.platform_choices import by_text

        lists = {subdir: (*each.dependencies, *each.implied) for subdir, each in self.environments.items()}
        return by_text(lists, lambda text: parse_match_spec(text).name)

    def _items(self) -> tuple[str, ...]:
        """The items for pip of all platforms; those of some get a marker, and options count for all."""
        from envmgr.envfile.platform_choices import by_text, marker
        from envmgr.pypi.items import item_name, with_marker
        from envmgr.pypi.target import PypiTarget

        def machine(subdir: str) -> str:
            return PypiTarget(python="3.12.0", subdir=subdir).markers["platform_machine"]

        lists = {subdir: each.pypi for subdir, each in self.environments.items()}
        options, items = [], []
        for text, subdirs in by_text(lists, lambda text: item_name(text) or text).items():
            if text.startswith("-"):
                options.append(text)
                continue
            is_everywhere = len(subdirs) == len(lists)
            marked = text if is_everywhere else with_marker(text, marker(subdirs, self.subdirs, machine))
            if marked is None:
                raise UsageError(
                    f"{text} counts on some platforms only, and has no name that a marker could stand behind.",
                    hint=f"Ask for it as NAME @ {text}, or export one platform.",
                )
            items.append(marked)
        return (*options, *items)

    def kept_text(self, joined: WrittenEnvironment) -> str | None:
        """The source, changed line by line until it says what is *joined* on every platform; or None."""
        from envmgr.envfile.source_text import kept_text, narrowed_text
        from envmgr.envfile.text_edit import NotEditableError
        from envmgr.ops.export_source import meanings_of

        some = {
            parse_match_spec(text): subdirs
            for text, subdirs in self._dependencies().items()
            if len(subdirs) < len(self.subdirs)
        }
        context = self.asked.content.context
        try:
            text = narrowed_text(self.asked.text or "", some, self.subdirs)
            for subdir, each in self.environments.items():
                wanted = replace(each, implied=(), platforms=self.subdirs)
                text = kept_text(text, wanted, meanings_of(text, wanted, subdir, context), subdir)
        except (NotEditableError, DataError):
            return None
        return text if self._says(text, joined) else None

    def _says(self, text: str, joined: WrittenEnvironment) -> bool:
        """Whether *text* asks for just what is *joined*, on every platform."""
        from envmgr.ops.export_source import item_key

        plain = joined.yaml_text()
        for subdir, each in self.environments.items():
            files = [parse_environment(one, file=_FILE, subdir=subdir) for one in (text, plain)]
            items = [{item_key(item.text) for item in file.subsections.get("pip", ())} for file in files]
            specs = [{line.spec for line in file.requirements} for file in files]
            others = {spec for spec in specs[0] if spec.name.startswith("__") or not spec.is_name_exact} | {
                parse_match_spec(spec) for spec in each.implied
            }
            if items[0] != items[1] or (specs[0] ^ specs[1]) - others:
                return False
        return True


def _with_items_of_others(
    environments: Mapping[str, WrittenEnvironment], contents: Mapping[str, ExportContent]
) -> dict[str, WrittenEnvironment]:
    """*environments*, where items whose markers hold on other platforms alone are as they are there."""
    from envmgr.ops.intent import is_for_others
    from envmgr.pypi.items import item_name, marker_of_item

    def key(text: str) -> tuple[str | None, str]:
        return item_name(text), marker_of_item(text)

    there = {
        key(text): text
        for subdir, each in environments.items()
        for text in each.pypi
        if not is_for_others(text, contents[subdir].holdings)
    }

    def written(text: str, holdings: Holdings) -> str:
        return there.get(key(text), text) if is_for_others(text, holdings) else text

    return {
        subdir: replace(each, pypi=tuple(written(text, contents[subdir].holdings) for text in each.pypi))
        for subdir, each in environments.items()
    }


def _noted(asked: Asked, specs: Sequence[Requirement], subdir: str) -> Generation:
    """What is *asked* for, by *specs* and for pip, as it is noted of an environment that was made so."""
    from envmgr.prefix.generation import AskedFor, Asking, Generation, PypiIntent

    options = tuple(text for text in asked.pypi if text.startswith("-") and not text.startswith("-e"))
    return Generation(
        number=1,
        moment=0,
        subdir=subdir,
        asking=Asking(tuple(AskedFor(str(each.spec)) for each in specs)),
        pypi=PypiIntent(tuple(AskedFor(text) for text in asked.pypi if text not in options), (), options),
        channels=asked.channels,
    )


def _as_holdings(
    own: Holdings, noted: Generation, records: Sequence[PackageRecord], part: PypiPart | None
) -> Holdings:
    """What a solution holds, as if it were installed and *noted*."""
    from envmgr.prefix.generation import Generations
    from envmgr.prefix.installed import InstalledPackage, Listing

    asked: dict[str, tuple[str, ...]] = {}
    for each in noted.asking.specs:
        name = parse_match_spec(each.spec).name
        asked[name] = (*asked.get(name, ()), each.spec)
    conda = [InstalledPackage(record, Listing(), asked.get(record.name, ())) for record in records]
    return replace(
        own,
        conda=tuple(sorted(conda, key=lambda each: each.record.name)),
        pypi=tuple(sorted(_pypi(part), key=lambda each: each.name)),
        past=Generations((noted,)),
        history=(),
        is_noted=True,
    )


def _pypi(part: PypiPart | None) -> list[PypiPackage]:
    """The distributions of a solution; one that would be built is known by the file that it would be built of."""
    from envmgr.models.record import Origin, PackageRecord
    from envmgr.ops.intent import pypi_package

    if part is None:
        return []
    found = [pypi_package(record) for record in part.wheels]
    for source in part.sources:
        extra = {"direct_url": source.direct_url, "built_from": source.published}
        record = PackageRecord(
            name=source.name,
            version=source.version or "",
            origin=Origin(source.index or "", "noarch", ""),
            extra={key: each for key, each in extra.items() if each is not None},
        )
        found.append(pypi_package(record))
    return found
