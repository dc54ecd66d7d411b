"""One suite of isolation, cgroup-limit and network checks, inside containers and inside VMs, side by side."""
