"""The shell: a chain's own unmodified program with keys in the bridge (docs/virtengine.md).

What a command does is left to the program: it makes the transaction, turns it into bytes, knows the account and sends
what was signed. The bridge signs, and answers what is about keys.
"""
