"""Checks of what a sandbox shares with its host: kernel interfaces, clocks, keyrings, hardware."""
