"""``envmgr build``: build packages from recipes into the local channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_channels, add_output

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(
        "build", "Build packages from recipes (recipe.yaml, CEP 13 and 14) into a channel folder."
    )
    made.add_argument(
        "recipes", nargs="+", metavar="RECIPE", help="a recipe, its folder, or a folder of recipes"
    )
    made.add_argument(
        "--output", metavar="FOLDER", help="the channel folder to build into (default: the channel 'local')"
    )
    made.add_argument("--force", action="store_true", help="build again what the channel has already")
    made.add_argument("--no-test", action="store_true", help="do not run the recipes' tests")
    made.add_argument("--keep-work", action="store_true", help="keep the folder of a failed build")
    made.add_argument(
        "--zstd-level",
        type=int,
        choices=range(1, 23),
        default=19,
        metavar="N",
        help="compression from 1 (quick) to 22 (small); default 19",
    )
    add_channels(made)
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Build what is missing and name each package that was made."""
    options = parser().parse_args(arguments)
    from envmgr.cli.render import note, size_text, write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.build import BuildRequest, build
    from envmgr.ops.channels import WrittenChannel, configured_channels, credential_urls, permitted_channels
    from envmgr.ops.environments import expanded

    context, _ = open_context(options)
    settings = context.settings
    written = [WrittenChannel(name, "command line") for name in options.channel]
    written += () if options.override_channels else configured_channels(context)
    context = context.with_credentials([*options.channel, *credential_urls(settings)])
    request = BuildRequest(
        recipes=tuple(expanded(recipe, context) for recipe in options.recipes),
        output=expanded(options.output, context) if options.output else settings.local_channel_dir,
        channels=permitted_channels(written, context),
        force=options.force,
        run_tests=not options.no_test,
        keep_work=options.keep_work,
        compression_level=options.zstd_level,
    )
    built = build(request, context, (lambda _text: None) if options.json else note)
    if options.json:
        write_json(
            {
                "success": True,
                "channel": str(request.output),
                "built": [str(artifact.path) for artifact in built.artifacts],
                "present": list(built.present),
            }
        )
        return 0
    write_lines(f"{artifact.path.name}  {size_text(artifact.size)}" for artifact in built.artifacts)
    note(f"{len(built.artifacts)} packages built, {len(built.present)} present already, in {request.output}")
    return 0
