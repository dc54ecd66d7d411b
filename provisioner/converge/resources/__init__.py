"""The kinds of resources, one module each; converge/kinds.py finds them and defines what each must contain.

package.py  Debian packages
module.py   kernel modules
file.py     files with content, mode and owner
sysctl.py   kernel settings below /proc/sys
service/    systemd units
"""
