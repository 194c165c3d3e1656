"""The machines that guests run on: how QEMU is started for each architecture of Debian."""

from __future__ import annotations

from typing import Final, NamedTuple


class Machine(NamedTuple):
    """An emulated machine.

    `arch` is Debian's name, `qemu` the program and its options, `console` the device of the serial line, `flavour` what
    the names of Debian's kernel packages end with, `package` the Debian package that has the program, `slow` how many
    times longer than on amd64 emulation takes (measured with the same Python program).
    """

    arch: str
    qemu: tuple[str, ...]
    console: str
    flavour: str
    package: str
    slow: float = 1.0


# `-cpu max` where Python would wait for random numbers without the newest instructions; elsewhere a plain one, since
# emulating pointer authentication and the like takes longer.
MACHINES: Final = {
    machine.arch: machine
    for machine in (
        Machine("amd64", ("qemu-system-x86_64", "-M", "q35", "-cpu", "max"), "ttyS0", "cloud-amd64", "qemu-system-x86"),
        Machine("arm64", ("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"), "ttyAMA0", "cloud-arm64", "qemu-system-arm"),
        Machine("armhf", ("qemu-system-arm", "-M", "virt", "-cpu", "cortex-a15"), "ttyAMA0", "armmp", "qemu-system-arm", 1.5),
        Machine("s390x", ("qemu-system-s390x", "-M", "s390-ccw-virtio", "-cpu", "max"), "ttysclp0", "s390x", "qemu-system-misc", 1.5),
        Machine("riscv64", ("qemu-system-riscv64", "-M", "virt", "-cpu", "rv64"), "ttyS0", "riscv64", "qemu-system-misc", 1.5),
        # The capabilities of a processor that has the mitigations, which an emulated one lacks.
        Machine("ppc64el", ("qemu-system-ppc64", "-M", "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off", "-cpu", "power9"), "hvc0", "powerpc64le", "qemu-system-ppc", 2.0),
    )
}  # fmt: skip
