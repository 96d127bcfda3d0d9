"""The package cache on disk: archives and unpacked packages, shared by environments, processes and users.

The layout is conda's and mamba's: ``<layer>/<name-version-build>.conda`` beside ``<layer>/<name-version-build>/``,
which holds ``info/repodata_record.json``, and ``<layer>/urls.txt``. An entry is used only when that record names
the same archive as the wanted one; a different package of the same name lives in ``<layer>/.by-hash/<key>/`` with
the same layout, so that two channels never mix and no entry that another process may be using is ever replaced.

Several layers may be given; all are read, the first writable one receives new packages. No locks are needed:
a package is prepared in a private folder, checked, and published by one rename; who comes second uses what is
there. See docs/internals/package-cache.md. What is missing is brought in by `envmgr.packages.intake`, which a
command that has everything does not import.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from envmgr.errors import ChannelError, DataError
from envmgr.packages.folder import package_files
from envmgr.packages.intact import first_change
from envmgr.packages.layers import reader
from envmgr.packages.link_plan import PLAN_JSON, difference_warning, with_measured
from envmgr.packages.unpacked import CachedPackage, ObtainOptions, UnpackedPackages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.packages.verify import Finding
    from envmgr.ports import Reporter, Transport


class PackageCache(UnpackedPackages):
    """Finds packages in its layers, and brings in those that are missing."""

    def obtain(
        self,
        records: Sequence[PackageRecord],
        transport: Transport,
        reporter: Reporter,
        options: ObtainOptions | None = None,
    ) -> dict[PackageRecord, CachedPackage]:
        """Every record's package, in the order of *records*; what is missing is downloaded, checked and unpacked.

        Raises ChannelError when an archive cannot be had, DataError when one is damaged, PrefixError when the cache
        cannot be written. Nothing half-made stays behind; packages that were complete by then do.
        """
        options = options or ObtainOptions()
        found = {record: self.find(record) for record in records}
        missing = [record for record, package in found.items() if package is None]
        for package in found.values():
            if package is not None and package.differing:
                reporter.warned(difference_warning(package.record.file_name, package.differing))
        if missing:
            if options.offline:
                self._check_offline(missing)
            from envmgr.packages.intake import bring_in

            found.update(bring_in(self, missing, transport, reporter, options))
        return {record: package for record, package in found.items() if package is not None}

    def check(self, package: CachedPackage, *, hashed: bool = True) -> tuple[Finding, ...]:
        """Looks at every file of an unpacked package; what it finds differs from the package's manifest.

        A difference that was there from the beginning, and warned of, is none. The link plan is made anew and
        compared as well.
        """
        from envmgr.packages.extract import inspect_folder
        from envmgr.packages.verify import Finding, check_manifest

        contents = inspect_folder(package.folder, hashed=hashed)
        found = list(check_manifest(package.files.paths, contents, vouched=False))
        if not found and not _has_right_plan(package):
            found.append(Finding(PLAN_JSON, "is another than the package's files ask for", damage=True))
        return tuple(found)

    def check_quickly(self, package: CachedPackage) -> Finding | None:
        """The first difference that times and sizes tell of, by a look at every file but mostly at no content."""
        return first_change(str(package.folder), package.files.paths)

    def discard(self, package: CachedPackage, inode: int) -> bool:
        """Takes an unpacked package that was found damaged out of its layer; its archive stays.

        *inode* is that of the folder that was looked at, since somebody else may have put a good one there by now.
        Where the layer cannot be written, it is passed over from now on, and False is returned. Who is linking it
        at this moment fails and changes nothing.
        """
        from envmgr.packages.work_area import work_area

        layer = next(each for each in self.layers if package.folder.is_relative_to(each))
        try:
            with work_area(layer) as area, contextlib.suppress(FileNotFoundError):
                if package.folder.stat().st_ino == inode:
                    package.folder.rename(area.make_place() / "discarded")
        except OSError:
            self.avoid(package.folder)
            return False
        return True

    def _check_offline(self, missing: Sequence[PackageRecord]) -> None:
        remote = [
            each for each in missing if not each.url.startswith("file:") and not any(self.archives(each))
        ]
        if remote:
            names = ", ".join(record.file_name for record in remote[:5]) + (
                ", ..." if len(remote) > 5 else ""
            )
            raise ChannelError(
                f"offline, and {len(remote)} package(s) are not in the package cache: {names}.",
                hint="Run the command once without --offline.",
                packages=[record.file_name for record in remote],
            )


def _has_right_plan(package: CachedPackage) -> bool:
    from envmgr.packages.offsets import make_plan

    try:
        own = with_measured(package_files(reader(package.folder)), package.differing)
    except DataError:
        return False
    return make_plan(package.folder, own).files == package.files
