#!/bin/sh
# Makes a chroot with Debian forky's Orthanc (1.13.0 with the Python plugin 7.1), beside the Orthanc of this machine.
#
#   docker/orthanc-forky.sh [FOLDER] [MIRROR]
#
# FOLDER  where the chroot goes; .cache/orthanc-forky of the checkout unless told otherwise
# MIRROR  a Debian mirror; the one of this machine's own apt sources unless told otherwise
#
# Needs root, debootstrap and 510 MB; takes a minute or two. Does nothing where the chroot is complete already.
# It makes a test machine, not a product: the packages' signatures are not checked, because the release key of forky
# is not on an older Debian.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=${1:-"$here/.cache/orthanc-forky"}
mirror=${2:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 'Component: main' | head -n 1)}

if [ -e "$folder/.complete" ]; then
    echo "$folder is complete"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "orthanc-forky.sh: debootstrap needs root" >&2
    exit 2
fi
if ! command -v debootstrap > /dev/null; then
    echo "orthanc-forky.sh: debootstrap is missing: apt-get install debootstrap" >&2
    exit 2
fi
if [ -z "$mirror" ]; then
    echo "orthanc-forky.sh: apt knows no Debian mirror; give one as the second argument" >&2
    exit 2
fi

making="$folder.making"
rm -rf "$making"
mkdir -p "$(dirname "$folder")"
debootstrap --variant=minbase --no-check-gpg --include=ca-certificates,orthanc,orthanc-python,orthanc-dicomweb,python3 \
    forky "$making" "$mirror" /usr/share/debootstrap/scripts/sid
chroot "$making" Orthanc --version | head -n 1
rm -rf "$making/var/cache/apt/archives/"*.deb "$folder"
touch "$making/.complete"
mv "$making" "$folder"
echo "$folder is complete"
