#!/bin/sh
# A hook of mmdebstrap(1): kernel.sh ROOTFS METAPACKAGE. Downloads the kernel package that the metapackage depends on,
# by the box's package lists, and unpacks its image and modules. Its scripts, which make an initramfs, do not run.
set -eu
tree=$1 metapackage=$2
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
package=$(apt-cache depends "$metapackage" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
[ -n "$package" ] || {
  echo "E: $metapackage depends on no kernel" >&2
  exit 1
}
mkdir -p "$tree/boot/fetched"
cd "$tree/boot/fetched"
apt-get --quiet -o APT::Sandbox::User=root download "$package"
# paths in the package: ./boot/vmlinuz-VERSION, ./lib/modules/VERSION; in the tree /lib is a link to usr/lib
dpkg-deb --fsys-tarfile ./*.deb | tar --extract --file=- --directory="$tree" --keep-directory-symlink \
  --wildcards './boot/vmlinuz-*' './lib/modules/*'
cd /
rm -r "$tree/boot/fetched"
chroot "$tree" depmod "${package#linux-image-}"
