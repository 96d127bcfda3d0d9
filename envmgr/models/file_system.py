"""What the file system of a prefix can hold: names, paths, and whether it tells capitals from small letters."""

from __future__ import annotations

from msgspec import Struct


class FileSystem(Struct, frozen=True):
    """The limits of a place.

    With ``folds_case``, names that differ in case only, or in how Unicode composes them, are one.
    ``name_most`` and ``path_most`` are the longest name and path, in bytes; on Windows in UTF-16 units
    (``counts_utf16``).
    """

    folds_case: bool = False
    name_most: int = 255
    path_most: int = 4096
    counts_utf16: bool = False

    def key(self, path: str) -> str:
        """What all spellings of *path* that lead to one file have in common.

        >>> FileSystem(folds_case=True).key("Lib/Größe") == FileSystem(folds_case=True).key("lib/GRÖSSE")
        True
        >>> FileSystem().key("Lib")
        'Lib'
        """
        if not self.folds_case:
            return path
        if path.isascii():
            return path.lower()
        import unicodedata

        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())

    def length(self, text: str) -> int:
        """How long *text* is for this file system.

        >>> FileSystem().length("ü"), FileSystem(counts_utf16=True).length("ü")
        (2, 1)
        """
        if self.counts_utf16:
            return len(text.encode("utf-16-le", "surrogatepass")) // 2
        return len(text.encode(errors="surrogateescape"))


# Programs that do not ask for more see paths of 259 UTF-16 units (MAX_PATH without its NUL).
WINDOWS = FileSystem(folds_case=True, name_most=255, path_most=259, counts_utf16=True)
