"""Turns a built box into one like those of Vagrant's registry: user `vagrant`, Vagrant's public key, a Vagrantfile.

It has no boot loader; its Vagrantfile names the kernel.  debugfs(8) changes the disk without mounting it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

from provisioner.machines.box.build import Box

VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.guest = :debian
  config.vm.provider :libvirt do |libvirt|
    libvirt.kernel = "{kernel}"
    libvirt.initrd = "{initrd}"
    libvirt.cmd_line = "{cmdline}"
  end
end
"""
UID = 1000


def pack_known_box(box: Box, name: str, home: Path, work: Path) -> None:
    """Add a box under a name to the Vagrant with the home folder `home`."""
    work.mkdir()
    env = {**os.environ, "VAGRANT_HOME": str(home), "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_CWD": str(work)}
    run(["vagrant", "box", "list"], env)  # creates Vagrant's public key pair
    raw, image = work / "disk.raw", work / "box.img"
    run(["qemu-img", "convert", "-O", "raw", str(box.disk), str(raw)])
    add_user(raw, run(["ssh-keygen", "-y", "-f", str(home / "insecure_private_key")]), work)
    run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(image)])
    raw.unlink()
    (work / "metadata.json").write_text(json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": 6}))
    text = VAGRANTFILE.format(kernel=box.kernel, initrd=box.initrd, cmdline=box.cmdline)
    (work / "Vagrantfile").write_text(text)
    with tarfile.open(work / "known.box", "w") as tar:
        for part in ("metadata.json", "Vagrantfile", "box.img"):
            tar.add(work / part, arcname=part)
    image.unlink()
    (work / "Vagrantfile").unlink()
    run(["vagrant", "box", "add", "--name", name, str(work / "known.box"), "--provider", "libvirt"], env)


def add_user(raw: Path, public_key: str, work: Path) -> None:
    """Add a user to a file system, who logs in with a key and has no password."""
    lines = {"passwd": f"vagrant:x:{UID}:{UID}::/home/vagrant:/bin/bash", "shadow": "vagrant:*:19000::::::"}
    commands = []
    for file, line in {**lines, "group": f"vagrant:x:{UID}:"}.items():
        text = run(["/sbin/debugfs", "-R", f"cat /etc/{file}", str(raw)])
        (work / file).write_text(f"{text}{line}\n")
        commands += [f"rm /etc/{file}", f"write {work / file} /etc/{file}"]
    (work / "keys").write_text(f"{public_key.strip()} vagrant insecure public key\n")
    folders = ("/home/vagrant", "/home/vagrant/.ssh")
    commands += [f"mkdir {folder}" for folder in folders]
    commands.append(f"write {work / 'keys'} /home/vagrant/.ssh/authorized_keys")
    for path in (*folders, "/home/vagrant/.ssh/authorized_keys"):
        commands += [f"sif {path} uid {UID}", f"sif {path} gid {UID}"]
    (work / "commands").write_text("\n".join(commands) + "\n")
    run(["/sbin/debugfs", "-w", "-f", str(work / "commands"), str(raw)])


def run(argv: list[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=True
    )
    return done.stdout
