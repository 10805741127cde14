"""The agent: unlocked devices behind a unix socket, as ssh-agent is for SSH (docs/agent.md).

Importing this package imports nothing: the relay, which every command of a chain starts, is in it.
"""
