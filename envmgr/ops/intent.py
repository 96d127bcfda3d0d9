"""What an environment holds and what was asked for it, from what is recorded, for exports.

What was asked for is in the records of packages (CEP 32, ``requested_specs``), in the generations (channels, order,
what is held of PyPI), and in ``conda-meta/history`` where another tool changed the environment last. One that
nobody noted a request of is described by its leaves: the packages that no other needs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from envmgr.errors import DataError, PrefixError
from envmgr.prefix.generation import PypiIntent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.prefix.generation import Generations
    from envmgr.prefix.history import PastRequest
    from envmgr.prefix.installed import InstalledPackage


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


class PypiPackage(Struct, frozen=True):
    """A Python distribution of PyPI; ``item`` brings it again, and is None where only this machine has it.

    ``requested`` tells that it was asked for, by a request that is recorded or of pip itself. ``metadata`` is its
    ``.dist-info`` folder, relative to the prefix, ``direct`` the content of its ``direct_url.json`` (PyPA "Direct
    URL Data Structure"), ``record`` that of the wheel where envmgr linked it.
    """

    name: str
    version: str
    item: str | None
    requested: bool
    metadata: str
    direct: Mapping[str, Any] | None = None
    record: PackageRecord | None = None


class Holdings(Struct, frozen=True):
    """What the environment at *prefix* holds and notes of itself.

    ``conda`` are its conda packages and ``pypi`` its Python distributions, by name, those that pip brought as well
    as those that envmgr linked; ``is_noted`` tells that the newest generation holds just these. ``pins`` are the
    lines of conda-meta/pinned.
    """

    prefix: Path
    conda: tuple[InstalledPackage, ...]
    pypi: tuple[PypiPackage, ...]
    past: Generations
    history: tuple[PastRequest, ...]
    variables: Mapping[str, str]
    pins: tuple[str, ...]
    is_noted: bool

    @property
    def records(self) -> tuple[PackageRecord, ...]:
        """The conda packages, by name."""
        return tuple(package.record for package in self.conda)

    @property
    def name(self) -> str | None:
        """The name of an environment in a folder of named ones; None for one that has a place only."""
        from envmgr.prefix.store import PrefixStore

        shown = PrefixStore(self.prefix).display_name()
        return shown if shown != str(self.prefix) else None

    @property
    def subdir(self) -> str | None:
        """The platform of its packages, else of its generations; None where neither tells one."""
        subdirs = (record.subdir for record in self.records)
        last = self.past.last
        return next((each for each in subdirs if each not in (None, "noarch")), None) or (
            last.subdir if last is not None else None
        )

    @property
    def logins(self) -> frozenset[str]:
        """The URLs that were asked for with a login or a token, without it."""
        texts = (text for generation in self.past.known for text in generation.asking.logins)
        return frozenset(url for text in texts for url in _URL.findall(text))

    @property
    def channel_priority(self) -> str:
        """The last one of a solve that was not the usual strict one; empty where there is none."""
        told = (each.asking.channel_priority for each in reversed(self.past.known))
        return next(filter(None, told), "")


def read_holdings(prefix: Path, context: Context) -> Holdings:
    """All of it, as it was at one moment; raises PrefixError or DataError for what cannot be read."""
    from envmgr.ops.environments import read_steadily
    from envmgr.ops.history import left_out

    found = read_steadily(prefix, context, lambda: _read(prefix, context))
    for error in found.past.damaged.values():
        context.reporter.warned(left_out(error))
    return found


def _read(prefix: Path, context: Context) -> Holdings:
    from envmgr.models.spec_style import plain_text
    from envmgr.ops.pins import pins_of
    from envmgr.prefix.history import read_requests
    from envmgr.prefix.store import UNSET, PrefixStore

    store = PrefixStore(prefix)
    installed = tuple(sorted(store.records(), key=lambda package: package.record.name))
    try:
        history = (prefix / "conda-meta" / "history").read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise PrefixError(f"{prefix}/conda-meta/history cannot be read: {error.strerror}.") from error
    past = store.generations()
    return Holdings(
        prefix,
        tuple(package for package in installed if not package.record.is_pypi),
        _pypi(prefix, installed),
        past,
        read_requests(history),
        {name: value for name, value in store.state_variables().items() if value != UNSET},
        tuple(plain_text(pin.spec) for pin in pins_of(prefix, context)),
        past.last is not None and past.last.holds(package.record for package in installed),
    )


def pypi_package(record: PackageRecord, *, requested: bool = False, metadata: str = "") -> PypiPackage:
    """The distribution of *record*, which a wheel has; its folder is not known where it is not installed."""
    from envmgr.pypi.items import exact_item

    name, direct = record.shown_name, _direct(record)
    item = exact_item(name, record.version, direct)
    return PypiPackage(name, record.version, item, requested, metadata, direct, record)


def _pypi(prefix: Path, installed: Sequence[InstalledPackage]) -> tuple[PypiPackage, ...]:
    from envmgr.ops.list import foreign_distributions, python_folder
    from envmgr.pypi.installed import direct_url, is_requested
    from envmgr.pypi.items import exact_item

    found = [
        pypi_package(package.record, requested=bool(package.requested), metadata=package.metadata)
        for package in installed
        if package.record.is_pypi
    ]
    folder = python_folder(installed)
    for each in foreign_distributions(prefix, installed) if folder is not None else ():
        place = prefix / str(folder)
        direct = direct_url(place, each)
        item = exact_item(each.name, each.version, direct)
        metadata = f"{folder}/{each.metadata}"
        found.append(PypiPackage(each.name, each.version, item, is_requested(place, each), metadata, direct))
    return tuple(sorted(found, key=lambda each: each.name))


def _direct(record: PackageRecord) -> Mapping[str, Any] | None:
    found = record.extra.get("direct_url")
    return found if isinstance(found, dict) and isinstance(found.get("url"), str) else None


def asked_specs(holdings: Holdings) -> tuple[MatchSpec, ...]:
    """The specs that were asked for and whose packages are there, in the order of asking."""
    by_name: dict[str, tuple[MatchSpec, ...]] = {
        package.record.name: specs
        for package in holdings.conda
        if (specs := tuple(_readable(package.requested, package.record.name)))
    }
    if not holdings.is_noted:
        _follow_history(by_name, holdings)
    if not by_name:
        by_name = {name: tuple(_readable([name], name)) for name in leaves(holdings.records)}
    order = {name: place for place, name in reversed(list(enumerate(_names_asked(holdings))))}
    names = sorted(by_name, key=lambda name: (order.get(name, len(order)), name))
    return tuple(dict.fromkeys(spec for name in names for spec in by_name[name]))


def asked_items(holdings: Holdings) -> tuple[str, ...]:
    """The lines for pip that ask for what is there, or is for other machines by its marker, in order.

    After those that the newest generation notes come the distributions that pip itself marked as asked for; where
    neither is known, all of them.
    """
    from envmgr.pypi.items import bare_item, item_name

    here = {each.name: each for each in holdings.pypi}
    known = {record.name for record in holdings.records}
    items: list[str] = []  # A name may have several, for different markers.
    for asked in noted_of_pypi(holdings).requirements:
        text = bare_item(asked.spec)
        name = item_name(text)
        if text and (name is None or name in here or name in known or is_for_others(text, holdings)):
            items.append(text)
    named = {item_name(text) for text in items}
    unnamed = [text for text in items if item_name(text) is None]
    marked = [each for each in holdings.pypi if each.requested]
    for each in marked if marked or items else holdings.pypi:
        if each.name not in named and not _is_among(each, unnamed):
            direct = each.item is None or "@" in each.item
            items.append((each.item or f"{each.name} @ file:") if direct else each.name)
    return tuple(dict.fromkeys(items))


def is_for_others(text: str, holdings: Holdings) -> bool:
    """Whether the marker (PEP 508) of an item for pip does not hold for the Python and platform that are here."""
    from envmgr.pypi.items import marker_of_item
    from envmgr.pypi.target import PypiTarget

    marker = marker_of_item(text)
    python = next((each for each in holdings.records if each.name == "python"), None)
    if not marker or python is None or holdings.subdir is None:
        return False
    return not PypiTarget.of(python, (), holdings.subdir).marker_holds(marker)


def noted_of_pypi(holdings: Holdings) -> PypiIntent:
    """What the newest generation notes of PyPI: requirements, and constraints and options that hold for them."""
    return holdings.past.last.pypi if holdings.past.last is not None else PypiIntent()


def searched_channels(holdings: Holdings, context: Context) -> tuple[str, ...]:
    """The URLs of the channels that it was made from, best first, and of others that its packages are from."""
    from envmgr.ops.chosen import channels_of

    noted = next((each.channels for each in reversed(holdings.past.known) if each.channels), ())
    return tuple(
        dict.fromkeys([*noted, *(channel.url for channel in channels_of(holdings.records, context))])
    )


def leaves(records: Sequence[PackageRecord]) -> tuple[str, ...]:
    """The names of the packages that no other one needs, and one of each circle that nothing else leads into."""
    needs = {record.name: needed_names(record) & {each.name for each in records} for record in records}
    needed = {name for owner, names in needs.items() for name in names if name != owner}
    found = sorted(needs.keys() - needed)
    reached: set[str] = set()
    _reach(found, needs, reached)
    for name in sorted(needs):
        if name not in reached:
            found.append(name)
            _reach([name], needs, reached)
    return tuple(found)


def needed_names(record: PackageRecord) -> set[str]:
    """The names of what *record* needs, as far as its entries can be read."""
    return {spec.name for spec in _readable(record.depends)}


def _reach(names: Iterable[str], needs: Mapping[str, set[str]], reached: set[str]) -> None:
    waiting = [name for name in names if name not in reached]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += needs[name] - reached


def _follow_history(by_name: dict[str, tuple[MatchSpec, ...]], holdings: Holdings) -> None:
    """Follow what other tools noted since the last change of envmgr's own, which wrote the packages' records."""
    here = {record.name for record in holdings.records}
    own = [place for place, request in enumerate(holdings.history) if request.is_own]
    for request in holdings.history[own[-1] + 1 if own else 0 :]:
        for spec in _readable(request.went):
            by_name.pop(spec.name, None)
        for spec in _readable(request.came):
            if spec.name in here:
                by_name[spec.name] = (spec,)


def _readable(texts: Iterable[str], name: str | None = None) -> Iterable[MatchSpec]:
    """The specs among *texts*, of one package if *name* says so; four tools write them."""
    from envmgr.models.match_spec import parse_match_spec

    for text in texts:
        try:
            spec = parse_match_spec(text)
        except DataError:
            continue
        if spec.is_name_exact and name in (None, spec.name):
            yield spec


def _names_asked(holdings: Holdings) -> Iterable[str]:
    for generation in holdings.past.known:
        for spec in _readable(asked.spec for asked in generation.asking.specs):
            yield spec.name
    for request in holdings.history:
        for spec in _readable(request.came):
            yield spec.name


def _is_among(package: PypiPackage, unnamed: Iterable[str]) -> bool:
    """Whether an item without a name, such as a bare URL or a path, is what brought *package*."""
    url = str((package.direct or {}).get("url", ""))
    if url.startswith("file:"):
        path = unquote(urlsplit(url).path).rstrip("/")
        return any(text.rstrip("/").endswith(path) for text in unnamed)
    if package.item is None or " @ " not in package.item:
        return False
    place = package.item.partition(" @ ")[2].partition("#")[0]
    return any(text.partition("#")[0].startswith(place.rpartition("@")[0] or place) for text in unnamed)
