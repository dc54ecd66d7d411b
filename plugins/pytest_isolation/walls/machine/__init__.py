"""What facts of machines mean: hardware, hypervisors, platforms of VMs."""
