"""Holds the layering: who may import whom, no cycle, no effect outside the modules named for it.

Imports inside functions and under TYPE_CHECKING count like any other.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "envmgr"

# From the bottom to the top: a module may import from lower layers, and inside its own layer from its own room.
ERRORS, MODELS, PURE, PORTS, EFFECTS, OPS, SESSION, API, CLI = range(9)

EFFECT_MODULES = {
    "build.check",
    "build.elf_tool",
    "build.environment",
    "build.finish",
    "build.load",
    "build.pack",
    "build.ports",
    "build.run",
    "build.scripts",
    "build.sources",
    "build.workplace",
    "channels.client",
    "channels.collect",
    "channels.fill_process",
    "channels.index",
    "channels.index_file",
    "channels.kept_files",
    "channels.shard_fetch",
    "channels.shard_folder",
    "channels.notice_store",
    "channels.store",
    "channels.tables",
    "channels.threads",
    "config.own_file",
    "config.store",
    "host.file_system",
    "host.folder_lock",
    "host.given_file",
    "host.probe",
    "host.shell",
    "host.system",
    "packages.crew",
    "packages.download",
    "packages.extract",
    "packages.fork",
    "packages.forks",
    "packages.homes",
    "packages.intact",
    "packages.intake",
    "packages.layers",
    "packages.prepare",
    "packages.prepare_wheel",
    "packages.read_ahead",
    "packages.unpack_process",
    "packages.unpack_worker",
    "packages.offsets",
    "packages.partial",
    "packages.second_process",
    "packages.store",
    "packages.unpacked",
    "packages.unused",
    "packages.work_area",
    "packages.write",
    "prefix.apply",
    "prefix.bytecode",
    "prefix.carry",
    "prefix.change",
    "prefix.check",
    "prefix.claim",
    "prefix.foreign",
    "prefix.journal",
    "prefix.launchers",
    "prefix.link",
    "prefix.lookup",
    "prefix.placing",
    "prefix.registry",
    "prefix.scripts",
    "prefix.staging",
    "prefix.store",
    "prefix.sums",
    "prefix.target",
    "prefix.threads",
    "prefix.usage",
    "prefix.wheel_notes",
    "prefix.marker",
    "pypi.uv",
    "pypi.stub_folder",
    "pypi.tools",
    "pypi.resolve",
    "pypi.requirement_files",
    "pypi.pip_resolve",
    "pypi.configuration",
    "pypi.build",
    "pypi.build_isolated",
    "pypi.build_source",
    "pypi.index_metadata",
    "pypi.kept_needs",
    "pypi.login_file",
    "pypi.installed",
}
EFFECT_ROOMS = {"net"}

# What a pure module may not import: files, network, environment, clock, processes.
IMPURE = {
    "ctypes", "glob", "http", "io.open", "multiprocessing", "requests", "shutil", "signal", "socket", "sqlite3",
    "subprocess", "tempfile", "threading", "time", "tqdm", "urllib.request", "urllib3",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exit"}
IMPURE_METHODS = {
    "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "rmdir", "iterdir", "rglob",
    "is_file", "is_dir", "symlink_to", "hardlink_to", "chmod", "touch", "readlink", "samefile",
}  # fmt: skip
IMPURE_ATTRIBUTES = {
    ("os", "environ"), ("os", "getenv"), ("os", "getcwd"), ("os", "listdir"), ("os", "scandir"), ("os", "stat"),
    ("os", "open"), ("os", "walk"), ("sys", "exit"), ("sys", "stdout"), ("sys", "stderr"), ("Path", "cwd"),
    ("Path", "home"), ("datetime", "now"), ("datetime", "today"), ("platform", "machine"), ("platform", "system"),
}  # fmt: skip


def module_name(path: Path) -> str:
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def layer(module: str) -> int:
    room = module.split(".", maxsplit=1)[0]
    fixed = {
        "errors": ERRORS,
        "models": MODELS,
        "ports": PORTS,
        "ops": OPS,
        "session": SESSION,
        "api": API,
        "cli": CLI,
        "__main__": CLI,
        "": ERRORS,
    }
    if room in fixed:
        return fixed[room]
    return EFFECTS if module in EFFECT_MODULES or room in EFFECT_ROOMS else PURE


def imported(module: str) -> list[tuple[str, int]]:
    """Every envmgr module that *module* imports, with the line."""
    found = []
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name == "envmgr" or name.startswith("envmgr."):
                inner = name.removeprefix("envmgr").lstrip(".")
                while inner not in MODULES:
                    inner = inner.rpartition(".")[0]
                found.append((inner, node.lineno))
    return found


def external(module: str) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "", node.lineno)]
    return found


@pytest.mark.parametrize("module", sorted(MODULES))
def test_module_imports_only_what_stands_below_it(module: str) -> None:
    wrong = []
    for other, line in imported(module):
        room, other_room = module.split(".", maxsplit=1)[0], other.split(".")[0]
        same_room = room == other_room
        upward = layer(other) > layer(module)
        sideways = layer(other) in (PURE, EFFECTS) and not same_room and layer(module) in (PURE, EFFECTS)
        allowed_sideways = other == "config.settings" and layer(module) == EFFECTS
        if (upward and module != "") or (sideways and not allowed_sideways):
            wrong.append(f"line {line} imports envmgr.{other}")
    assert not wrong, f"envmgr/{module.replace('.', '/')}: " + "; ".join(wrong)


def test_imports_have_no_cycle() -> None:
    graph = {module: {other for other, _ in imported(module)} - {module, ""} for module in MODULES}
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> None:
        if module in done:
            return
        assert module not in path, "cycle: " + " -> ".join([*path[path.index(module) :], module])
        path.append(module)
        for other in sorted(graph[module]):
            visit(other)
        path.pop()
        done.add(module)

    sys.setrecursionlimit(10_000)
    for module in sorted(graph):
        visit(module)


@pytest.mark.parametrize(
    "module", [name for name in sorted(MODULES) if layer(name) in (ERRORS, MODELS, PURE)]
)
def test_pure_module_has_no_effects(module: str) -> None:
    wrong = [f"line {line} imports {name}" for name, line in external(module) if name in IMPURE]
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            wrong.append(f"line {node.lineno} calls {node.func.id}()")
        method = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        if method in IMPURE_METHODS:
            wrong.append(f"line {node.lineno} calls .{method}()")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            pair = (node.value.id, node.attr)
            if pair in IMPURE_ATTRIBUTES:
                wrong.append(f"line {node.lineno} uses {'.'.join(pair)}")
    assert not wrong, f"envmgr/{module.replace('.', '/')}: " + "; ".join(wrong)


def test_effect_modules_all_exist() -> None:
    assert EFFECT_MODULES <= set(MODULES), sorted(EFFECT_MODULES - set(MODULES))


def test_nothing_has_a_name_that_says_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "data", "info", "misc"}
    assert not [module for module in MODULES if vague & set(module.split(".")) and module != "cli.info"]
