"""Tells whether a VM on this machine runs on the processor or is emulated.

In: /dev/kvm.  Out: an `Accelerator` with the reason in one line.  That /dev/kvm opens proves nothing: some hosts
interpret the guest.  So a loop is timed in a small guest without a VMM, in a child process (`python -m
provisioner.linux.kvm`) with a hard timeout, once per boot.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import platform
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from provisioner.errors import IsolationError
from provisioner.files.atomic import write_whole
from provisioner.linux.processes import boot_id
from provisioner.paths import import_path, run_dir

VARIABLE = "PYTEST_ISOLATION_ACCELERATOR"
DEVICE = Path("/dev/kvm")
LOOPS = 200_000
ACCELERATED = 0.1  # seconds; hardware needs about one millisecond, an interpreting host half a second
TIMEOUT = 5.0

# linux/kvm.h, x86: _IO and _IOW of type 0xAE
KVM_CREATE_VM = 0xAE01
KVM_GET_VCPU_MMAP_SIZE = 0xAE04
KVM_CREATE_VCPU = 0xAE41
KVM_SET_TSS_ADDR = 0xAE47
KVM_SET_USER_MEMORY_REGION = 0x4020AE46
KVM_RUN = 0xAE80
KVM_SET_REGS = 0x4090AE82
KVM_GET_SREGS = 0x8138AE83
KVM_SET_SREGS = 0x4138AE84
KVM_EXIT_IO = 2

MEMORY = 4 << 20
PML4, PDPT, PD, CODE, DATA, STACK = 0x1000, 0x2000, 0x3000, 0x4000, 0x8000, 0xF000


@dataclass(frozen=True)
class Accelerator:
    """The value for QEMU's -accel, and the reason in one line."""

    name: Literal["kvm", "tcg"]
    why: str


def accelerator() -> Accelerator:
    """
    Return whether a guest runs on the processor.

    Returns:
        "kvm" if the timed loop ran on the processor or PYTEST_ISOLATION_ACCELERATOR says so, else "tcg".

    Raises:
        IsolationError: PYTEST_ISOLATION_ACCELERATOR has another value.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen in ("kvm", "tcg"):
        return Accelerator("kvm" if chosen == "kvm" else "tcg", f"{VARIABLE}={chosen}")
    if chosen:
        raise IsolationError(f"cannot use '{VARIABLE}={chosen}': no such accelerator", hint="set it to kvm or tcg")
    if refusal := _refusal():
        return Accelerator("tcg", refusal)
    if platform.machine() != "x86_64":
        return Accelerator("kvm", f"{DEVICE} opens; not timed on this architecture ({platform.machine()})")
    found = _read_cache()
    if found is None:
        found = judge(run_loop())
        _write_cache(found)
    return found


def judge(answer: dict[str, object]) -> Accelerator:
    """Turn the child's answer ({"seconds": …} or {"error": …}) into an Accelerator."""
    seconds = answer.get("seconds")
    if not isinstance(seconds, float):
        return Accelerator("tcg", f"{DEVICE} opens, but no guest runs: {answer.get('error', 'no answer')}")
    if seconds < ACCELERATED:
        return Accelerator("kvm", f"{LOOPS} loops took {seconds * 1000:.1f} ms in a guest")
    return Accelerator("tcg", f"{DEVICE} opens, but {LOOPS} loops took {seconds:.2f} s: interpreted, not accelerated")


def run_loop() -> dict[str, object]:
    """Time the loop in a child process, which is killed at the deadline whatever its guest does."""
    argv, env = [sys.executable, "-m", "provisioner.linux.kvm"], {**os.environ, **import_path()}
    try:
        done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT, env=env)
        answer = json.loads(done.stdout or b"{}")
    except subprocess.TimeoutExpired:
        return {"error": f"no end of {LOOPS} loops after {TIMEOUT:.0f} s"}
    except (OSError, ValueError) as error:
        return {"error": str(error)}
    return answer if isinstance(answer, dict) else {}


def _refusal() -> str:
    """Return why /dev/kvm cannot be opened, or an empty string."""
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"{DEVICE} is missing"
    except PermissionError:
        return f"{DEVICE}: permission denied: add yourself to group kvm"
    except OSError as error:
        return f"{DEVICE} does not open: {error.strerror}"
    return ""


