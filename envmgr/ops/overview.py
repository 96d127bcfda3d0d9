"""What envmgr knows of itself and this machine, for people and for scripts that know `conda info --json`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.config.settings import Settings
    from envmgr.config.store import LoadedSettings
    from envmgr.ops.context import Context


class Folder(Struct, frozen=True):
    """A folder of ours. ``size`` is the bytes in it, None where nobody asked; ``free`` those left on its disk."""

    kind: str
    path: Path
    exists: bool
    writable: bool
    free: int | None
    size: int | None


class Overview(Struct, frozen=True):
    """Everything that is to tell; values hold no credentials."""

    facts: dict[str, Any]
    """By conda's names where conda has the same."""
    folders: tuple[Folder, ...]


def overview(context: Context, loaded: LoadedSettings, *, with_sizes: bool = False) -> Overview:
    """The facts of this process. *with_sizes* walks through all folders, which takes a while for large caches.

    Raises DataError for a channel or an override of a virtual package that cannot be read.
    """
    from envmgr import __version__
    from envmgr.config.store import own_file
    from envmgr.host.probe import virtual_packages
    from envmgr.net.http import USER_AGENT
    from envmgr.ops.channels import parse_channels
    from envmgr.ops.environments import list_environments

    settings = context.settings
    facts: dict[str, Any] = {
        "envmgr_version": __version__,
        "python_version": ".".join(str(part) for part in sys.version_info[:3]),
        "sys.executable": sys.executable,
        "platform": settings.subdir,
        "virtual_pkgs": [
            [record.name, record.version, record.build]
            for record in virtual_packages(settings.subdir, context.environ).all()
        ],
        **_active(context),
        "root_prefix": str(settings.root),
        "root_writable": _is_writable(settings.root),
        "config_files": [str(path) for path in loaded.files],
        "rc_path": str(own_file(context.environ, context.home)),
        "envs_dirs": [str(path) for path in settings.envs_dirs],
        "pkgs_dirs": [str(path) for path in settings.pkgs_dirs],
        "index_dir": str(settings.index_dir),
        "local_channel_dir": str(settings.local_channel_dir),
        "channels": [channel.url for channel in parse_channels(settings.channels, context)],
        "channel_priority": settings.channel_priority,
        "offline": settings.offline,
        "ssl_verify": settings.ssl_verify,
        "proxies": proxies(settings),
        "user_agent": USER_AGENT,
        "envs": [str(known.prefix) for known in list_environments(context)],
    }
    return Overview(facts, _folders(settings, with_sizes=with_sizes))


def proxies(settings: Settings) -> dict[str, str]:
    """The proxies that are configured, by scheme or host, without credentials; `no` lists the hosts without any.

    Settings are stronger than variables. Which of them a URL goes through is `envmgr.net.proxies`'s business.
    """
    import urllib.request

    found: Mapping[str, str] = {**urllib.request.getproxies(), **settings.proxy_servers}
    return {key: text if key == "no" else _public(text) for key, text in sorted(found.items())}


def _public(proxy: str) -> str:
    """A proxy's address without credentials; variables may leave the scheme out."""
    from envmgr.models.credentials import is_url, without_credentials_in_word

    shown = without_credentials_in_word(proxy if is_url(proxy) else f"http://{proxy}")
    return shown if is_url(proxy) else shown.removeprefix("http://")


def _active(context: Context) -> dict[str, Any]:
    from envmgr.prefix.store import PrefixStore

    active = context.environ.get("CONDA_PREFIX") or None
    level = context.environ.get("CONDA_SHLVL", "")
    name = PrefixStore(Path(active)).display_name(context.settings.envs_dirs) if active else None
    return {
        "active_prefix": active,
        "active_prefix_name": name,
        "conda_shlvl": int(level) if level.isascii() and level.isdigit() else 0,
    }


def _folders(settings: Settings, *, with_sizes: bool) -> tuple[Folder, ...]:
    places = [("environments", path) for path in settings.envs_dirs]
    places += [("package cache", path) for path in settings.pkgs_dirs]
    places += [("index", settings.index_dir), ("local channel", settings.local_channel_dir)]
    return tuple(_folder(kind, path, with_sizes=with_sizes) for kind, path in places)


def _folder(kind: str, path: Path, *, with_sizes: bool) -> Folder:
    from envmgr.packages.unused import measure

    exists = os.path.isdir(path)
    size = (measure(path).total if exists else 0) if with_sizes else None
    return Folder(kind, path, exists, _is_writable(path), _free(path), size)


def _is_writable(path: Path) -> bool:
    """Whether new files can go below *path*, which is made when it is first needed."""
    place = _nearest(path)
    return os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)


def _free(path: Path) -> int | None:
    import shutil

    try:
        return shutil.disk_usage(_nearest(path)).free
    except OSError:
        return None


def _nearest(path: Path) -> Path:
    """*path*, or the folder above it that exists."""
    return next((place for place in (path, *path.parents) if os.path.lexists(place)), path)
