#!/usr/bin/env bash
# Installs the Debian packages that one way of running Similar Cases needs. Asks nothing; does nothing where all is there.
# Usage: install-debian.sh orthanc|worker|ohif|test|images …
set -euo pipefail

packages_for() {
    case $1 in
        # Orthanc with the two plugins that the bridge needs; python3 is the interpreter that the Python plugin embeds
        orthanc) echo orthanc orthanc-python orthanc-dicomweb python3 ;;
        # the worker's interpreter, and a compiler for pyradiomics, which comes as source
        worker) echo python3 python3-venv python3-dev gcc g++ libgomp1 ca-certificates ;;
        # what serves OHIF: nginx, envsubst for its template, curl for its health
        ohif) echo nginx-light gettext-base curl ;;
        # dciodvfy judges our SEG and SR; debootstrap brings the second Orthanc; storescu is a scanner of another make;
        # chromium reads the page, curl the API
        test) echo dicom3tools dcmtk debootstrap chromium curl ;;
        # builds our Dockerfiles without a daemon
        images) echo buildah debootstrap ;;
        *) echo "install-debian.sh: what is '$1'? Known: orthanc worker ohif test images" >&2; return 2 ;;
    esac
}

wanted=()
for what in "$@"; do
    read -ra list <<<"$(packages_for "$what")"
    wanted+=("${list[@]}")
done

missing=()
for package in "${wanted[@]}"; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if ((${#missing[@]} == 0)); then exit 0; fi

as_root=()
if ((EUID != 0)); then
    if ! sudo --non-interactive true 2>/dev/null; then
        echo "Missing Debian packages. Install them as root, then try again:" >&2
        echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update --quiet --quiet
"${as_root[@]}" apt-get install --quiet --quiet --yes --no-install-recommends "${missing[@]}" >/dev/null
