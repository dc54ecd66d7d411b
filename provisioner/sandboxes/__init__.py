"""What one created container or VM is: its runtime, its channel, its limits, and the facts its probe answers."""
