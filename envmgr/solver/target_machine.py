"""How texts name the machine that is solved for, and how the user says that it is another one."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from envmgr.models.virtual_package import override_variable


class TargetMachine(Struct, frozen=True):
    """The machine, called *name*: this one, which variables override (CEP 30), or one that an *option* describes.

    >>> HERE.setting("__cuda", "12.4"), OF_LOCK.setting("__cuda", "12.4")
    ('CONDA_OVERRIDE_CUDA=12.4', '--virtual __cuda=12.4')
    """

    name: str = "this machine"
    option: str | None = None

    def setting(self, package: str, value: str) -> str:
        """What gives the virtual *package* the version *value*."""
        if self.option is not None:
            return f"{self.option} {package}={value}"
        return f"{override_variable(package)}={value}"

    def remark(self, package: str) -> str:
        """Half a sentence: what changes the virtual *package*."""
        return (
            f"{override_variable(package)} overrides it"
            if self.option is None
            else f"{self.option} changes it"
        )

    def hint(self, package: str) -> str:
        """A sentence: what to do for a machine with another version of the virtual *package*."""
        if self.option is not None:
            return f"Say {self.option} {package}=VERSION for another machine."
        return f"Set {override_variable(package)} to solve for another machine."


HERE: Final = TargetMachine()
OF_LOCK: Final = TargetMachine("the machine of the lock", "--virtual")
