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
        echo "! SoftHSM2 is not installed and cannot be installed here (that needs apt-get, and root or sudo)."
    fi
    echo "! This run uses the SOFTWARE provider: the key lies in an encrypted file, not in a token."
    echo "!"
    show hsm init --backend software --chain-id demo-1
else
    export SOFTHSM2_CONF="$DEMO/softhsm2.conf"
    mkdir "$DEMO/tokens"
    printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$DEMO/tokens" >"$SOFTHSM2_CONF"
    show hsm init --backend softhsm --create-token --token-label demo --chain-id demo-1
fi
show hsm keygen --label alice --key-type secp256k1

printf '\n# cosmpy builds, signs and completes a bank send; the key stays where it is\n'
show python examples/cosmpy_send.py --key alice --chain-id demo-1
[ -n "$software" ] || show python examples/token_attributes.py --token demo --key alice --pin-file "$DEMO/pkcs11.pin"

printf '\n# the policy that keygen wrote allows one chain and one kind of message\n'
if show python examples/cosmpy_send.py --key alice --chain-id another-1; then
    die "a transaction for another chain was signed"
fi
printf '\n# all of it is in the audit log\n'
show hsm audit tail
show hsm audit verify

[ -z "$keep" ] || say "" "kept: export KEYRING_BRIDGE_CONFIG=$KEYRING_BRIDGE_CONFIG ${SOFTHSM2_CONF:+SOFTHSM2_CONF=$SOFTHSM2_CONF}"
