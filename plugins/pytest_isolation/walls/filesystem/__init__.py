"""What facts of files mean.

copies.py    names of kernel files below further mounts of procfs and sysfs
devices.py   device nodes and the rules that restrict them
host_tree.py what a path of the host is
images.py    setuid files and the user of an image
origins.py   which paths of the host a mount shows
mounts.py    mounts that lead to the host, masks, propagation
paths.py     files of /proc and /sys: writable, masked
rootfs.py    the root directory, mount flags, shared memory
"""
