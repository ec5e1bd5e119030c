"""What crosses a port, both ways, written to a file as it happens: no external tool.

An AF_PACKET socket in the node gets a copy of every frame that the node sends or receives there,
stamped by the kernel as it passes. A process of its own writes them down; it rests between two
looks, so that it is woken a hundred times a second at most, and not at all while there is silence.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulator.errors import LasermeshError
from emulator.kernel.node import NodeHandle
from emulator.kernel.workers import Worker
from emulator.lab import pcap
from emulator.units import NS_PER_S

_ETH_P_ALL, _SOL_PACKET, _PACKET_STATISTICS = 0x0003, 263, 6
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35
_BUFFER_BYTES = 64 << 20
"""For what comes while the process rests: 10 Gbit/s of full packets."""
_FRAME_BYTES = 65_550
_REST_S = 0.01
_TIMESPEC = struct.Struct("ll")


class Taps:
    """Captures what crosses ports from :meth:`begin` to :meth:`finish`.

    ``ports``: file → (node, name of its port). ``notes`` is a file for what is to be told later.
    """

    def __init__(self, ports: Mapping[Path, tuple[NodeHandle, str]], notes: Path) -> None:
        self._ports = ports
        self._worker = Worker("captures", notes)
        self._told = self._tell = -1
        """Both ends of a pipe by which the child is told to end."""

    def begin(self) -> str:
        """Capture from now on; return '' or why that cannot be."""
        opened: dict[Path, socket.socket] = {}
        try:
            self._told, self._tell = os.pipe()
            for path, (handle, port) in self._ports.items():
                opened[path] = _tap(handle, port)
                path.write_bytes(pcap.head())
            time.sleep(_REST_S)  # the kernel begins to stamp packets a moment after it was asked
            self._worker.start(lambda note: self._write(opened, note))
        except (OSError, LasermeshError) as error:
            return str(error)
        finally:
            for each in opened.values():
                each.close()
        return ""

    def finish(self) -> list[dict[str, Any]]:
        """Write what is left and end; return per file: packets written, and how many were lost.

        Raises RunError where the process has failed.
        """
        os.write(self._tell, b"\0")
        self._worker.finish()
        return self._worker.collect()

    def end(self) -> None:
        """Stop at once, if it still goes on."""
        self._worker.end()
        for end in (self._told, self._tell):
            with suppress(OSError):
                os.close(end)

    def _write(
        self, opened: Mapping[Path, socket.socket], note: Callable[[dict[str, Any]], None]
    ) -> None:
        """Be the child: write until told to end and nothing is left."""
        events = select.epoll()
        events.register(self._told, select.EPOLLIN)
        for tap in opened.values():
            events.register(tap, select.EPOLLIN)
        files = {path: path.open("ab") for path in opened}
        written = dict.fromkeys(opened, 0)
        told = False
        while not told:
            told = any(descriptor == self._told for descriptor, _ in events.poll())
            if not told:
                time.sleep(_REST_S)
            for path, tap in opened.items():
                written[path] += _drain(tap, files[path].write)
                files[path].flush()
        for path, tap in opened.items():
            lost = struct.unpack("II", tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
            note({"file": path.name, "packets": written[path], "lost": lost})


def _tap(handle: NodeHandle, port: str) -> socket.socket:
    """Return a socket that gets a copy of all that crosses a port."""
    tap = handle.socket(socket.AF_PACKET, socket.SOCK_RAW)
    try:
        tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        tap.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        tap.setblocking(False)
        tap.bind((port, _ETH_P_ALL))
    except OSError:
        tap.close()
        raise
    return tap


def _drain(tap: socket.socket, write: Callable[[bytes], object]) -> int:
    """Write down what has come; return how many packets."""
    count = 0
    while True:
        try:
            frame, stamps, _, where = tap.recvmsg(_FRAME_BYTES, 64)
        except BlockingIOError:
            return count
        except OSError:  # told once when the port goes down
            continue
        seconds, rest_ns = next(
            _TIMESPEC.unpack(data) for _, kind, data in stamps if kind == _SO_TIMESTAMPNS
        )
        write(pcap.record(seconds * NS_PER_S + rest_ns, where[2], frame))
        count += 1
