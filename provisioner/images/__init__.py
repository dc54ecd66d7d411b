"""The files that sandboxes are made of: images, root file systems, initramfs, the guest kernel."""
