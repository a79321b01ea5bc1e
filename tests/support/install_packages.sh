#!/usr/bin/env bash
# Install the Debian packages of the commands that the tests use, where one is missing.
# Usage: install_packages.sh COMMAND...
set -euo pipefail
declare -A package_of=([node]=nodejs [npm]=npm [tmux]=tmux)
missing=()
for command in "$@"; do
    command -v "$command" >/dev/null || missing+=("${package_of[$command]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need these packages, please install them: ${missing[*]}" >&2
    exit 1
fi
echo "Installing ${missing[*]} (apt)"
{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >/dev/null
