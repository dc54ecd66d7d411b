"""Checks of the network: who reaches whom, tried in a network of our own (--isolation-network)."""
