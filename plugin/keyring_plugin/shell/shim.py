"""The shim: a small script earlier on PATH that has the name of a chain's program.

It becomes the program at once, unless the command is for the bridge: the backend is ``hsm``, or the command is ``hsm``.
Only then is Python started.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from keyring_plugin.shell.errors import ShellFailed
from keyring_plugin.shell.programs import MARK, find_program, is_shim

_SCRIPT: Final = """\
#!/bin/sh
{mark}
program={program}
backend=${{{variable}-}}
before=
for word in "$@"; do
  case $before in
    --keyring-backend) backend=$word ;;
  esac
  case $word in
    --) break ;;
    --keyring-backend=*) backend=${{word#*=}} ;;
  esac
  before=$word
done
case $1 in
  __complete*) backend= ;;
  hsm) backend=hsm ;;
  --home=*) [ "${{2-}}" = hsm ] && backend=hsm ;;
  --home) [ "${{3-}}" = hsm ] && backend=hsm ;;
esac
if [ "$backend" != hsm ]; then
  [ -x "$program" ] && exec "$program" "$@"
  echo "$program: there is no such program; install it there, or run: keyring-plugin shell --uninstall ${{0##*/}}" >&2
  exit 127
fi
exec {plugin} shell --env-prefix={prefix} "$program" "$@"
"""


def install(name: str, folder: Path | None, env_prefix: str = "") -> tuple[Path, str]:
    """Write a shim.

    Args:
        name: Of the chain's program on PATH, or its path.
        folder: Where it goes; ``~/.local/bin`` if None.
        env_prefix: Of the program's variables; empty for the usual one.

    Returns:
        The shim, and a warning if it will not be found (empty if it will).

    Raises:
        ProgramNotFound: There is no such program.
        ShellFailed: Something else has that name there.
    """
    program = find_program(name)
    base = os.path.basename(program)
    folder = folder or Path.home() / ".local" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    shim = folder.resolve() / base
    if shim.exists() and not is_shim(str(shim)):
        raise ShellFailed(f"{shim} is there already, and is no shim", hint="name another folder with --dir")
    from keyring_plugin.shell.access import env_prefix_for

    prefix = env_prefix or env_prefix_for(base)
    if not prefix.replace("_", "A").isalnum() or not prefix.isascii():
        raise ShellFailed(f"{prefix} is no prefix of variables", hint="such as VE, of VE_KEYRING_BACKEND")
    plugin = _plugin()
    text = _SCRIPT.format(
        mark=MARK,
        program=shlex.quote(program),
        variable=f"{prefix}_KEYRING_BACKEND",
        prefix=prefix,
        plugin=" ".join(map(shlex.quote, plugin)),
    )
    temporary = shim.with_name(f".{base}.{os.getpid()}")
    temporary.write_text(text)
    temporary.chmod(0o755)
    temporary.replace(shim)
    first = _on_path(base, os.environ.get("PATH", ""))
    if first != shim:
        found = f"finds {first}" if first is not None else "does not look there"
        return shim, f"PATH {found}: put {shim.parent} before {os.path.dirname(program)}"
    return shim, ""


def uninstall(name: str, folder: Path | None) -> Path:
    """Remove a shim and return where it was.

    Raises:
        ShellFailed: There is none.
    """
    base = os.path.basename(name)
    if folder is not None:
        shim = folder.resolve() / base
    else:
        places = [Path(place) / base for place in _places()] + [Path.home() / ".local" / "bin" / base]
        shim = next((place for place in places if is_shim(str(place))), places[-1])
    if not is_shim(str(shim)):
        raise ShellFailed(f"{shim} is no shim; nothing was removed")
    shim.unlink()
    return shim


def _places() -> list[str]:
    return [place for place in os.environ.get("PATH", "").split(os.pathsep) if place]


def _on_path(name: str, path: str) -> Path | None:
    for place in path.split(os.pathsep):
        found = Path(place or ".").resolve() / name
        if found.is_file() and os.access(found, os.X_OK):
            return found
    return None


def _plugin() -> list[str]:
    """Return what starts this program again, from any folder."""
    started = Path(sys.argv[0])
    if started.name == "keyring-plugin" and started.exists():
        return [str(started.absolute())]
    # -P: modules in the folder where a command is run are none of ours.
    return [sys.executable, "-P", "-m", "keyring_plugin"]
