"""Boxes: what machines boot, built on this host from a recipe.

boxes/*.yaml  the recipes, as data: another box is another file
recipe.py     loads a recipe, and hashes everything that decides a box's content
rootfs.py     the root file system: Debian by mmdebstrap, with the recipe's files and units
kernel.sh     mmdebstrap's hook that fetches the kernel
initrd.py     the initramfs: init.c and the kernel modules that it loads
init.c        the initramfs's only program: loads modules, mounts the root, starts systemd
keys.py       the key that logs in, and the guests' host key
build.py      puts it all together → Box, and packs a box for `vagrant box add`
inventory.py  lists built boxes, and those that the lab needs
"""
