"""Options and commands of other tools that envmgr does not have, each with why, or what to say instead.

Options that ask for what envmgr does anyway are accepted (`options.add_understood`). None is ignored silently.
"""

from __future__ import annotations

from typing import Final

_CONFIG = "envmgr edits one file, which envmgr config path shows"
_FORMS = "envmgr takes the best form of an index that a channel has"
_MENUS = "envmgr makes no menu entries"
_ONE_FILE = "settings come from the files that envmgr info shows; $CONDARC names one more"
_READ = "it asks no channel"
_SEARCH = "say envmgr list -n NAME, or why"

NOT_THERE: Final = {
    # conda
    "--auth": "URLs are shown without logins",
    "--clobber": "packages may bring the same path; the plan tells which one wins",
    "--console": "progress is shown on terminals only; --quiet and --json show none",
    "--debug": "ENVMGR_TRACEBACK=1 shows where a defect comes from",
    "--trace": "ENVMGR_TRACEBACK=1 shows where a defect comes from",
    "--dev": "it is for those who develop conda",
    "--environment-specifier": "a file's name and content tell what it is",
    "--env-spec": "a file's name and content tell what it is",
    "--experimental": _FORMS,
    "--repodata-use-zst": _FORMS,
    "--no-repodata-use-zst": _FORMS,
    "--repodata-use-shards": _FORMS,
    "--no-repodata-use-shards": _FORMS,
    "--mamba-repodata-parsing": _FORMS,
    "--features": "say the names of the packages that track it",
    "--fields": "--json has all fields",
    "--force": "say --force-reinstall with install, or remove the environment first",
    "--force-pscheck": "there is nothing to override",
    "--freeze-installed": "install has it",
    "--no-update-deps": "install has it",
    "--force-reinstall": "install has it",
    "--format": "a file's name and content tell what it is",
    "--insecure": "say envmgr config set ssl_verify false, or ENVMGR_SSL_VERIFY=false for one command",
    "-k": "say envmgr config set ssl_verify false, or ENVMGR_SSL_VERIFY=false for one command",
    "--no-lock": "the cache needs no locks, and changes of one environment always wait for each other",
    "--no-show-channel-urls": "list --show-channel-urls shows them",
    "--only-deps": "create has it",
    "--prune": "say envmgr update --prune",
    "--repodata-fn": "the whole index is searched, repodata.json",
    "--revision": "say envmgr rollback NUMBER; envmgr history shows the numbers",
    "--rev": "say envmgr rollback NUMBER; envmgr history shows the numbers",
    "--shortcuts": _MENUS,
    "--shortcuts-only": _MENUS,
    "--show-channel-urls": "list has it",
    "--size": "say envmgr list --size, or envmgr info --sizes",
    "--solver": "envmgr has one solver, its own",
    "--unknown": "what channels list is used and nothing else",
    "--use-index-cache": "--offline uses what is stored; index_max_age_seconds says how long that is fresh",
    "-C": "--offline uses what is stored; index_max_age_seconds says how long that is fresh",
    "clean --logfiles": "there are no log files",
    "clean -l": "there are no log files, and no lock outlives its process",
    "-S": "install has it",
    "--satisfied-skip-solve": "install has it",
    "config --force": "there is nothing to force",
    "config -f": "there is nothing to force",
    "notices --use-local": "say -c local",
    "config --clear": "say envmgr config remove KEY",
    "config --describe": "docs/configuration.md describes every setting",
    "config --env": _CONFIG,
    "config --file": _CONFIG,
    "config --system": _CONFIG,
    "config --name": _CONFIG,
    "config -n": _CONFIG,
    "config --prefix": _CONFIG,
    "config -p": _CONFIG,
    "config --stdin": "say one change a command",
    "config --write-default": "envmgr config show shows the defaults",
    "doctor --list": "every check is run",
    "info --system": "envmgr info shows all that it knows",
    "info -s": "envmgr info shows all that it knows",
    "info --unsafe-channels": "URLs are shown without logins",
    "init --condabin": "the function is enough",
    "init --install": "the function is enough",
    "init --no-user": "start-up files of the user alone are edited",
    "init --system": "start-up files of the user alone are edited",
    "remove --channel": _READ,
    "remove -c": _READ,
    "remove --override-channels": _READ,
    "remove -O": _READ,
    "remove --use-local": _READ,
    "remove --no-pin": "pins keep nothing from being removed",
    "run --debug-wrapper-scripts": "there is no wrapper script",
    "search --canonical": "--builds --json has all parts",
    "search --envs": _SEARCH,
    "search --names-only": "--json has the names as keys",
    "search --outdated": "say envmgr update --all --dry-run",
    "search -o": "say envmgr update --all --dry-run",
    "search --reverse-dependency": "say envmgr repoquery whoneeds",
    # mamba and micromamba
    "--allow-downgrade": "install lets what must move go either way",
    "--allow-softlinks": "the setting link_mode says how files are linked",
    "--always-softlink": "the setting link_mode says how files are linked",
    "--allow-uninstall": "the plan shows what goes",
    "--always-copy": "say --copy",
    "--cacert-path": "the setting ssl_verify takes the path of certificates",
    "--channel-alias": "say ENVMGR_CHANNEL_ALIAS=URL",
    "--extra-safety-checks": "say envmgr config set extra_safety_checks true",
    "--safety-checks": "everything is checked when it is unpacked; envmgr verify compares all files",
    "--local": "-n NAME or -p PREFIX asks an environment",
    "--lock-timeout": "the setting lock_wait_seconds says how long a change waits for another",
    "--log-level": "ENVMGR_TRACEBACK=1 shows where a defect comes from",
    "--no-env": "variables of settings begin with ENVMGR_ and CONDA_; unset them",
    "--no-py-pin": "python stays where it can, and moves where a spec asks for it",
    "--py-pin": "python stays where it can, and moves where a spec asks for it",
    "--no-pyc": "bytecode is compiled once and shared",
    "--pyc": "that is so anyway; leave it out",
    "--no-rc": _ONE_FILE,
    "--rc-file": _ONE_FILE,
    "--no-prune-deps": "say remove --no-prune",
    "--prune-deps": "say update --prune",
    "--print-config-only": "say envmgr config show",
    "--print-context-only": "say envmgr config show",
    "--relocate-prefix": "an environment is made for one place; envmgr rename, or doctor --fix after a move",
    "--target-prefix-override": "an environment is made for one place; envmgr rename, or doctor --fix after a move",
    "--repodata-ttl": "the setting index_max_age_seconds says how long an index is fresh",
    "--retry-clean-cache": "damaged files of the cache are fetched anew by themselves",
    "--root-prefix": "say ENVMGR_ROOT=FOLDER",
    "-r": "say ENVMGR_ROOT=FOLDER",
    "--skip-run-link-scripts": "packages need them; with link_scripts set to refuse, such packages are refused",
    "--ssl-no-revoke": "revocation lists are not asked",
    "--ssl-verify": "say envmgr config set ssl_verify VALUE, or ENVMGR_SSL_VERIFY=VALUE for one command",
    "--trusted-channels": "say envmgr config set allowlist_channels URL",
    "--verify-artifacts": "checksums are always checked; signatures of channels are not read",
    "--use-uv": "uv resolves what comes from PyPI wherever it is found; leave it out",
    "--pin": "pins hold anyway; leave it out",
    "--run-link-scripts": "that is so anyway; leave it out",
    "--pretty": "say envmgr search --info",
    "config --sources": "envmgr config show shows them",
    "config -s": "envmgr config show shows them",
    "config --descriptions": "docs/configuration.md describes every setting",
    "config --long-descriptions": "docs/configuration.md describes every setting",
    "config --groups": "docs/configuration.md describes every setting",
    "info --licenses": "the file LICENSE has it",
    "shell-hook --shell": "the shell is a word: envmgr shell-hook bash",
    "shell-hook -s": "the shell is a word: envmgr shell-hook bash",
    "update --version": "envmgr --version shows its own",
    "clean --locks": "no lock outlives its process",
    "clean --trash": "there is no trash",
    "run --attach": "streams are the command's own",
    "run -a": "streams are the command's own",
    "run --clean-env": 'say env -i PATH="$PATH" HOME="$HOME" envmgr run -n NAME COMMAND',
    "run --detach": "say nohup envmgr run -n NAME COMMAND &",
    "run -d": "say nohup envmgr run -n NAME COMMAND &",
    "run --label": "the command is a process of its own, with its own name",
}
"""By the option, or the command and the option where it is another thing there."""


