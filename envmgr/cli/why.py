"""``envmgr why``: who asked for a package, who needs it, and what keeps it from being newer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import (
    CommandParser,
    add_channels,
    add_output,
    add_solving,
    add_target,
    solving_options,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmgr.ops.chosen import ChosenRequest


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(
        "why", "Tell who needs a package, in an environment or a plan, and what keeps it from being newer."
    )
    made.add_argument("package", metavar="PACKAGE", help="the package that the question is about")
    add_target(made)
    add_plan(made)
    add_output(made)
    return made


def add_plan(parser: argparse.ArgumentParser) -> None:
    """-f FILE and --spec SPEC: ask about a plan; and the options of its solve."""
    group = parser.add_argument_group("a plan instead of an environment")
    group.add_argument(
        "-f", "--file", action="append", default=[], metavar="FILE", help="environment.yml (repeatable)"
    )
    group.add_argument("--spec", action="append", default=[], metavar="SPEC", help="a package (repeatable)")
    add_channels(parser)
    add_solving(parser)


def chosen_request(options: argparse.Namespace) -> ChosenRequest:
    """What the options of `add_target` and `add_plan` ask about."""
    from envmgr.ops.chosen import ChosenRequest
    from envmgr.ops.request import Asked

    asked = Asked(
        tuple(options.spec),
        tuple(options.file),
        tuple(options.channel),
        options.override_channels,
        options.subdir,
    )
    return ChosenRequest(options.name, options.prefix, asked, solving_options(options))


def run(arguments: Sequence[str]) -> int:
    """Answer in sentences, or as a JSON object with the same facts."""
    options = parser().parse_args(arguments)
    from envmgr.cli.render import write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.why import WhyRequest, why
    from envmgr.solver.why_text import why_lines

    context, _ = open_context(options)
    answer = why(WhyRequest(options.package, chosen_request(options)), context)
    if options.json:
        from msgspec import to_builtins

        write_json({"success": True, **to_builtins(answer)})
    else:
        write_lines(why_lines(answer))
    return 0
