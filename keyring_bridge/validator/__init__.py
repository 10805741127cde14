"""What guards a validator's key: rules against signing twice, and the durable memory that they need.

* :mod:`.watermark`: the rules, without I/O.
* :mod:`.guard`: the order of things around one signature.
* :mod:`.slot_file`: the memory in a file of its own; :mod:`.slots`, its blocks.
* :mod:`.state_formats`: the states of other signers, read and written.
"""
