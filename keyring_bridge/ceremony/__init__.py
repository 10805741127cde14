"""Keys that can be made again: ceremonies that hand out words or shares, and recovering a key from them.

A recoverable key is born in this process, not in its token, and is imported there non-extractable. What can make it
again leaves the process only as words on a terminal or as shares for custodians (SLIP-39); docs/ceremony.md tells how.
"""
