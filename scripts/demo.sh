#!/usr/bin/env bash
# The main job, end to end: a key in a SoftHSM2 token signs a cosmpy transaction through the plugin, and the audit
# log tells about it. Installs what is missing; everything it makes lies in a private directory, removed at the end.
#
#   ./scripts/demo.sh [--keep] [--software]
#
# --keep leaves the directory for looking around. --software does without a token, as where SoftHSM2 cannot be had.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

keep=
software=
for argument in "$@"; do
    case $argument in
    --keep) keep=yes ;;
    --software) software=yes ;;
    -h | --help)
        sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    *) die "unknown argument $argument; see --help" ;;
    esac
done

ensure_venv demo
if [ -z "$software" ] && ! ensure_softhsm; then
    software=yes
    missing=yes
fi

umask 077
DEMO=$(mktemp -d "${TMPDIR:-/tmp}/keyring-demo.XXXXXX")
forget() { [ -n "$keep" ] || rm -rf "$DEMO"; }
trap forget EXIT
export KEYRING_BRIDGE_CONFIG="$DEMO/config.toml"
cd "$ROOT"

# Show a command as it would be typed, run it, and show the private directory by a name that is worth reading.
show() {
    printf '\n$ %s\n' "$*" | sed "s|$DEMO|\$DEMO|g"
    "$@" 2>&1 | sed "s|$DEMO|\$DEMO|g"
}

if [ -n "$software" ]; then
    echo "!"
    if [ -n "${missing:-}" ]; then
        echo "! SoftHSM2 is not installed and cannot be installed here (apt-get and root are needed)."
    fi
    echo "! This run uses the SOFTWARE provider: the key lies in an encrypted file, not in hardware."
    echo "!"
    head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$DEMO/passphrase"
    show hsm init --backend software --pin-source "file:$DEMO/passphrase" --chain-id demo-1
else
    export SOFTHSM2_CONF="$DEMO/softhsm2.conf"
    mkdir "$DEMO/tokens"
    printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$DEMO/tokens" >"$SOFTHSM2_CONF"
    head -c 4 /dev/urandom | od -An -tu4 | tr -d ' \n' >"$DEMO/pin"
    show hsm init --backend softhsm --create-token --token-label demo --pin-source "file:$DEMO/pin" --chain-id demo-1
fi
show hsm keygen --label alice --key-type secp256k1
show python examples/cosmpy_send.py --key alice --chain-id demo-1
show hsm status
show hsm audit tail
show hsm audit verify

[ -z "$keep" ] || say "" "kept: export KEYRING_BRIDGE_CONFIG=$KEYRING_BRIDGE_CONFIG ${SOFTHSM2_CONF:+SOFTHSM2_CONF=$SOFTHSM2_CONF}"
