"""Whether a process that was at work still lives, as a user tells who may not look at others' processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from envmgr.prefix.marker import Owner
from tests.users import as_user, needs_other_users

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import os, sys
from msgspec.structs import replace
from envmgr.prefix.marker import Owner
assert not os.path.exists("/proc/1/stat"), "processes of others are not hidden"
others = replace(Owner.this_process(), pid=int(sys.argv[1]), started=sys.argv[2])
print(others.is_alive(), replace(others, pid=2**22 + 1).is_alive())
"""


@needs_other_users
def test_a_process_that_is_hidden_from_us_counts_as_alive() -> None:
    us = Owner.this_process()
    code = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-c", ASK, str(us.pid), us.started]
    hide = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    unshare = shutil.which("unshare") or "unshare"
    command = [unshare, "-m", "--propagation", "private", "sh", "-c", hide, "sh", *as_user(61_001), *code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "True False\n", done.stderr
