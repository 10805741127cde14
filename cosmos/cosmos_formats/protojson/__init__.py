"""Messages as the JSON that the SDK's commands print and read.

The SDK writes JSON with gogoproto's ``jsonpb``, which walks Go structs. Here descriptors and their ``gogoproto``
options tell the same: original field names, defaults written out, 64-bit integers as text, enums by name, ``null`` for
what is absent, packed messages with ``@type``, ``math.Int`` and ``math.LegacyDec`` as numbers in text, and the escapes
of Go's ``encoding/json``.

Reading accepts what that decoder accepts, except where it is careless: a member twice, a field under both of its names,
text that is not UTF-8, anything behind the document, and words or spaces where a number belongs are errors here.
"""

from cosmos_formats.protojson.decoder import decode, decode_text
from cosmos_formats.protojson.encoder import MAX_DEPTH, encode, encode_text
from cosmos_formats.protojson.text import InvalidTxJson, Raw, dumps, parse

__all__ = [
    "MAX_DEPTH",
    "InvalidTxJson",
    "Raw",
    "decode",
    "decode_text",
    "dumps",
    "encode",
    "encode_text",
    "parse",
]