def _cache_key() -> list[object]:
    status = DEVICE.stat()
    return [boot_id(), status.st_ino, status.st_mtime_ns]


def _read_cache() -> Accelerator | None:
    try:
        saved = json.loads((run_dir() / "accelerator.json").read_text("utf-8"))
        if saved["key"] == _cache_key() and saved["name"] in ("kvm", "tcg"):
            return Accelerator(saved["name"], str(saved["why"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _write_cache(found: Accelerator) -> None:
    folder = run_dir()
    folder.mkdir(parents=True, exist_ok=True)
    document = {"key": _cache_key(), "name": found.name, "why": found.why}
    write_whole(folder / "accelerator.json", json.dumps(document), 0o600)


def guest_code(loops: int) -> bytes:
    """Return the guest's program: a loop that stores to memory, then `out 0xe9, 'L'` and hlt."""
    return (
        b"\xb9" + struct.pack("<I", loops)  # mov ecx, loops
        + b"\x48\xbb" + struct.pack("<Q", DATA)  # mov rbx, DATA
        + b"\x48\x89\x0b\xff\xc9\x75\xf9"  # L: mov [rbx], rcx; dec ecx; jnz L
        + b"\xb0L\xe6\xe9\xf4"
    )  # fmt: skip


def _time_guest() -> float:
    """Run the loop in a guest of one processor in 64-bit mode and return the quickest of up to three tries, seconds."""
    kvm = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    vm = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
    fcntl.ioctl(vm, KVM_SET_TSS_ADDR, 0x7FFBD000)  # Intel without unrestricted guest needs it; any free page
    memory = mmap.mmap(-1, MEMORY)
    for table, entry in ((PML4, PDPT | 3), (PDPT, PD | 3), (PD, 0x83), (PD + 8, 0x200083)):
        struct.pack_into("<Q", memory, table, entry)
    code = guest_code(LOOPS)
    memory[CODE : CODE + len(code)] = code
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(vm, KVM_SET_USER_MEMORY_REGION, struct.pack("<IIQQQ", 0, 0, 0, MEMORY, address))
    vcpu = fcntl.ioctl(vm, KVM_CREATE_VCPU, 0)
    run = mmap.mmap(vcpu, fcntl.ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0))
    _set_long_mode(vcpu)
    tries: list[float] = []
    while len(tries) < 3 and sum(tries) < 3 * ACCELERATED and min(tries, default=1.0) >= ACCELERATED:
        # struct kvm_regs: rax rbx rcx rdx rsi rdi rsp rbp r8-r15 rip rflags
        fcntl.ioctl(vcpu, KVM_SET_REGS, struct.pack("<18Q", *[0] * 6, STACK, *[0] * 9, CODE, 2))
        started = time.perf_counter()
        fcntl.ioctl(vcpu, KVM_RUN, 0)
        tries.append(time.perf_counter() - started)
        (reason,) = struct.unpack_from("<I", run, 8)
        if reason != KVM_EXIT_IO:
            raise OSError(0, f"the guest left with KVM exit reason {reason}")
    return min(tries)


def _set_long_mode(vcpu: int) -> None:
    """Set struct kvm_sregs: flat 64-bit code and data segments, paging by PML4; the rest stays as it was made."""
    sregs = bytearray(312)  # a mutable buffer: fcntl.ioctl copies at most 1024 immutable bytes
    fcntl.ioctl(vcpu, KVM_GET_SREGS, sregs, True)
    for number in range(6):  # cs ds es fs gs ss
        kind, selector, db, long = (11, 8, 0, 1) if number == 0 else (3, 16, 1, 0)
        fields = (0, 0xFFFFFFFF, selector, kind, 1, 0, db, 1, long, 1, 0, 0, 0)
        struct.pack_into("<QIH10B", sregs, 24 * number, *fields)
    struct.pack_into("<4Q", sregs, 224, 0x80000001, 0, PML4, 0x20)  # cr0 PG|PE, cr2, cr3, cr4 PAE
    struct.pack_into("<Q", sregs, 264, 0x500)  # efer LMA|LME
    fcntl.ioctl(vcpu, KVM_SET_SREGS, sregs, True)


if __name__ == "__main__":
    try:
        print(json.dumps({"seconds": _time_guest()}))
    except OSError as fault:
        print(json.dumps({"error": fault.strerror or str(fault)}))