COMMANDS_NOT_THERE: Final = {
    "add": "envmgr install --save NAME",
    "check": "envmgr doctor -n NAME",
    "commands": "envmgr --help lists the commands",
    "compare": "envmgr diff NAME FILE",
    "constructor": "envmgr list --explicit, and envmgr create --file with what it printed",
    "exec": "envmgr create -n NAME, then envmgr run -n NAME COMMAND",
    "freeze": "envmgr list --export",
    "global": "an environment for each tool, and envmgr run -n NAME COMMAND",
    "package": "envmgr verify --foreign tells the files of no package",
    "plugins": "there are no plugins",
    "ps": "the processes are ordinary ones, which the system's ps shows",
    "reinstall": "envmgr verify --repair, or envmgr install --force-reinstall NAME",
    "self-update": "update it as it was installed, with pip",
    "server": "envmgr index writes a channel for any web server",
    "show": "envmgr list, or envmgr search --info",
    "sync": "envmgr update --prune -f FILE",
    "task": "envmgr run -n NAME COMMAND",
    "workspace": "an environment.yml describes an environment, and envmgr config the channels",
}
"""Commands of conda, mamba, pixi, pip and poetry, each with what to say instead."""


def reason_against(command: str, word: str) -> str | None:
    """Why *command* has no option *word* (as it was typed, perhaps with a value); None where it is not known."""
    option = word.partition("=")[0]
    name = option if option.startswith("--") else option[:2]
    positive = name.replace("--no-", "--", 1)
    for known in (f"{command} {name}", f"{command.split(maxsplit=1)[0]} {name}", name, positive):
        if known in NOT_THERE:
            return NOT_THERE[known]
    return None
