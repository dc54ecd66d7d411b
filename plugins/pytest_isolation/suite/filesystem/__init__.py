"""Checks of files: mounts, files of /proc and /sys, device nodes, the image."""
