"""Makes the files from which sandboxes start: images, root file systems, initramfs, the guest's kernel.

image.py        the image of the probe and empty folders: an archive, a folder, an initramfs
own_archive.py  a user's image archive under a name of the run
busybox.py      the shell for images that run commands
debian.py       an image with Debian's userland
mmdebstrap.py   Debian's root file system, from the mirrors of this host's apt
kernel.py       the kernel that a micro VM boots
apt.py          fetches Debian packages without root
elf.py          the architecture of an executable
"""
