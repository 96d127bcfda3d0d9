"""What is asked of a PyPI resolution, and its two outcomes, as values (pure).

A request says what the environment files want from PyPI, which prefix it is for, and what conda provides there;
`envmgr.pypi.resolve` has uv (or pip) answer it. A solution holds packages in the shape of records, so that they are
downloaded, linked and recorded as conda packages are, and source distributions that `envmgr.pypi.build` makes
wheels of first. A refusal tells why, in sentences that know nothing of how the tool was asked.

Names are normalized (PEP 503), versions are those of PEP 440, URLs in here hold no credentials except for the texts
of items and ``credential_urls``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from envmgr.models.credentials import without_credentials
from envmgr.models.requirement import Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.pypi.index_options import Fetch, FindLogin
    from envmgr.pypi.records import WheelNeeds
    from envmgr.pypi.target import PypiTarget

SourceKind = Literal["sdist", "archive", "vcs", "directory"]
Strategy = Literal["highest", "lowest", "lowest-direct"]


class PypiItem(Struct, frozen=True):
    """One line for pip: a requirement (PEP 508), a path, a URL, or an option such as ``-r FILE``.

    *folder* is where its relative paths start: that of the file it stands in, a URL that ends in ``/`` where it is
    on a server. *source* is its place for messages. *text* is as written and may hold credentials. *is_kept* tells
    that an earlier request asked for it: its ``--hash`` holds for its own file, and asks for none of others.
    """

    text: str
    folder: Path | str
    source: Source = Source(None, None, "")
    is_kept: bool = False


class Provided(Struct, frozen=True):
    """A distribution that a conda package of the planned prefix provides: *name* at *version*, and no other.

    *dist_name* is the conda package's (``numpy-2.1.0-py312h1103770_0``), for messages. *requires_dist* need only
    hold what extras ask for (``PySocks; extra == "socks"``): the rest is conda's to fulfil, and is not looked at.
    """

    name: str
    version: str
    dist_name: str
    requires_dist: tuple[str, ...] = ()


class Candidate(Struct, frozen=True):
    """One version of a distribution that conda could provide instead, and what it would ask for (PEP 508).

    ``envmgr.pypi.conda_requirements`` makes *requires_dist* of a conda record's own dependencies.
    """

    version: str
    requires_dist: tuple[str, ...] = ()
    requires_python: str | None = None


class PypiRequest(Struct, frozen=True, kw_only=True):
    """A resolution to be done for the prefix that will be.

    ``provided`` are exact: no other version of these names can be chosen. A name in ``candidates`` may get any of
    the versions listed, best first, whether or not it is among ``provided`` (then the candidates count); this is
    how a joint plan asks what both sides could agree on. ``preferred`` (what is installed from PyPI, name to
    version) is kept unless a requirement moves it, ``upgrade_all`` is set, or its name is in ``upgrade``.
    ``exclude_newer_ms`` is in milliseconds since the Unix epoch: nothing uploaded later is chosen.
    ``prefix_python`` may run builds of source distributions whose metadata is not static; None: only static
    metadata can be read, and what needs a build to be known is refused. Without ``allow_sources`` only wheels of
    indexes are taken, and a refusal comes sooner: a joint plan asks this way first, since source distributions of
    long ago promise to work with anything. ``constraints`` are further PEP 508 constraints of the caller, without
    source lines. ``stubs_dir`` is a folder of ours where stub wheels are kept between commands, so that uv's cache
    knows them again; None: they are made anew each time. With ``only_users`` the solution tells nothing but who
    needs whom (`PypiSolution.users`), which uv says in another form of its answer. ``work_dir`` takes private files
    while it is resolved (None: the system's folder for such). ``find_login`` gives logins that are kept for URLs,
    ``fetch`` the content of requirement files on servers.
    """

    items: tuple[PypiItem, ...]
    target: PypiTarget
    provided: tuple[Provided, ...] = ()
    candidates: Mapping[str, tuple[Candidate, ...]] = field(default_factory=dict)
    preferred: Mapping[str, str] = field(default_factory=dict)
    upgrade_all: bool = False
    upgrade: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    allow_sources: bool = True
    offline: bool = False
    exclude_newer_ms: int | None = None
    strategy: Strategy = "highest"
    prefix_python: Path | None = None
    stubs_dir: Path | None = None
    only_users: bool = False
    find_login: FindLogin | None = None
    fetch: Fetch | None = None
    work_dir: Path | None = None


class PypiSource(Struct, frozen=True, kw_only=True):
    """A distribution that has to be built into a wheel first.

    ``sdist`` comes from an index, ``archive`` from a URL that was asked for, ``vcs`` from a repository at *commit*,
    ``directory`` from a local path, *editable* or not (PEP 660). *url* is the file, the repository or the folder's
    ``file://`` URL. *version* is None where only the build can tell it. *requires_dist* is not known here: the
    wheel's own metadata tells it.
    """

    kind: SourceKind
    name: str
    version: str | None
    url: str
    sha256: str | None = None
    size: int | None = None
    index: str | None = None
    vcs: str | None = None
    commit: str | None = None
    requested_revision: str | None = None
    subdirectory: str | None = None
    path: Path | None = None
    editable: bool = False

    @property
    def direct_url(self) -> dict[str, object] | None:
        """The PEP 610 origin; None for what an index chose."""
        extra: dict[str, object] = {"subdirectory": self.subdirectory} if self.subdirectory else {}
        if self.kind == "vcs":
            revision = {"requested_revision": self.requested_revision} if self.requested_revision else {}
            return {
                "url": self.url,
                "vcs_info": {"vcs": self.vcs, "commit_id": self.commit, **revision},
                **extra,
            }
        if self.kind == "directory":
            return {"url": self.url, "dir_info": {"editable": True} if self.editable else {}, **extra}
        if self.kind == "archive":
            sums = {"hashes": {"sha256": self.sha256}} if self.sha256 else {}
            return {"url": self.url, "archive_info": sums, **extra}
        return None

    @property
    def published(self) -> dict[str, object] | None:
        """The file of an index that others can build the same of; None for what no index has."""
        if self.kind != "sdist":
            return None
        facts = {"url": without_credentials(self.url), "sha256": self.sha256, "size": self.size}
        return {key: each for key, each in facts.items() if each is not None}


class PypiSolution(Struct, frozen=True, kw_only=True):
    """What is to be installed from PyPI beside what conda provides.

    ``wheels`` are records (`envmgr.pypi.records.wheel_record`); ``sources`` become records by
    `envmgr.pypi.build.build_wheels`. ``answered`` tells which names conda answered with which version: with
    ``candidates`` in the request these are what the conda solve should choose. ``requested`` are the names that the
    items ask for themselves. ``missing_extras`` are
    (name, extra) of provided distributions whose ``requires_dist`` does not know the extra that somebody asks for.
    ``uploaded`` has the time of upload of each name's file, but for those that items hold to one version, in
    milliseconds since the Unix epoch, where the index tells it. ``credential_urls`` are URLs with logins, for
    `Context.with_credentials`, and are shown nowhere. ``needs`` tells what distributions need, by name, as far as
    it is known; ``users`` by which names each is needed, where that was asked. ``tool`` is what resolved, such as
    ``uv 0.9.1``; ``warnings`` are sentences.
    """

    tool: str
    wheels: tuple[PackageRecord, ...] = ()
    sources: tuple[PypiSource, ...] = ()
    answered: Mapping[str, str] = field(default_factory=dict)
    requested: frozenset[str] = frozenset()
    missing_extras: tuple[tuple[str, str], ...] = ()
    credential_urls: tuple[str, ...] = ()
    uploaded: Mapping[str, int] = field(default_factory=dict)
    needs: Mapping[str, WheelNeeds] = field(default_factory=dict)
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class PypiRefusal(Struct, frozen=True, kw_only=True):
    """Why there is no solution.

    ``reasons`` are sentences, most important first. ``provided`` are the names of provided distributions that they
    involve, ``python`` whether the version of Python does; ``names`` are all distributions that they involve.
    ``hint`` is something to do, if there is. ``to_build`` are names of which only source distributions fit, which
    need a Python (`PypiRequest.prefix_python`) before it can be told what they need.
    """

    tool: str
    reasons: tuple[str, ...]
    provided: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    python: bool = False
    hint: str | None = None
    to_build: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
