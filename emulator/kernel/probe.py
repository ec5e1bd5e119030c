"""What can this machine do? Asked of the kernel by trying, never guessed from being root."""

import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from emulator.errors import KernelError
from emulator.kernel import build, messages, namespaces
from emulator.kernel.netlink import NetlinkSocket

UML_BINARY = "linux.uml"
UML_MODULES = Path("/usr/lib/uml/modules")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the fabric needs: each field is '' where it works, else why it does not."""

    namespaces: str
    veth: str
    netem: str
    redirect: str

    @property
    def lacks(self) -> str:
        """Why this kernel cannot carry an emulation, '' where it can."""
        reasons = (self.namespaces, self.veth, self.netem, self.redirect)
        return "; ".join(dict.fromkeys(filter(None, reasons)))


def this_kernel() -> Capabilities:
    """Try everything the fabric does once, in a throw-away namespace."""
    name = f"lm-probe-{os.getpid()}"
    try:
        namespaces.prepare()
        namespaces.create(name)
    except (KernelError, OSError) as error:
        reason = str(error) if os.geteuid() == 0 else "needs root"
        return Capabilities(reason, reason, reason, reason)
    try:
        with namespaces.entered(name):
            socket = NetlinkSocket()
            try:
                veth = _attempt(socket, build.void_pair("v0", 10, "v1", 11), "veth")
                netem = messages.netem([10])
                netem["limit_packets"], netem["rate_bytes_s"] = 1, 1
                return Capabilities(
                    "",
                    veth,
                    veth or _attempt(socket, [netem.tobytes()], "sch_netem"),
                    veth or _attempt(socket, _redirect_trial(), "cls_matchall and act_mirred"),
                )
            finally:
                socket.close()
    finally:
        namespaces.delete(name)


def _redirect_trial() -> list[bytes]:
    action = messages.mirred([1])
    action["target_ifindex"] = 11
    return [action.tobytes(), messages.clsact(10), messages.redirect_all(10, 1)]


def _attempt(socket: NetlinkSocket, batch: list[bytes], needs: str) -> str:
    try:
        socket.send(batch, lambda _: f"use {needs}")
    except KernelError as error:
        return f"needs {needs}: {error}"
    return ""


def user_mode_kernel() -> str:
    """Return '' where Debian's user-mode kernel is installed, else what is missing."""
    if shutil.which(UML_BINARY) is None:
        return f"{UML_BINARY} is not installed"
    if not list(UML_MODULES.glob("*/kernel/net/sched/sch_netem.ko")):
        return f"no sch_netem module below {UML_MODULES}"
    if struct.calcsize("P") != 8:
        return "needs a 64-bit machine"
    return ""
