"""The providers that use Vagrant.

machine.py          provider libvirt: boxes built here and boxes that Vagrant knows, in the lab's own network
other_providers.py  virtualbox, vmware_desktop, parallels, hyperv: everything through Vagrant
program.py          calls Vagrant, with deadlines and a log
progress.py         turns Vagrant's output into steps on the screen, and knows how long each may take
output.py           parses Vagrant's output
lab_file.py         writes the JSON that the Vagrantfile reads
boxes.py            gives Vagrant the boxes that it needs, and deletes unused ones
login.py            learns SSH user, key and host key of boxes that Vagrant knows
state.py            what one command remembers for the next: NAME.made in the lab's folder
"""
