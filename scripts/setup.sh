#!/usr/bin/env bash
# The ground the other scripts stand on: ROOT, the Debian packages and .venv.
# Sourced, it only defines; `setup [EXTRA...]` then installs what is missing.
# Executed, it does the same: scripts/setup.sh [EXTRA...]
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null && pwd)

say() { printf '%s\n' "$*" >&2; }

setup() {
    setup_packages
    setup_venv "$@"
}

# --- Debian packages ---------------------------------------------------------

setup_packages() {
    local missing
    missing=$(missing_packages)
    [[ $missing ]] || return 0
    if ! command -v apt-get >/dev/null; then
        say "Lasermesh needs these, named as in Debian: $missing"
        exit 3
    fi
    if [[ $(id -u) != 0 ]]; then
        say "Lasermesh needs Debian packages that are not installed. Install them, then try again:"
        say "sudo apt-get install -y $missing"
        exit 3
    fi
    # shellcheck disable=SC2086  # a list of package names
    install_packages $missing
}

# Prints them on one line. A subshell, since os-release sets whatever names it likes.
missing_packages() (
    wanted=(python3-venv iproute2 frr bird2 babeld)
    if ! command -v dpkg-query >/dev/null; then
        missing=()
        command -v ip >/dev/null || missing+=(iproute2)
        [[ -x /usr/lib/frr/zebra ]] || missing+=(frr)
        [[ -x /usr/sbin/bird ]] || missing+=(bird2)
        [[ -x /usr/sbin/babeld ]] || missing+=(babeld)
        host_has_netem || command -v linux.uml >/dev/null || missing+=(user-mode-linux)
        echo "${missing[*]}"
        return
    fi
    # shellcheck source=/dev/null
    source /etc/os-release
    if [[ " $ID ${ID_LIKE-} " == *" ubuntu "* ]]; then
        # Ubuntu has no user-mode-linux. Its kernels keep netem in a package apart;
        # a container on somebody else's kernel would ask for it in vain.
        if ! host_has_netem && [[ $(</proc/version) == *Ubuntu* ]]; then
            wanted+=("linux-modules-extra-$(uname -r)")
        fi
    elif [[ $HOSTTYPE == x86_64 ]]; then # Debian builds user-mode-linux for no other
        wanted+=(user-mode-linux)
    fi
    # shellcheck disable=SC2016  # dpkg-query's fields, not the shell's
    installed=$(dpkg-query -W -f='${Package}=${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null || true)
    missing=()
    for package in "${wanted[@]}"; do
        grep -qxF "$package=installed" <<<"$installed" || missing+=("$package")
    done
    echo "${missing[*]}"
)

host_has_netem() {
    # sbin is not on every user's PATH; modprobe -n also answers for what is built in.
    [[ -d /sys/module/sch_netem ]] || PATH=$PATH:/usr/sbin:/sbin modprobe -n -q sch_netem 2>/dev/null
}

install_packages() {
    local log
    log=$(mktemp)
    say "Installing Debian packages: $*"
    # Lists that are empty or old make the first try fail. One unreachable source fails
    # `update` though the others may have what is needed, so only the second try counts.
    if ! quiet_apt install -y --no-install-recommends "$@"; then
        quiet_apt update || true
        if ! quiet_apt install -y --no-install-recommends "$@"; then
            cat "$log" >&2
            rm -f "$log"
            say "apt-get could not install: $*"
            exit 1
        fi
    fi
    rm -f "$log"
    # Debian starts routers on this very machine. The emulator starts its own daemons, in
    # namespaces; who had such a package before us keeps its service as it was.
    command -v systemctl >/dev/null || return 0
    local package
    for package in "$@"; do
        case $package in
            frr | babeld) systemctl disable --now "$package" >/dev/null 2>&1 || true ;;
            bird2) systemctl disable --now bird >/dev/null 2>&1 || true ;;
        esac
    done
}

# The wait is for a fresh machine's own upgrades, which hold dpkg's lock for minutes.
quiet_apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null >>"$log" 2>&1
}

# --- The virtual-time kernel -------------------------------------------------

# Built once, kept in the user's cache. Without it everything works, in real time.
setup_kernel() {
    local lacking python=$ROOT/.venv/bin/python
    if "$ROOT/.venv/bin/lasermesh" kernel path >/dev/null 2>&1; then return; fi
    lacking=$("$python" -c 'from emulator.kernel import image; print(*image.packages_missing())')
    if [[ $lacking && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2086  # a list of package names
        install_packages $lacking
    fi
    say "Building the virtual-time kernel, once (3 to 8 minutes on two cores)..."
    "$ROOT/.venv/bin/lasermesh" kernel build >&2 ||
        say "No virtual time here: what needs it is skipped, the rest runs in real time."
}

# --- Python ------------------------------------------------------------------

STAMP=$ROOT/.venv/lasermesh-stamp # the hash of what was installed, then its extras

setup_venv() {
    local owner home
    if venv_is_current "$@"; then return; fi
    owner=$(stat -c %U "$ROOT/.venv" 2>/dev/null || stat -c %U "$ROOT")
    if [[ $(id -u) == 0 && $owner != root ]] && runuser -u "$owner" -- test -w "$ROOT" 2>/dev/null; then
        # Under sudo in a user's checkout: .venv stays the user's, to be updated without sudo.
        home=$(getent passwd "$owner" | cut -d: -f6)
        HOME=$home runuser -u "$owner" -- "$ROOT/scripts/setup.sh" "$@"
        return
    fi
    (
        flock 9
        venv_is_current "$@" || install_venv "$@"
    ) 9<"$ROOT"
}

venv_is_current() {
    local hash extras extra
    read -r hash extras 2>/dev/null <"$STAMP" || return 1
    [[ $hash == "$(metadata_hash)" ]] || return 1
    for extra; do
        [[ " $extras " == *" $extra "* ]] || return 1
    done
}

# Python's version and ROOT are in it because an upgrade or a move breaks a venv unseen.
metadata_hash() {
    {
        "$ROOT/.venv/bin/python" -V
        echo "$ROOT"
        cat "$ROOT/setup.cfg" "$ROOT/pyproject.toml"
    } 2>&1 | sha256sum | cut -d' ' -f1
}

install_venv() {
    local python extra extras=""
    if "$ROOT/.venv/bin/python" -c 'import pip' 2>/dev/null; then
        say "Updating Lasermesh in .venv..."
        read -r _ extras 2>/dev/null <"$STAMP" || true # what is there stays, and is updated too
    else
        python=$(find_python)
        say "Installing Lasermesh and its Python packages into .venv (about 400 MB)..."
        "$python" -m venv --clear "$ROOT/.venv"
    fi
    for extra; do
        [[ " $extras " == *" $extra "* ]] || extras+="${extras:+ }$extra"
    done
    "$ROOT/.venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --editable "$ROOT${extras:+[${extras// /,}]}"
    echo "$(metadata_hash) $extras" >"$STAMP"
}

find_python() {
    local candidate found=()
    for candidate in python3 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
        found+=("$("$candidate" -V 2>/dev/null || true)")
    done
    say "Lasermesh needs Python 3.11 or newer, with its venv module; found: ${found[*]:-none}"
    return 1
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then setup "$@"; fi
