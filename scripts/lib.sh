# shellcheck shell=bash
# Shared by the scripts beside it; sourced, never run. Finds or installs what they need:
#   a Python of 3.11 or newer, a virtual environment, SoftHSM2, a C compiler, Go, Node.js.
# System packages are installed only as root or where sudo asks for no password. Nothing outside the checkout is
# changed otherwise.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE="$ROOT/.cache"
GO_MINIMUM=1.23
# A toolchain that the Go module proxy serves, for machines whose own Go is older.
GO_TOOLCHAIN=go1.23.12
NODE_MINIMUM=18

say() { printf '%s\n' "$*" >&2; }

warn() { say "! $*"; }

die() {
    say "error: $*"
    exit 1
}

# quietly LOG COMMAND…: run it with its output in LOG, shown only if it fails.
quietly() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if "$@" >"$log" 2>&1; then
        return 0
    fi
    say "--- $* failed; the end of its output:"
    tail -n 30 "$log" >&2
    return 1
}

# as_root COMMAND…: run it as root, or return 126 where that needs a password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 126
    fi
}

# install_system PACKAGE…: install Debian packages; returns non-zero where that is not possible.
install_system() {
    command -v apt-get >/dev/null 2>&1 || return 1
    as_root true || return 1
    say "installing $* (apt-get)"
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@")
    # A machine without package lists fails here at once; only then are they fetched.
    as_root "${install[@]}" >"$CACHE/apt.log" 2>&1 && return 0
    # A third-party list that is unreachable must not stop what Debian itself has.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >"$CACHE/apt-update.log" 2>&1 || true
    quietly "$CACHE/apt.log" as_root "${install[@]}"
}

_is_python() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# find_python [X.Y]: print the interpreter's real path. Without a version: the newest habit first, 3.11 or later.
find_python() {
    local wanted=${1:-} candidate
    local candidates=()
    if [ -n "$wanted" ]; then
        candidates=("python$wanted" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$wanted"*/bin/python3)
    else
        candidates=("${PYTHON:-python3}" python3.11 python3.12 python3.13)
    fi
    for candidate in "${candidates[@]}"; do
        if _is_python "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return 0
        fi
    done
    return 1
}

_create_venv() {
    local python=$1 directory=$2
    rm -rf "$directory"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian ships these two apart from python3.
        local version
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        install_system "python$version-venv" || true
    fi
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        quietly "$CACHE/venv.log" "$python" -m venv "$directory"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        quietly "$CACHE/venv.log" "$python" -m venv --without-pip "$directory" &&
            quietly "$CACHE/venv.log" "$python" -m pip --python "$directory/bin/python" install -q pip
    else
        die "$python has neither ensurepip nor pip. As root: apt-get install python3-venv"
    fi || die "no virtual environment could be made in $directory"
}

# ensure_venv LEVEL [X.Y]: make or refresh a virtual environment and put it first on PATH.
#   LEVEL demo: the project with the extra cosmpy.   LEVEL dev: that and the tools that test.sh runs.
# What pyproject.toml and the interpreter were is kept in a stamp, so that a second run costs nothing.
ensure_venv() {
    local level=$1 wanted=${2:-} python directory stamp key
    mkdir -p "$CACHE"
    if ! python=$(find_python "$wanted"); then
        [ -n "$wanted" ] && die "no Python $wanted was found"
        install_system python3 || true
        python=$(find_python) || die "Python 3.11 or newer is needed; PYTHON=/path/to/python3 names one"
    fi
    directory="$ROOT/.venv"
    [ -z "$wanted" ] || directory="$CACHE/venv-$wanted"
    key=$({ cat "$ROOT/pyproject.toml"; "$python" -VV; printf '%s\n' "$python" "$directory"; } | cksum | tr ' ' -)
    stamp="$directory/.installed-$level"
    if [ "$(cat "$stamp" 2>/dev/null || true)" != "$key" ] || ! _is_python "$directory/bin/python"; then
        say "making the virtual environment ${directory#"$ROOT"/} ($("$python" -V), $level)"
        if [ "$(cat "$directory/.base" 2>/dev/null || true)" != "$python" ] || ! _is_python "$directory/bin/python"; then
            _create_venv "$python" "$directory"
            printf '%s\n' "$python" >"$directory/.base"
        fi
        local pip=("$directory/bin/python" -m pip --disable-pip-version-check install -q)
        # Dependency groups need pip 25.1.
        quietly "$CACHE/pip.log" "${pip[@]}" 'pip>=25.1' || die "pip cannot reach its package index"
        local what=(-e "${ROOT}[cosmpy]")
        [ "$level" != dev ] || what+=(--group "$ROOT/pyproject.toml:dev")
        quietly "$CACHE/pip.log" "${pip[@]}" "${what[@]}" || die "the project's packages could not be installed"
        printf '%s\n' "$key" >"$stamp"
    fi
    # The interpreter's own variables would lead it to other packages than those just installed.
    unset PYTHONPATH PYTHONHOME
    export VIRTUAL_ENV=$directory PATH="$directory/bin:$PATH"
}

# ensure_softhsm: returns non-zero where SoftHSM2 is not here and cannot be installed.
ensure_softhsm() {
    command -v softhsm2-util >/dev/null 2>&1 || install_system softhsm2
}

# ensure_compiler: gcc and libc's headers, for the C programs that tests and benches compile.
ensure_compiler() {
    if printf '#include <stdio.h>\nint main(void) { return 0; }\n' | gcc -x c -o /dev/null - 2>/dev/null; then
        return 0
    fi
    install_system gcc libc6-dev
}

_go_is_enough() {
    local have
    have=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || return 1
    [ "$(printf '%s\n' "$GO_MINIMUM" "${have#go}" | sort -V | head -n 1)" = "$GO_MINIMUM" ]
}

# ensure_go: puts a Go that is new enough on PATH. Returns non-zero where there is none and none can be installed.
ensure_go() {
    command -v go >/dev/null 2>&1 || PATH="$PATH:/usr/local/go/bin:/usr/lib/go/bin"
    _go_is_enough && return 0
    command -v go >/dev/null 2>&1 || install_system golang-go || return 1
    _go_is_enough && return 0
    say "fetching the toolchain $GO_TOOLCHAIN (go mod download)"
    local module directory
    module="golang.org/toolchain@v0.0.1-$GO_TOOLCHAIN.$(go env GOOS)-$(go env GOARCH)"
    (cd / && GOTOOLCHAIN=local quietly "$CACHE/go.log" go mod download "$module") || return 1
    directory="$(go env GOMODCACHE)/$module"
    # Only a Go of 1.21 or later knows that these files are programs.
    chmod -R u+w "$directory" && chmod +x "$directory"/bin/* && chmod -R +x "$directory"/pkg/tool || return 1
    PATH="$directory/bin:$PATH"
    _go_is_enough
}

_node_is_enough() {
    local have
    have=$(node --version 2>/dev/null) && command -v npm >/dev/null 2>&1 || return 1
    have=${have#v}
    [ "${have%%.*}" -ge "$NODE_MINIMUM" ]
}

# ensure_node: Node.js with npm. Returns non-zero where there is none that is new enough and none can be installed.
ensure_node() {
    _node_is_enough && return 0
    install_system nodejs npm && _node_is_enough
}
