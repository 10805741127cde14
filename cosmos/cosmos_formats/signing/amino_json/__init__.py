"""SIGN_MODE_LEGACY_AMINO_JSON: the sign document as canonical JSON, written and read.

Follows ``x/tx/signing/aminojson`` of cosmos-sdk v0.53 (x/tx v0.14): descriptors and their ``amino.*`` options decide,
not message types. Stricter than the chain in what no wallet writes: every part must be in canonical protobuf, JSON is
at most 64 levels deep, decimals are written without prefixes, leading zeros and separators, and times lie in the years
1 to 9999.

A chain makes the document from messages that it has read into Go types and written again, so that it says what Go fills
in. Some types' Go code leaves the messages packed in them as they are (the deprecated client states in IBC's connection
messages); no descriptor tells, so here they are filled in too, and such a signature fails if one lacks something.

The modules: ``text`` writes JSON as Go does, ``scalars`` and ``times`` have the values, ``plan`` says how the messages
of one type are written, ``encode`` and ``decode`` go from messages to JSON and back, ``sign_doc`` makes sign bytes and
``parse`` reads them.
"""

from __future__ import annotations

from cosmos_formats.signing.amino_json.decode import decode_message
from cosmos_formats.signing.amino_json.encode import encode_message
from cosmos_formats.signing.amino_json.parse import AminoMessage, StdFee, StdSignDoc, parse_sign_doc, unwrap_eip191
from cosmos_formats.signing.amino_json.sign_doc import sign_bytes
from cosmos_formats.signing.amino_json.text import JsonValue, canonical

__all__ = (
    "AminoMessage",
    "JsonValue",
    "StdFee",
    "StdSignDoc",
    "canonical",
    "decode_message",
    "encode_message",
    "parse_sign_doc",
    "sign_bytes",
    "unwrap_eip191",
)
