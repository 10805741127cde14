"""Values that the examples of the protocol show.

The keys are those of the private keys 1 and 2, and the signature is a real one: a test verifies it.
"""

from __future__ import annotations

ADDRESS = "ve1w508d6qejxtdg4y5r3zarvary0c5xw7kxqvwqs"
OFFLINE_ADDRESS = "ve1q6hag67dl53wl99vzg42z8eyzfz2xlkvv7agey"
MULTISIG_ADDRESS = "ve103kjrkw6l0a9le0a0q0dsgy0uyt4jyham4l6mn"

KEY = {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY"}
OFFLINE_KEY = {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": "AsYEf5RB7X1tMEVAbpXAfNhcd45LjO88p6usCblccJ7l"}
MULTISIG_KEY = {
    "@type": "/cosmos.crypto.multisig.LegacyAminoPubKey",
    "threshold": 2,
    "public_keys": [KEY, OFFLINE_KEY],
}

_WITHOUT_PRIVATE_KEY = {
    "provider": None,
    "hardware": None,
    "extractable": None,
    "created_at": "2026-11-24T08:00:00Z",
}

ENTRY = {
    "record": {"name": "ops", "pub_key": KEY, "local": {"priv_key": None}},
    "address": ADDRESS,
    "key_type": "secp256k1",
    "purpose": "account",
    "fingerprint": "0f715baf5d4c2ed329785cef29e562f73488c8a2bb9dbc5700b361d54b9b0554",
    "provider": "token",
    "hardware": True,
    "extractable": False,
    "created_at": "2026-11-24T08:00:00Z",
}
OFFLINE_ENTRY = {
    "record": {"name": "cold", "pub_key": OFFLINE_KEY, "offline": {}},
    "address": OFFLINE_ADDRESS,
    "key_type": "secp256k1",
    "purpose": "account",
    "fingerprint": "b1c9938f01121e159887ac2c8d393a22e4476ff8212de13fe1939de2a236f0a7",
    **_WITHOUT_PRIVATE_KEY,
}
MULTISIG_ENTRY = {
    "record": {"name": "board", "pub_key": MULTISIG_KEY, "multi": {}},
    "address": MULTISIG_ADDRESS,
    "key_type": None,
    "purpose": "account",
    "fingerprint": None,
    **_WITHOUT_PRIVATE_KEY,
}
LEDGER_ENTRY = {
    **ENTRY,
    "record": {
        "name": "ledger",
        "pub_key": KEY,
        "ledger": {
            "path": {"purpose": 44, "coin_type": 118, "account": 0, "change": False, "address_index": 0},
        },
    },
    "provider": "ledger",
}

SIGN_BYTES = (
    "CogBCoUBChwvY29zbW9zLmJhbmsudjFiZXRhMS5Nc2dTZW5kEmUKKXZlMXc1MDhkNnFlanh0ZGc0eTVyM3phcnZhcnkwYzV4dzdr"
    "eHF2d3FzEil2ZTFxNmhhZzY3ZGw1M3dsOTl2emc0Mno4ZXl6ZnoyeGxrdnY3YWdleRoNCgN1dmUSBjI1MDAwMBJjCk4KRgofL2Nv"
    "c21vcy5jcnlwdG8uc2VjcDI1NmsxLlB1YktleRIjCiECeb5mfvncu6xVoGKVzocLBwKb/NstzijZWfKBWxb4F5gSBAoCCAESEQoL"
    "CgN1dmUSBDUwMDAQwJoMGgx2aXJ0ZW5naW5lLTEgBw=="
)
ARBITRARY_DATA = "TG9nIGluIHRvIGV4YW1wbGUub3Jn"  # Log in to example.org
DIGEST = "8thakp8FOCGw7UBOtURicBakyPb8oPcCdnPh1uktTM0="
SIGNATURE = {
    "signature": "wJcL6HaqOPMmBBS5PcZq0sYVVxHU/lkDxfxGpuPJlRxYeU+e6cNiIZvtSQiNs5bOcNSTtyT1SgL1470FtpF+zw==",
    "pub_key": KEY,
    "correlation_id": "5f0a1c9e27b3d846",
}

HANDSHAKE = {
    "protocol_version": 1,
    "server": {"name": "keyring-plugin", "version": "0.1.0"},
    "capabilities": {"framings": ["newline", "content-length"], "batch": True, "cancel": True, "discover": True},
    "limits": {"max_frame_bytes": 1048576, "max_batch": 50, "max_depth": 64, "max_in_flight": 32, "deadline_ms": 30000},
    "chain_id": "virtengine-1",
    "prefix": "ve",
    "problem": None,
}

CHAIN = {"chain_id": "virtengine-1", "known": True, "max_fee": "5000000uve", "exponents": {"uve": 6}}

STATUS = {
    "providers": [
        {
            "name": "token",
            "state": "ready",
            "hardware": True,
            "token": {"label": "ops", "serial": "8f3c2a", "manufacturer": "SoftHSM project", "model": "SoftHSM v2"},
            "pin": "ok",
            "sessions": 2,
            "message": "",
        }
    ]
}

AGENT = {
    "pid": 4711,
    "version": "0.1.0",
    "socket": "/run/user/1000/keyring-bridge/agent.sock",
    "config": "/home/ops/.config/keyring-bridge/config.toml",
    "since": "2026-11-24T08:00:00Z",
    "state": "unlocked",
    "locked_by": None,
    "idle_lock_seconds": 900,
    "idle_seconds": 4.2,
    "clients": 2,
    "under_way": 0,
    "served": 118,
}
