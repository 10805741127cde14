#!/usr/bin/env bash
# Run every check: ruff, mypy, shellcheck where it is installed, pytest. Installs what is missing.
#
#   ./scripts/test.sh [--python X.Y] [--no-lint] [pytest's arguments…]
#
# A test that needs SoftHSM2, a C compiler, Go or Node.js fails where it is missing; nothing is skipped.
# As many tests run at once as there are processors; WORKERS=0 runs them one after the other, in pytest's own process.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python=
lint=yes
while [ $# -gt 0 ]; do
    case $1 in
    --python)
        python=${2:?--python needs a version, like 3.12}
        shift 2
        ;;
    --no-lint)
        lint=no
        shift
        ;;
    -h | --help)
        sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    *) break ;;
    esac
done

ensure_venv dev "$python"
ensure_softhsm || warn "SoftHSM2 is not here and could not be installed: tests that need it will fail"
ensure_compiler || warn "there is no C compiler and none could be installed: tests that need it will fail"
ensure_go || warn "there is no Go $GO_MINIMUM and none could be installed: tests that need it will fail"
ensure_node || warn "there is no Node.js $NODE_MINIMUM with npm and none could be installed: tests that need it will fail"

cd "$ROOT"
if [ "$lint" = yes ]; then
    say "== ruff"
    ruff check .
    ruff format --check .
    say "== mypy"
    mypy
    if command -v shellcheck >/dev/null 2>&1; then
        say "== shellcheck"
        shellcheck -x scripts/*.sh .ci/run
    fi
fi
say "== pytest ($(python -V))"
# Tests of one file share what they set up, so a file stays with one worker. The folder's name is short because the paths
# of sockets have to be: they end after 107 bytes.
folder=$(mktemp -d /tmp/kb.XXXX)
trap 'rm -rf "$folder"' EXIT
python -m pytest -n "${WORKERS:-$(nproc)}" --dist loadfile --basetemp "$folder/t" "$@"
