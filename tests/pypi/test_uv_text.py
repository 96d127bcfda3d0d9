"""uv's refusals, of old and new versions, become sentences that know nothing of how uv was asked."""

from __future__ import annotations

from envmgr.models.requirement import Source
from envmgr.pypi.requirement_lines import RequirementLine
from envmgr.pypi.uv_text import Told, Wording, read_refusal, read_warnings

# As uv 0.9 wraps and draws it, with colours.
WRAPPED = """\
\x1b[33mwarning\x1b[39m: something odd
  \x1b[31m\u00d7\x1b[0m No solution found when resolving dependencies:
\x1b[31m  ╰─▶ \x1b[0mBecause only the following versions of pandas are available:
          pandas==0.1
          pandas==0.2
      and pandas<=0.2 has no usable wheels, we can conclude that
      pandas<=0.2 cannot be used. (1)

      Because only numpy==2.1.0 is available and numba==0.59.1 depends on
      numpy>=1.22,<1.27, we can conclude that numba==0.59.1 cannot be used.
      And because you require numba==0.59.1, we can conclude that your
      requirements are unsatisfiable.

      hint: `numpy` was found on file:///private/stubs, but not at
      the requested version (numpy>=1.22,<1.27). A compatible version may
      be available on a subsequent index (e.g., https://me:pw@host/simple).
      hint: You require CPython 3.12 (`cp312`), but we only found wheels for
      `pandas` (v0.2) with the following Python ABI tag: `cp39`
"""
SENTENCES = """
Because only the following versions of pandas are available: pandas==0.1, pandas==0.2 and pandas<=0.2 has no usable
wheels, we can conclude that pandas<=0.2 cannot be used. (1)
Because conda provides numpy 2.1.0 and numba==0.59.1 depends on numpy>=1.22,<1.27, we can conclude that
numba==0.59.1 cannot be used.
And because you require numba==0.59.1 (env.yml:4), we can conclude that the PyPI requirements cannot be fulfilled.
"""
PYTHON = """\
error: No solution found when resolving dependencies
  cause: Because the requested Python version (>=3.10.4) does not satisfy Python>=3.11 and ipython==9.0.0 \
depends on Python>=3.11, we can conclude that ipython==9.0.0 cannot be used.
         And because you require ipython==9.0.0, we can conclude that your requirements are unsatisfiable.

hint: The `--python-version` value (>=3.10.4) includes Python versions that are not supported by your dependencies
"""


def read(output: str, **stubs: str) -> Told:
    lines = [RequirementLine("numba==0.59.1", "numba", Source("env.yml", 4, "numba==0.59.1"))]
    private = {"file:///private/stubs": "conda", "hidden": "***"}
    return read_refusal(
        output, Wording("3.10.4", {name: [text] for name, text in stubs.items()}, lines, private)
    )


def test_wrapped_and_coloured_text_becomes_sentences_of_conda():
    told = read(WRAPPED, numpy="2.1.0")
    assert " ".join(told.reasons) == " ".join(SENTENCES.split())
    assert len(told.reasons) == 3
    assert [hint.partition(",")[0] for hint in told.hints] == ["You require CPython 3.12 (`cp312`)"]
    assert told.names == {"pandas", "numpy", "numba"}
    assert told.without_wheels == ("pandas",)
    assert told.unreachable is None


def test_python_is_told_by_the_version_of_the_environment_and_no_option_is_named():
    told = read(PYTHON)
    assert told.python
    assert told.reasons[0].startswith(
        "Because the environment's Python (3.10.4) does not satisfy Python>=3.11"
    )
    assert told.hints == ()


def test_what_did_not_answer_is_no_reason_to_plan_otherwise():
    url = "https://h/simple"
    refused = (
        f"An index URL ({url}) could not be queried due to a lack of authentication credentials (401 No)"
    )
    assert (
        read(f"error: No\nhint: {refused}\n").unreachable == f"{url} wants a login, or another one (401 No)."
    )
    failed = f"error: Failed to fetch: `{url}/foo/`\n  Caused by: Request failed\n  Caused by: dns error\n"
    assert read(failed).unreachable == f"{url}/foo/ could not be reached: dns error."
    offline = (
        "error: No\n  cause: Because foo was not found in the cache and you require foo, we can conclude.\n"
    )
    assert read(offline).unreachable == "foo was never fetched, and nothing can be fetched offline."
    git = "error: Git operation failed\n  Caused by: failed to clone into: /c\nfatal: no such host\n"
    assert read(git).unreachable == "a git repository could not be read: no such host."


def test_secrets_and_escapes_are_in_no_sentence():
    told = read(
        "error: cannot read https://me:pw@host/x with hidden \x1b]0;title\x07\x07\nwarning: at https://a:b@c/d\n"
    )
    assert "pw" not in told.reasons[0]
    assert "hidden" not in told.reasons[0]
    assert not [letter for letter in told.reasons[0] if ord(letter) < 32]
    assert told.warnings == ("at https://c/d.",)
    assert read_warnings(
        "warning: `x==1` is yanked (reason: https://u:p@h)\n\x1b[33mwarning\x1b[0m: y\n"
    ) == (
        "`x==1` is yanked (reason: https://h)",
        "y",
    )


def test_text_without_end_is_cut():
    told = read("error: Because " + "a==1 depends on b==2 and " * 5000 + "you require a.")
    assert len(told.reasons[0]) <= 1600
    assert told.reasons[0].endswith("...")
