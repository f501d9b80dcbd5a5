#!/usr/bin/env bash
# Builds both images without a Docker daemon, starts each entry point in a chroot of what was built, and asks for its
# health. Needs root, buildah and debootstrap; `make images` calls it.
#
# The base image is made by debootstrap from this machine's own mirror. This machine's certificates and pip
# configuration are laid into it, so that a machine behind a mirror of its own builds too.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/.cache/images
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 'Component: main' | head -n 1)
mkdir -p "$work"

make_base() {
    if buildah images --quiet localhost/similar-cases-base >/dev/null 2>&1; then return; fi
    if [[ ! -e $work/base/etc/pip.conf ]]; then
        rm -rf "$work/base"
        debootstrap --variant=minbase --include=ca-certificates bookworm "$work/base" "$mirror" >"$work/debootstrap.log"
        cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/ca-certificates.crt"
        pip_configuration >"$work/base/etc/pip.conf"
    fi
    local container
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/base" / >/dev/null
    buildah commit --quiet "$container" localhost/similar-cases-base >/dev/null
    buildah rm "$container" >/dev/null
}

# Prints what pip knows here of indexes, wheels and certificates, whether from files or from the environment.
pip_configuration() {
    echo "[global]"
    python3 -m pip config list | sed -nE "s/^(:env:|global)\.(cert|find-links|index-url|extra-index-url)='(.*)'$/\2 = \3/p" | sort -u
}

build() {
    local name=$1 mounts=() folders="" configuration=$work/base/etc/pip.conf
    # it is gone where the base image was made by an earlier run and its folder was tidied away
    if [[ -e $configuration ]]; then
        folders=$(sed -nE 's#^(find-links|extra-index-url) = ##p' "$configuration" | tr ' ' '\n' | sed 's#^file://##')
    fi
    for folder in $folders; do
        folder=${folder%/simple}
        [[ -d $folder ]] && mounts+=(--volume "$folder:$folder:ro")
    done
    buildah bud --quiet --layers --format docker --isolation=chroot --pull-never --build-arg BASE=localhost/similar-cases-base "${mounts[@]}" \
        --file "docker/$name/Dockerfile" --tag "localhost/similar-cases-$name" . >"$work/$name.build.log" 2>&1
}

# Prints one field of an image's configuration (Entrypoint, Healthcheck, User, Env) as words for the shell.
field_of() {
    buildah inspect --type image "localhost/similar-cases-$1" | python3 -c '
import json, shlex, sys
value = json.load(sys.stdin)["Docker"]["config"].get(sys.argv[1])
value = value["Test"][1:] if isinstance(value, dict) else [value] if isinstance(value, str) else value or []
print(shlex.join(value))' "$2"
}

# Becomes a command in a chroot of an image, as the image's user, with the image's variables and those that follow. Called
# in a subshell or in the background, whose process it then is: ending that ends the command.
in_image() {
    name=$1
    shift
    user=$(field_of "$name" User)
    eval "environment=($(field_of "$name" Env))"
    exec chroot --userspec="$user" "${!name}" /usr/bin/env --ignore-environment "HOME=/var/lib/similar-cases" \
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin" "${environment[@]}" "$@"
}

wait_for() {
    for _ in $(seq 120); do
        if ("$@") >/dev/null 2>&1; then return 0; fi
        sleep 1
    done
    return 1
}

for port in 8042 4242 8043; do
    if (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; then
        echo "port $port is taken: end what listens there, and try again" >&2
        exit 1
    fi
done
token=$(python3 -c 'import secrets; print(secrets.token_hex(32))')
started=() mounted=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done; wait; umount "${mounted[@]}" 2>/dev/null; buildah umount --all >/dev/null 2>&1; buildah rm --all >/dev/null 2>&1' EXIT

make_base
for name in orthanc worker; do
    echo "building $name"
    build "$name"
    container=$(buildah from --pull-never "localhost/similar-cases-$name")
    declare "$name=$(buildah mount "$container")"
done
# shellcheck disable=SC2154  # both are declared above
echo "127.0.0.1 localhost worker orthanc" | tee "$orthanc/etc/hosts" >"$worker/etc/hosts"
mkdir -p "$worker/dev" "$orthanc/dev"
for root in "$orthanc" "$worker"; do
    for device in null urandom random zero; do [[ -e $root/dev/$device ]] || cp -a "/dev/$device" "$root/dev/"; done
    # every container has it, and torch reads the processor there
    mkdir -p "$root/proc"
    mount --bind /proc "$root/proc"
    mounted+=("$root/proc")
done

secrets=(ORTHANC_PASSWORD="$token" SIMILAR_CASES_WEB__TOKEN="$token" SIMILAR_CASES_PACS__ORTHANC_URL=http://orthanc:8042
    SIMILAR_CASES_PACS__USERNAME=similar-cases SIMILAR_CASES_PACS__PASSWORD="$token")
for name in orthanc worker; do
    eval "entrypoint=($(field_of "$name" Entrypoint))"
    in_image "$name" "${secrets[@]}" "${entrypoint[@]}" >"$work/$name.log" 2>&1 &
    started+=($!)
done
for name in orthanc worker; do
    eval "check=($(field_of "$name" Healthcheck))"
    wait_for in_image "$name" "${secrets[@]}" "${check[@]}"
    echo "$name: its health check answers"
done
python3 - "$token" <<'PYTHON'
import base64, json, sys, urllib.request

request = urllib.request.Request("http://127.0.0.1:8042/similar-cases/status")
request.add_header("Authorization", "Basic " + base64.b64encode(f"similar-cases:{sys.argv[1]}".encode()).decode())
print("through the bridge:", json.load(urllib.request.urlopen(request, timeout=30))["states"])
PYTHON
