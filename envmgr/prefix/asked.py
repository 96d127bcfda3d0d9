"""What users asked other tools for, as these note it in conda-meta/history and in records (CEP 32).

A record tells what asked for its package when it was linked. Conda goes by its history instead, where a later
command may have asked for a package that stayed. Texts in, texts out; nothing here writes.
"""

from __future__ import annotations

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.match_spec import parse_match_spec
from envmgr.prefix.history import read_requests

_ARCHIVE = lazy_pattern(
    r"\[.*\b(?:md5|sha256|url)\s*=|/(?:noarch|[a-z]+-[a-z0-9]+)::[^=<>! ]+==[^= ]+=[^= ]+$"
)


def asked_of_others(history: str) -> dict[str, str]:
    """The specs, by package name, that other tools were asked for since envmgr last changed the environment.

    *history* is the text of conda-meta/history. Conda's older lists without brackets and quotes are read too; what
    is no spec of one package is left out.

    >>> asked_of_others("==> 1 <==\\n# update specs: ['numpy >=1', 'six']\\n==> 2 <==\\n# remove specs: ['six']\\n")
    {'numpy': 'numpy >=1'}
    """
    requests = read_requests(history)
    ours = [place for place, request in enumerate(requests) if request.is_own]
    asked: dict[str, str] = {}
    for request in requests[ours[-1] + 1 if ours else 0 :]:
        for text in (*request.went, *request.came):
            name = _name_of(text)
            if name is not None:
                asked.pop(name, None)
        asked |= {name: without_archive(text, name) for text in request.came if (name := _name_of(text))}
    return asked


def without_archive(spec: str, name: str) -> str:
    """*spec*, or the bare *name* where it tells of one archive, as what was installed from a list of archives does.

    >>> without_archive("conda-forge/noarch::pip==23.0=py_0[md5=85b3]", "pip")
    'pip'
    >>> without_archive("pip=23.0=py_0", "pip")
    'pip=23.0=py_0'
    """
    return name if _ARCHIVE.search(spec) else spec


def _name_of(text: str) -> str | None:
    try:
        spec = parse_match_spec(text)
    except DataError:
        return None
    # Conda notes what it held a machine's properties to with an @ behind the name.
    return spec.name if spec.is_name_exact and not spec.name.endswith("@") else None
