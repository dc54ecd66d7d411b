"""The static C program that lives inside a sandbox, and what builds it."""
