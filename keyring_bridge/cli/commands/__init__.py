"""The commands of ``hsm``: each module defines the options of a few and runs them."""
