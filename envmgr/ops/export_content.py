"""What of an environment means something elsewhere: channels, items for pip, variables, without places and secrets.

Every format is written from it. What does not travel is told, and so is what a format has no place for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envmgr.ops.context import Context
    from envmgr.ops.export_request import ExportRequest
    from envmgr.ops.intent import Holdings


class ExportContent(Struct):
    """The *holdings* of an environment on their way out; ``left_out`` are sentences on what stays behind."""

    request: ExportRequest
    holdings: Holdings
    context: Context
    left_out: list[str] = field(default_factory=list)

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

    def items(self) -> Iterator[str]:
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
        self.lose_all(
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

    def variables(self) -> dict[str, str]:
        """Those that name no place of this machine and hold no secret."""
        from envmgr.ops.variables import travelling_variables

        places = [str(place) for place in (self.holdings.prefix, self.context.home)]
        kept, left_out = travelling_variables(self.holdings.variables, places)
        self.left_out += left_out
        return kept

    def lose_rest(self, what: str) -> None:
        """Say what a list of archives has no place for."""
        for names, kind in (
            ([each.name for each in self.holdings.pypi], "distributions of PyPI"),
            (sorted(self.holdings.variables), "variables"),
            (list(self.holdings.pins), "pins"),
        ):
            self.lose_all(names, f"{kind}, for which {what} has no place")

    def lose_all(self, names: Sequence[str], what: str) -> None:
        """Say that *names*, which are *what*, are left out; nothing where there are none."""
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            self.left_out.append(f"{what}, are left out: {', '.join(names[:5])}{more}.")


def channel_text(url: str) -> str:
    """A channel as every tool finds it: by its name where that means the same everywhere, else by its URL."""
    from envmgr.models.channel import Channel

    return Channel.parse(url).name
