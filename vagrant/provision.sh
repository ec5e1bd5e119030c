#!/usr/bin/env bash
# Makes a Debian 12 machine ready for Lasermesh, as root. To run it again changes nothing.
# Its exit code is that of `lasermesh doctor`, so a machine that will not do fails at `vagrant up`.
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../scripts/setup.sh"

setup test # .venv becomes the property of whoever owns these files, here the user vagrant

# Loaded now and at each boot: a user without root cannot load it.
mkdir -p /etc/modules-load.d
echo sch_netem >/etc/modules-load.d/lasermesh.conf
modprobe sch_netem || say "This kernel cannot load sch_netem; the doctor says what is left to use."

exec "$ROOT/.venv/bin/lasermesh" doctor
