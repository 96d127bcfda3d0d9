"""Every choice that can be configured, as one frozen value that is passed to whoever needs it.

The value knows nothing of files and variables: `envmgr.config.store` finds them, `envmgr.config.keys` says
how each setting is written. Defaults that depend on the machine (the root, the platform) are arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ChannelPriority = Literal["strict", "flexible", "disabled"]
LinkScripts = Literal["run", "refuse"]
LinkMode = Literal["auto", "reflink", "hardlink", "symlink", "copy"]
Durability = Literal["kill", "power"]


class S3Options(Struct, frozen=True):
    """Where a bucket is and how it is asked; None leaves the choice to AWS's own configuration.

    ``force_path_style`` asks for ``ENDPOINT/BUCKET/KEY`` and not ``BUCKET.ENDPOINT/KEY``; with ``unsigned`` no
    keys are used, whatever is configured.
    """

    endpoint_url: str | None = None
    region: str | None = None
    force_path_style: bool | None = None
    unsigned: bool = False


class Settings(Struct, frozen=True, kw_only=True):
    """What commands may assume; see docs/configuration.md for the meaning of each."""

    root: Path
    """The folder of everything that envmgr keeps."""
    envs_dirs: tuple[Path, ...]
    """Where named environments live; new ones go into the first."""
    pkgs_dirs: tuple[Path, ...]
    """Package caches, looked through in order; downloads go into the first that can be written."""
    index_dir: Path
    """What is known of the channels' contents."""
    local_channel_dir: Path
    """The channel called `local`, into which `build` puts packages."""

    channels: tuple[str, ...] = ("conda-forge",)
    """Channels of requests that name none, best first."""
    default_channels: tuple[str, ...] = (
        "https://repo.anaconda.com/pkgs/main",
        "https://repo.anaconda.com/pkgs/r",
    )
    """What the channel name `defaults` stands for where a user writes it; nothing else uses them."""
    channel_alias: str = "https://conda.anaconda.org"
    """The URL that channel names are appended to (CEP 26)."""
    custom_channels: Mapping[str, str] = field(default_factory=dict)
    """Channel names that are appended to a URL of their own."""
    custom_multichannels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names that stand for several channels; `defaults` here is stronger than `default_channels`."""
    allowlist_channels: tuple[str, ...] = ()
    """The only channels that may be used; all may where this is empty."""
    denylist_channels: tuple[str, ...] = ()
    """Channels that may not be used."""
    number_channel_notices: int = 5
    """How many notices of channels a command shows by itself at most; 0 never asks for them (CEP 6)."""
    channel_priority: ChannelPriority = "strict"
    """Whether a name is taken only from the first channel that has it, preferably, or from any."""
    subdir: str
    """The platform that environments are made for, such as `linux-64`."""

    offline: bool = False
    """Never open a network connection."""
    download_threads: int = 8
    """Downloads at one time."""
    connect_timeout_seconds: float = 10.0
    """How long a server may take to accept a connection."""
    read_timeout_seconds: float = 60.0
    """How long a server may be silent."""
    retries: int = 3
    """Attempts after the first that failed for a reason that may pass."""
    backoff_seconds: float = 1.0
    """The pause before the first new attempt; it doubles with each."""
    ssl_verify: bool | str = True
    """Whether certificates are checked, the path of the authorities to check them with, or ``"truststore"``:
    the operating system's."""
    client_ssl_cert: str | None = None
    """The file of the certificate, with its key unless that has a file of its own, that servers may ask for."""
    client_ssl_cert_key: str | None = None
    """The file of that certificate's key."""
    proxy_servers: Mapping[str, str] = field(default_factory=dict)
    """The proxy for ``http``, ``https``, ``all`` or ``SCHEME://HOST``; may hold credentials."""
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For a URL and all below it, the URLs to use in its place, best first; these may hold credentials."""
    s3_options: Mapping[str, S3Options] = field(default_factory=dict)
    """For each bucket that is not where AWS's own configuration says, or is public, how it is reached."""
    insecure_registries: tuple[str, ...] = ()
    """OCI registries, ``HOST[:PORT]``, that are spoken with over plain http; those on loopback always are."""
    auth_file: Path | None = None
    """A file of logins in rattler's form, asked before all other places."""
    add_anaconda_token: bool = True
    """Whether the tokens that anaconda-client stored are used for their servers."""
    index_max_age_seconds: float | None = None
    """How old a channel's index may be before its server is asked again; 0 asks always, None as the server says."""
    use_stale_index: bool = False
    """Whether a stored index serves, however old, where the server of a channel does not answer."""
    index_max_megabytes: int = 2_000
    """How large the folder of indexes may grow, in megabytes of 10^6 bytes, before the oldest files go."""
    pkgs_size_limit: int | None = None
    """How many bytes the package cache may hold that no environment shares, before the oldest go; None: any."""
    channel_relations_max_depth: int = 10
    """How far the relations of channels are followed (CEP 42); 0 ignores them."""

    add_pip_as_python_dependency: bool = True
    """Whether python brings pip."""
    register_envs: bool = True
    """Whether environments join the list that all tools share, `~/.conda/environments.txt`."""
    pypi_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The PyPI distributions of conda packages that provide others than is assumed; an empty list: none."""
    pypi_path_conflicts: Literal["refuse", "allow"] = "refuse"
    """What becomes of a path that a Python distribution and a conda package both bring."""
    create_default_packages: tuple[str, ...] = ()
    """Specs that every new environment gets."""
    pinned_packages: tuple[str, ...] = ()
    """Specs that limit packages in every solve without asking for them."""
    link_scripts: LinkScripts = "run"
    """Whether packages' link scripts run, or packages that have them are refused."""
    durability: Durability = "kill"
    """What a change of an environment survives at any moment: a kill, or also a loss of power, which is slower."""
    extra_safety_checks: bool = False
    """Whether each file of a new package is held against the sum in its manifest, beyond the archive's own sum."""
    link_mode: LinkMode = "auto"
    """How files come from the package cache; `auto` takes the first of reflink, hardlink and copy that works."""
    lock_wait_seconds: float = 300.0
    """How long a command waits for another process that is changing its environment; 0 refuses at once."""
    changeps1: bool = True
    """Whether activation shows the environment before the prompt."""
    env_prompt: str = "({default_env}) "
    """What it shows: text with ``{default_env}``, ``{prefix}`` or ``{name}`` in it."""
    always_copy: bool = False
    """Copy files instead of linking them from the package cache, whatever `link_mode` says."""
    always_yes: bool = False
    """Ask no questions."""
    solve_seconds: float = 60.0
    """How long a solve may take."""

    @property
    def linking(self) -> LinkMode:
        """How files come from the package cache, all settings together."""
        return "copy" if self.always_copy else self.link_mode


def default_folders(root: Path) -> dict[str, Path | tuple[Path, ...]]:
    """The folders below *root* that hold unless something else is configured."""
    return {
        "root": root,
        "envs_dirs": (root / "envs",),
        "pkgs_dirs": (root / "pkgs",),
        "index_dir": root / "index",
        "local_channel_dir": root / "channel",
    }
