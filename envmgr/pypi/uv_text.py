"""Reads what uv says when it refuses, and says it in the words of an environment that conda is part of (pure).

The reader knows nothing of stub wheels, private files or uv's options, so none of them is left in the sentences;
neither are escape sequences or credentials.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.models.credentials import without_credentials_in_text, without_secret_query
from envmgr.models.visible_text import visible
from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envmgr.pypi.requirement_lines import RequirementLine

_ESCAPE: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_DRAWN: Final = re.compile("^[\\s\u00d7\u2502\u2570\u251c\u2500\u25b6]*")  # The marks before uv's lines.
_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_WITH_RANGE: Final = re.compile(rf"(?<![\w./`-])({_NAME})(?:\[[^\]]*\])?(?:==|>=|<=|!=|~=|<|>)")
_NAMED: Final = (
    re.compile(rf"(?:all versions of|no versions? of|versions of|depends on|you require|only) ({_NAME})"),
    re.compile(rf"({_NAME}) (?:was not found|has no|cannot be used|depends on|is not|was yanked)"),
)
_WITHOUT_WHEELS: Final = re.compile(
    rf"({_NAME})(?:\[[^\]]*\])?(?:(?:[=<>!~]=?|===)[^\s,]+(?:,[=<>!~]+[^\s,]+)*)?"
    r" has no (?:usable )?wheels(?! with)"
)
_ALL_WITHOUT_WHEELS: Final = re.compile(
    rf"(?:all|no) versions of ({_NAME}) (?:have no|has) (?:usable )?wheels(?! with)"
)
_DISABLED: Final = re.compile(rf"[Bb]uilding source distributions (?:for `({_NAME})` )?is disabled")
_NOT_A_NAME: Final = frozenset(
    ("python", "the", "you", "versions", "all", "only", "and", "we", "there", "which", "it")
)
_REACHING: Final = re.compile(
    r"(Failed to fetch|error sending request|[Cc]ould not connect|[Rr]equest failed after|dns error|timed out"
    r"|HTTP status (?:client|server) error|[Nn]etwork is unreachable|invalid peer certificate)"
)
_LOGIN: Final = re.compile(
    r"An index URL \((\S+?)\) could not be queried due to [^(]*(?:authenticat|authoriz|permission|credential)[^(]*"
    r"(?:\(([^)]*)\))?"
)
_WANTS_LOGIN: Final = "wants a login"
_MOST_SENTENCES = 40
_MOST_LETTERS = 1500


class Told(Struct, frozen=True):
    """What one run of uv said: *reasons* as sentences, *hints* and *warnings* too, the rest as facts."""

    reasons: tuple[str, ...]
    hints: tuple[str, ...]
    warnings: tuple[str, ...]
    names: frozenset[str]
    python: bool
    without_wheels: tuple[str, ...]
    build_disabled: tuple[str, ...]
    unreachable: str | None

    @property
    def wants_login(self) -> bool:
        """Whether an index answered that it wants a login, or another one."""
        return self.unreachable is not None and _WANTS_LOGIN in self.unreachable


class Wording(Struct, frozen=True):
    """What the sentences are to say: *stubs* maps each name that conda answers for to its versions.

    *private* are texts (paths of private files, passwords) that must not be shown; *lines* say where things were
    asked for; *python* is the target's version.
    """

    python: str
    stubs: Mapping[str, Sequence[str]]
    lines: Sequence[RequirementLine]
    private: Mapping[str, str]


def read_refusal(output: str, wording: Wording) -> Told:
    """Everything of use in what uv printed to stderr when it failed."""
    text = _ESCAPE.sub("", output).replace("\r", "")
    for secret in sorted(wording.private, key=len, reverse=True):
        text = text.replace(secret, wording.private[secret])
    text = without_secret_query(without_credentials_in_text(text))
    blocks = _blocks(text)
    raw = " ".join(blocks.reasons)
    names = _names_in(raw)
    return Told(
        tuple(_worded(sentence, wording) for sentence in _sentences(blocks.reasons))[:_MOST_SENTENCES],
        tuple(each for each in (_hint(text) for text in blocks.hints) if each),
        tuple(_worded(each, wording) for each in blocks.warnings),
        frozenset(names),
        "requested Python version" in raw
        or "Python ABI tag" in raw
        or re.search(r"\bPython[<>=!~]", raw) is not None,
        _found(raw, (_WITHOUT_WHEELS, _ALL_WITHOUT_WHEELS)),
        _found(raw, (_DISABLED,)),
        _unreachable(blocks),
    )


def read_warnings(output: str) -> tuple[str, ...]:
    """The warnings of a run that went well, without escape sequences or credentials."""
    text = without_secret_query(without_credentials_in_text(_ESCAPE.sub("", output)))
    return tuple(
        visible(line.partition(":")[2].strip()) for line in text.splitlines() if line.startswith("warning:")
    )


def read_users(answer: str) -> dict[str, tuple[str, ...]]:
    """Who needs each distribution, by name, as uv annotates a list of requirements; who asks for it is left out.

    >>> read_users("h11==0.16.0   # via httpcore\\nhttpcore==1.0.9  # via -r r.in, httpx\\n")
    {'h11': ('httpcore',), 'httpcore': ('httpx',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in answer.splitlines():
        entry, mark, via = line.partition("# via ")
        name = re.match(_NAME, entry)
        if name is not None and mark:
            words = [word.strip() for word in via.split(",")]
            users = tuple(normalized_name(word) for word in words if re.fullmatch(_NAME, word))
            found[normalized_name(name[0])] = users
    return found


class _Blocks(Struct):
    reasons: list[str]
    hints: list[str]
    warnings: list[str]


def _blocks(text: str) -> _Blocks:
    """The parts of the output; lines that continue one are joined, lists with commas."""
    found = _Blocks([], [], [])
    current: list[str] | None = None
    in_list = False
    for raw in text.splitlines():
        line = _DRAWN.sub("", raw).strip()
        lower = line.lower()
        if not line or lower.startswith(
            ("using python", "using cpython", "resolved ", "updating ", "updated ")
        ):
            in_list = False
            continue
        head, _, rest = line.partition(":")
        if head == "warning":
            current = found.warnings
            current.append(rest.strip())
        elif head == "hint":
            current = found.hints
            current.append(rest.strip())
        elif head in ("error", "cause", "Caused by"):
            current = found.reasons
            current.append(rest.strip())
        elif current is None or line != raw.strip() or line.startswith("No solution found"):
            current = found.reasons
            current.append(line)
        elif in_list and " " not in line:
            current[-1] += line if current[-1].endswith(": ") else f", {line}"
        else:
            current[-1] += f" {line}"
        if line.endswith(":"):
            in_list = True
            current[-1] += " "
        elif " " in line:
            in_list = False
    return found


def _sentences(reasons: Iterable[str]) -> list[str]:
    found: list[str] = []
    for reason in reasons:
        if reason.rstrip(": ").startswith("No solution found when resolving dependencies"):
            rest = reason.partition(":")[2].strip()
            if not rest:
                continue
            reason = rest  # noqa: PLW2901 (an older uv writes both on one line)
        found += re.split(r"(?<=[.)]) (?=And |Because )", re.sub(r"\s+", " ", reason).strip())
    return [each for each in found if each]


def _worded(sentence: str, wording: Wording) -> str:
    text = re.sub(
        r"the requested Python version \([^)]*\)", f"the environment's Python ({wording.python})", sentence
    )
    text = text.replace("your requirements are unsatisfiable", "the PyPI requirements cannot be fulfilled")
    text = re.sub(
        r"because building from source is disabled for all packages \(i\.e\., with `--no-build`\)", "", text
    )
    text = re.sub(
        r"was not found in the (?:package registry|provided package locations)",
        "is on none of the indexes",
        text,
    )
    for name, versions in wording.stubs.items():
        shown = versions[0] if len(versions) == 1 else "versions that do not fit"
        word = re.escape(name)
        text = re.sub(rf"\bonly {word}==(\S+) is available", rf"conda provides {name} \1", text)
        text = re.sub(
            rf"\bthere (?:is no version|are no versions) of {word}((?:[=<>!~][^\s,]*)(?:,[^\s]+)*)",
            rf"conda provides {name} {shown} and not {name}\1",
            text,
        )
        text = re.sub(
            rf"\bonly the following versions of {word} are available:",
            f"conda can provide only these versions of {name}:",
            text,
        )
    text = re.sub(rf"you require ({_NAME})([^\s,]*)", lambda found: _placed(found, wording), text)
    text = visible(text.strip())
    if len(text) > _MOST_LETTERS:
        text = text[:_MOST_LETTERS].rpartition(" ")[0] + " ..."
    return text if re.search(r"[.?!]( \([0-9]+\))?$", text) else f"{text}."


def _placed(found: re.Match[str], wording: Wording) -> str:
    """Where the requirement stands, if one line alone asks for this name."""
    name = normalized_name(found[1])
    places = {
        str(line.source) for line in wording.lines if line.name == name and line.source.file is not None
    }
    return f"{found[0]} ({places.pop()})" if len(places) == 1 else found[0]


def _hint(text: str) -> str | None:
    """uv's hints that tell of the packages; those that speak of its own options are left out."""
    text = re.sub(r"\s+", " ", text).strip().partition(" By default, uv will")[0]
    if "was found on conda" in text or "--" in text or "--no-build" in text or "envmgr-conda" in text:
        return None
    return visible(text if text.endswith((".", "?")) else f"{text}.")


def _names_in(text: str) -> set[str]:
    found = {normalized_name(each) for each in _WITH_RANGE.findall(text)}
    for pattern in _NAMED:
        found |= {normalized_name(each) for each in pattern.findall(text)}
    return {name for name in found if name not in _NOT_A_NAME and not name[0].isdigit()}


def _found(text: str, patterns: Iterable[re.Pattern[str]]) -> tuple[str, ...]:
    names = [normalized_name(name) for pattern in patterns for name in pattern.findall(text) if name]
    return tuple(dict.fromkeys(name for name in names if name not in _NOT_A_NAME))


def _unreachable(blocks: _Blocks) -> str | None:
    """A sentence about what did not answer, if that is why there is no solution."""
    raw = " ".join(blocks.reasons)
    for hint in blocks.hints:
        refused = _LOGIN.search(hint)
        if refused is not None:
            return f"{refused[1]} {_WANTS_LOGIN}, or another one ({refused[2] or 'refused'})."
    missing = re.findall(rf"({_NAME})[^\s,]* was not found in the cache", raw)
    if missing or "Network connectivity is disabled" in raw:
        names = ", ".join(dict.fromkeys(missing)) or "what is asked for"
        return f"{names} was never fetched, and nothing can be fetched offline."
    if "Git operation failed" in raw:
        told = re.search(r"(?:fatal|error): (.*?)\.?$", raw)
        return f"a git repository could not be read: {visible(told[1] if told else 'git failed')}."
    if _REACHING.search(raw) is None:
        return None
    url = re.search(r"(?:https?|git\+\w+|ssh)://[^\s`'\")]+", raw)
    reason = visible(blocks.reasons[-1].rstrip("."))
    return f"{url[0] if url else 'an index'} could not be reached: {reason}."
