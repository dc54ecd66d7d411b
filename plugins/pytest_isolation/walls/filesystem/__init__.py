"""What facts of files mean: devices, images, mounts, kernel files, the root directory."""
