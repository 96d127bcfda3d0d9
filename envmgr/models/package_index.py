"""The index of Python distributions that counts where none is named. Pure."""

from __future__ import annotations

import functools
from urllib.parse import urljoin


@functools.cache
def pypi_url() -> str:
    """The URL of PyPI's pages (PEP 503), as distlib of the Python Packaging Authority knows it."""
    # It takes some 30 ms to import, so only who needs the URL does.
    from distlib.index import DEFAULT_INDEX

    return str(urljoin(DEFAULT_INDEX, "simple"))


def is_pypi(url: str) -> bool:
    """Whether *url* is that of PyPI, or "", which stands for it in files of other tools."""
    return not url or url.rstrip("/") == pypi_url()
