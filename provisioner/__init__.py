"""Makes what pytest_isolation judges: machines, sandboxes, and the probe's facts about them.  Never imports pytest."""
