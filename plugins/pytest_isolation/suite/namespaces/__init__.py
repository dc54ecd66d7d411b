"""Checks of namespaces: what the sandbox has of its own, and as which user it runs on the host."""
