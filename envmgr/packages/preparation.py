"""What is to be unpacked and where to: an order that a thread or another process carries out. Pure."""

from __future__ import annotations

from msgspec import Struct

from envmgr.models.record import PackageRecord  # noqa: TC001 - msgspec reads the annotation.


class Preparation(Struct, frozen=True):
    """The archive of *record*, with the sum and size (bytes) that it really has, and the new folder to fill.

    With *hashed* each file is held against the sum in the manifest, too. That is always done where the record
    vouches for no archive; where it does, the archive's sum says that each file is what its channel published.
    *alone* says that no other package is unpacked meanwhile.
    """

    record: PackageRecord
    archive: str
    folder: str
    sha256: str
    size: int
    hashed: bool = False
    alone: bool = False
