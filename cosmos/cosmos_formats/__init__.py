"""What Cosmos specifies about bytes: addresses, keys, records, sign documents.

Nothing here opens a file, reads a clock or writes a log. Every parser takes bytes or text and returns a
validated value or raises :class:`cosmos_formats.errors.FormatError`.
"""
