#!/usr/bin/env bash
# Measure the bridge beside a raw C loop on the same token, in one run. Installs what is missing.
#
#   ./scripts/bench.sh [--quick] [--write] [SECTION…]
#
# docs/benchmarks.md explains what the tables say.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ensure_venv dev
ensure_softhsm || die "SoftHSM2 is needed (apt-get install softhsm2)"
ensure_compiler || die "a C compiler is needed (apt-get install gcc libc6-dev)"
ensure_go || die "Go $GO_MINIMUM is needed for the section modes"
cd "$ROOT"
exec python -m tests.bench "$@"
