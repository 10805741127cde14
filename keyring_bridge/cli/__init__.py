"""The command line, ``hsm``.

:mod:`keyring_bridge.cli.main` runs it; every command group is one module of :mod:`keyring_bridge.cli.commands`, which
is imported when its command is asked for. This is the only package of the bridge that ends the process or talks to a
person.
"""
