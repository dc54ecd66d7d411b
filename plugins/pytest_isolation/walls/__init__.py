"""What facts mean, shared by the checks of suite/: pure functions over frozen facts, one module for each wall."""
