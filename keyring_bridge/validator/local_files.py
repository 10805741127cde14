"""Which file systems are trusted with a watermark: local ones, where a lock excludes and a sync is one."""

from __future__ import annotations

import ctypes
import os
from typing import Final

from keyring_bridge.validator.errors import WatermarkFailed

LOCAL: Final = {
    0xEF53: "ext2/3/4",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0xF2F52010: "f2fs",
    0x2FC12FC1: "zfs",
    0xCA451A4E: "bcachefs",
    0x3153464A: "jfs",
    0x52654973: "reiserfs",
    0x3434: "nilfs2",
    0x794C7630: "overlayfs",
    0x01021994: "tmpfs",
}
"""Magic numbers as ``statfs(2)`` tells them. Anything else is taken for a network: a file system nobody thought of here
may share the file between machines, and then nothing keeps two signers apart. What is on tmpfs is gone after a restart
of the machine: then the key signs nothing until somebody sets its state."""

_STATFS_BYTES: Final = 256


def check_local(fd: int) -> None:
    """Check that an open file is on a local file system.

    Raises:
        WatermarkFailed: It is not, or nobody can tell.
    """
    kind = magic(fd)
    if kind not in LOCAL:
        raise WatermarkFailed(
            "the watermark is not on a local file system",
            hint=f"put the state directory on one of: {', '.join(LOCAL.values())}",
            detail=f"statfs says {kind:#x}",
        )


def magic(fd: int) -> int:
    """Return the magic number of the file system that an open file is on.

    Raises:
        WatermarkFailed: The system does not tell.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if libc.fstatfs(ctypes.c_int(fd), buffer):
        raise WatermarkFailed("the watermark's file system is not known", detail=os.strerror(ctypes.get_errno()))
    # ``f_type`` comes first in struct statfs, as a long.
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF
