"""Makes the files from which sandboxes start: images, root file systems, initramfs, the guest's kernel.

image.py     the image of the probe and empty folders: an archive, a folder, an initramfs
busybox.py   the shell for images that run commands
kernel.py    the kernel that a micro VM boots
apt.py       fetches Debian packages without root
elf.py       the architecture of an executable
"""
