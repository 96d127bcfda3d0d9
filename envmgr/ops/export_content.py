"""What of an environment means something elsewhere: channels, items for pip, variables, without places and secrets.

Every format is written from it. What does not travel is told, and so is what a format has no place for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.export_request import ExportRequest
    from envmgr.ops.intent import Holdings


class ExportContent(Struct):
    """The *holdings* of an environment on their way out; ``left_out`` are sentences on what stays behind.

    ``virtual_packages`` are those of the machine that they were solved for, where they are not installed.
    """

    request: ExportRequest
    holdings: Holdings
    context: Context
    left_out: list[str] = field(default_factory=list)
    virtual_packages: Mapping[str, str] = field(default_factory=dict)

    def channels(self) -> tuple[str, ...]:
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
        self.tell_channel_logins(urls)
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

    def items(self) -> Iterator[str]:
        """The items of the pip section: options first, without which the others are not found."""
        asked = self.request.from_history
        items = (
            self._with_all_hashes_or_none(list(self.asked_items())) if asked else list(self._exact_items())
        )
        if items:
            yield from self.options()
        yield from items

    def _with_all_hashes_or_none(self, items: list[str]) -> list[str]:
        """As requests of different times may have one or not: of one file, pip takes nothing without one."""
        hashed = [text for text in items if " --hash=" in text]
        bare = [text for text in items if text not in hashed and "#sha256=" not in text]
        if hashed and bare:
            names = [text.partition(" --hash=")[0] for text in hashed]
            self.tell(f"hashes are left out, since {bare[0]} has none, of", names)
            return [text.partition(" --hash=")[0] for text in items]
        return items

    def options(self) -> Iterator[str]:
        """pip's options of indexes, as lines."""
        from envmgr.ops.intent import noted_of_pypi

        yield from self._travelling_items(noted_of_pypi(self.holdings).options)

    def _exact_items(self) -> Iterator[str]:
        from envmgr.ops.published_file import kept_hashes

        hashes, unknown = kept_hashes(self.holdings)
        if unknown is not None:
            self.tell(
                "the hashes that were asked for are left out, as no file that others reach is noted of",
                [unknown],
            )
        for each in self.holdings.pypi:
            if each.item is None:
                self.lose_item(f"{each.name} {each.version}")
            else:
                yield self.without_login(each.item) + hashes.get(each.name, "")

    def asked_items(self) -> Iterator[str]:
        """The items that were asked for, in order."""
        from envmgr.ops.intent import asked_items, is_for_others, noted_of_pypi
        from envmgr.pypi.items import item_name, restyled_item

        versions = {each.name: each.version for each in self.holdings.pypi}
        for text in self._travelling_items(asked_items(self.holdings)):
            version = versions.get(item_name(text) or "")
            is_here = version is not None and not is_for_others(text, self.holdings)
            yield restyled_item(text, version, self.request.versions) if version and is_here else text
        self.lose_all(
            noted_of_pypi(self.holdings).constraints,
            "constraints of pip, which only a file of their own can hold",
        )

    def _travelling_items(self, texts: Iterable[str]) -> Iterator[str]:
        """Those of *texts* that mean something elsewhere, without logins."""
        from envmgr.pypi.items import item_name, names_place_here

        for text in texts:
            if names_place_here(text):
                self.lose_item(item_name(text) or text)
            else:
                yield self.without_login(text)

    def lose_item(self, what: str) -> None:
        """Say that *what* leads to this machine."""
        self.left_out.append(f"{what} is a file or folder of this machine to pip, and is left out.")

    def without_login(self, text: str) -> str:
        """*text* without the logins in its URLs, which is told."""
        from envmgr.models.credentials import without_secret_query
        from envmgr.pypi.items import without_login

        shown = without_secret_query(without_login(text))
        if shown != text or any(url in shown for url in self.holdings.logins):
            self._tell_logins({shown: True})
        return shown

    def variables(self) -> dict[str, str]:
        """Those that name no place of this machine and hold no secret."""
        from envmgr.ops.variables import travelling_variables

        places = [str(place) for place in (self.holdings.prefix, self.context.home)]
        kept, left_out = travelling_variables(self.holdings.variables, places)
        self.left_out += left_out
        return kept

    def reachable_records(self) -> tuple[PackageRecord, ...]:
        """The conda packages whose archives others reach, too, by name; folders where the request names them."""
        from envmgr.ops.channels import parse_channels

        given = [name for name in self.request.channels if name != "nodefaults"]
        folders = {channel.url for channel in parse_channels(given, self.context)}
        kept: list[PackageRecord] = []
        unknown: list[str] = []
        here: dict[str, list[str]] = {}
        for each in self.holdings.records:
            if not each.url:
                unknown.append(each.name)
            elif each.url.startswith("file:") and each.channel not in folders:
                here.setdefault(each.channel, []).append(each.name)
            else:
                kept.append(each)
        self.lose_all(unknown, "packages without a URL in their records")
        for url, names in here.items():
            self.lose_all(
                names, f"packages of {url}, which is a folder of this machine (-c {url} writes them)"
            )
        self.tell_channel_logins(each.channel for each in kept)
        return tuple(kept)

    def tell_channel_logins(self, urls: Iterable[str]) -> None:
        """Say of which of the channels *urls* the login is left out."""
        self._tell_logins({url: self._has_login(url) for url in dict.fromkeys(urls)})

    @property
    def subdir(self) -> str:
        """The platform of the environment: that of its packages, else of its generations, else this machine's."""
        return self.holdings.subdir or self.context.settings.subdir

    def lose_pypi(self, what: str) -> None:
        """Say that *what* has no place for distributions of PyPI."""
        names = [each.name for each in self.holdings.pypi]
        self.lose_all(names, f"distributions of PyPI, for which {what} has no place")

    def lose_variables(self, what: str) -> None:
        """Say that *what* has no place for variables."""
        self.lose_all(sorted(self.holdings.variables), f"variables, for which {what} has no place")

    def lose_pins(self, what: str) -> None:
        """Say that *what* has no place for pins."""
        self.lose_all(self.holdings.pins, f"pins, for which {what} has no place")

    def lose_priority(self) -> None:
        """Say that what was asked for may need another channel priority than the usual one."""
        if chosen := self.holdings.channel_priority:
            self.left_out.append(
                f"the channel priority {chosen}, which no environment file holds, is left out; whoever uses it"
                f" may need --channel-priority {chosen}."
            )

    def lose_conda(self, why: str) -> None:
        """Say that conda packages are left out, and *why*."""
        self.lose_all([record.name for record in self.holdings.records], f"conda packages, {why}")

    def lose_all(self, names: Sequence[str], what: str) -> None:
        """Say that *names*, which are *what*, are left out; nothing where there are none."""
        comma = "," if re.search(", (which|for which|of which) ", what) else ""
        self.tell(f"{what}{comma} are left out:", names)

    def tell(self, what: str, names: Sequence[str]) -> None:
        """Say *what* of *names*; nothing where there are none."""
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            self.left_out.append(f"{what} {', '.join(names[:5])}{more}.")


def channel_text(url: str) -> str:
    """A channel as every tool finds it: by its name where that means the same everywhere, else by its URL."""
    from envmgr.models.channel import Channel

    return Channel.parse(url).name
