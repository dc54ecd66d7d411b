"""Machines: the box that they boot, and the providers that start, freeze, restore and stop them.

protocol.py says what a provider is; box.py makes what they boot; qemu.py and vagrant.py are the providers.
"""
