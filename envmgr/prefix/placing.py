"""How a file of the cache comes into a prefix: reflink, hardlink, symlink or copy (effects).

A reflink shares the blocks until one side is written, so that nothing which is done to an environment reaches the
cache; a hardlink shares the file. Which of them works is a property of two file systems, so it is tried once for a
cache and a prefix, with a file of a package.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LinkMode: TypeAlias = Literal["auto", "reflink", "hardlink", "symlink", "copy"]
"""What may be asked for: "auto" takes the first of reflink, hardlink and copy that works."""
Method: TypeAlias = Literal["reflink", "hardlink", "symlink", "copy"]

# The file system, or the pair of them, has no such links, or this file has as many as it can have.
NO_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
)
_NO_CLONE = NO_LINK | {errno.EINVAL, errno.ENOTTY}
_FICLONE = 0x40049409  # ioctl_ficlone(2)


def working_method(mode: LinkMode, source: str, folder: str) -> Method:
    """The method for *mode* that works from the file *source* into *folder*; "copy" where the wished for does not.

    Raises OSError when *folder* cannot be written at all.
    """
    wished: tuple[Method, ...] = ("reflink", "hardlink") if mode == "auto" else (mode,)
    trial = f"{folder}/.envmgr-trial-{os.getpid()}"
    for method in wished:
        try:
            PLACE[method](source, trial)
        except OSError as error:
            if error.errno not in _NO_CLONE:
                raise
        else:
            os.unlink(trial)
            return method
    return "copy"


def copy(source: str, path: str) -> None:
    """A copy with mode and times, of a file or symlink."""
    import shutil

    shutil.copy2(source, path, follow_symlinks=False)


def reflink(source: str, path: str) -> None:
    """A new file with the blocks, mode and times of *source*; raises OSError where there are no reflinks."""
    if sys.platform == "darwin":
        return _clonefile(source, path)
    return _ficlone(source, path)


def symlink(source: str, path: str) -> None:
    """A symlink to the cache's file."""
    os.symlink(source, path)  # noqa: PTH211 - there may be thousands.


PLACE: dict[Method, Callable[[str, str], None]] = {
    "reflink": reflink,
    "hardlink": os.link,
    "symlink": symlink,
    "copy": copy,
}


@contextlib.contextmanager
def placer(method: Method, source: str, root: str) -> Iterator[Callable[[str, str], None]]:
    """What puts the file at a path in the folder *source* to a path in *root*; raises what `PLACE` does.

    Hardlinks are made by way of the open folders, where the system can: it then walks the ends of the paths alone,
    which takes a sixth off. An error then names these ends.
    """
    with contextlib.ExitStack() as stack:
        folders = None
        if method == "hardlink" and os.link in os.supports_dir_fd:
            with contextlib.suppress(OSError):  # Paths have something to say about what is wrong.
                folders = [stack.enter_context(_open_folder(each)) for each in (source, root)]
        if folders is not None:
            old, new = folders
            yield partial(os.link, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
        else:
            put = PLACE[method]
            yield lambda inside, target: put(f"{source}/{inside}", f"{root}/{target}")


@contextlib.contextmanager
def _open_folder(folder: str) -> Iterator[int]:
    """The open *folder*, which need not be readable where the system can do without."""
    opened = os.open(folder, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield opened
    finally:
        os.close(opened)


def _ficlone(source: str, path: str) -> None:
    try:
        import fcntl
    except ImportError:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), source) from None
    old = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(old)
        new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.ioctl(new, _FICLONE, old)
            os.fchmod(new, status.st_mode & 0o777)
            os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(new)
    finally:
        os.close(old)


def _clonefile(source: str, path: str) -> None:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if library.clonefile(os.fsencode(source), os.fsencode(path), 1):  # CLONE_NOFOLLOW, clonefile(2)
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
