"""CometBFT's remote signer protocol ("privval") without I/O: messages, sign bytes, framing, SecretConnection.

* :mod:`.model`: votes, proposals and what is in them.
* :mod:`.messages`: requests and replies of CometBFT 0.34 to 1.0.
* :mod:`.canonical`: the bytes that are signed.
* :mod:`.framing`: a stream cut into messages.
* :mod:`.secret_connection`: the encrypted, authenticated stream over TCP, and :mod:`.frames`, its frames.
* :mod:`.stream`: messages over either transport.
* :mod:`.identity`: the long-term key of an end of such a stream.

Over a unix socket messages are framed and nothing else; over TCP the framed messages go through a SecretConnection.
"""
