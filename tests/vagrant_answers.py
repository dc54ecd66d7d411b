"""What a Vagrant prints for `status` and `ssh-config`, with lines of plugins and of Ruby between."""

from __future__ import annotations

STATUS = """\
1795500000,,ui,info,Current machine states:
1795500000,web,provider-name,libvirt
1795500000,db,provider-name,libvirt
1795500000,db,state,shutoff
/usr/lib/ruby/x.rb:3: warning: already initialized constant
1795500000,web,state,running
1795500000,web,brand-new-kind
1795500000,web,brand-new-kind,a,b,c,d
1795500000,db,state-human-short,shutoff
1795500000,,ui,info,one%!(VAGRANT_COMMA) two\\nthree
cut,web,state,nonsense
"""
CONFIG = """\
Host db
  HostName 10.0.0.9
  User nobody
Host web
  HostName 192.168.121.75
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  IdentityFile "/home/a b/key"
  IdentityFile /second
  BrandNew yes
Host other
  IdentityFile /third
"""
