"""Checks of privileges: capabilities, no_new_privs, seccomp filters, security modules and Landlock."""
