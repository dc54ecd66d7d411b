"""What values look like that a process or its surroundings hold: never the values (probe/exposed/values.c)."""

from __future__ import annotations

from provisioner.observed import Number, Observed, Text


class Value(Observed):
    """
    A value by its class.

    `place` is where it is: "environment", "the kernel's command line", "fw_cfg", a DMI string, the environment of
    another process.  `name` is "" for a value without one.  `shape` is the class that probe/exposed/secret_shapes.h
    describes.
    """

    place: Text
    name: Text
    shape: Text
    length: Number
