"""The protocol: every method, what it takes, what it answers, and the errors it may answer with.

This is the single source. The server checks requests with it; ``rpc.discover``, ``plugin/openrpc.json`` and the
reference in docs/protocol.md are generated from it (:mod:`keyring_plugin.openrpc`). Methods that begin with
``keyring.`` are those of the SDK's ``keyring.Keyring``; their semantics are in docs/keyring-semantics.md.

Bytes are base64. Records and public keys are proto-JSON with the original field names.
"""

from __future__ import annotations

from collections.abc import Mapping

from keyring_bridge import errors
from keyring_plugin import samples
from keyring_plugin.errors import VersionUnsupported
from keyring_plugin.fields import (
    Base64,
    Boolean,
    CoinMetadataField,
    Identifier,
    Integer,
    PublicKeyField,
    Secret,
    SignModeField,
    Structure,
    Text,
)
from keyring_plugin.method import Example, Method, Param, Result

PROTOCOL_VERSION = 1
OLDEST_VERSION = 1
"""The versions that this release speaks, from the oldest to the newest."""

CANCEL = "$/cancelRequest"
DISCOVER = "rpc.discover"
HANDSHAKE = "bridge.handshake"
PING = "bridge.ping"

MAX_SIGN_BYTES = 512 * 1024
"""Longest sign bytes. The largest transaction that a chain takes by default is smaller by far."""

UID = Text(1024, errors.InvalidName)
ADDRESS = Text(256, errors.InvalidAddress)
ALGORITHM = Text(64)
ARMOR = Text(65536)
INDEX = Integer(0, (1 << 32) - 1)

KEY = Result.of("key", "KeyEntry")
KEYS = Result("keys", {"type": "array", "items": KEY.schema})
SIGNATURE = Result.of("signature", "Signature")
ARMORED = Result("armor", {"type": "string"})

_NAMING = (errors.KeyNotFound, errors.InvalidName)
_FINDING = (errors.KeyNotFound, errors.InvalidAddress)
_NEW_NAME = (errors.InvalidName, errors.KeyExists, errors.DuplicateAddress, errors.AuditFailed)
_IMPORTING = (
    *_NEW_NAME,
    errors.InvalidKey,
    errors.UnsupportedAlgorithm,
    errors.AuthError,
    errors.ProviderError,
    errors.CapabilityMissing,
    errors.SignatureRejected,
)
_SIGNING = (
    errors.ChainDamaged,
    errors.CannotSign,
    errors.InvalidSignDoc,
    errors.NoPolicy,
    errors.PolicyDenied,
    errors.LimitReached,
    errors.PolicyInvalid,
    errors.PinRequired,
    errors.PinIncorrect,
    errors.PinBlocked,
    errors.PinLocked,
    errors.ProviderError,
    errors.SignatureRejected,
    errors.NonceReuse,
    errors.AuditFailed,
    errors.DeadlineExceeded,
    errors.Cancelled,
)

COMMON_ERRORS = (
    errors.InvalidRequest,
    errors.ConfigError,
    errors.ConfigMissing,
    errors.StoreFailed,
    errors.DeadlineExceeded,
    errors.Cancelled,
    errors.Overloaded,
)
"""Any method that needs the bridge may answer with these."""

_uid = Param("uid", UID, "name of the key")
_new_uid = Param("uid", UID, "name of the new key")
_address = Param("address", ADDRESS, "bech32 address of any prefix")
_mode = Param("mode", SignModeField(), "sign mode: name or number; it says how `msg` is read")
_msg = Param("msg", Base64(MAX_SIGN_BYTES), "the sign bytes, unhashed")
_PARTS = {"body_bytes": Base64(MAX_SIGN_BYTES), "auth_info_bytes": Base64(MAX_SIGN_BYTES)}
_transaction = Param(
    "transaction",
    Structure(_PARTS, tuple(_PARTS)),
    "the transaction's parts, without which TEXTUAL sign bytes cannot be read",
    required=False,
)
_coin_metadata = Param(
    "coin_metadata",
    CoinMetadataField(),
    "the bank's metadata that TEXTUAL screens were made with; that of `hsm chain add` if left out",
    required=False,
)
_algo = Param("algo", ALGORITHM, "signing algorithm, such as `secp256k1`")
_pub_key = Param("pub_key", PublicKeyField(), "public key in proto-JSON")
_armor = Param("armor", ARMOR, "armored key")
_passphrase = Param("passphrase", Secret(), "passphrase of the armor")
_bip39 = Param("passphrase", Secret(), "BIP-39 passphrase", required=False)
_hd_path = Param("hd_path", Text(256), "BIP-32 path with a hardened purpose, coin type and account")
_derived_algo = Param("algo", ALGORITHM, "`secp256k1`, `eth_secp256k1`, or the type URL of an eth_secp256k1 key")

_CLIENT = Structure({"name": Text(64), "version": Text(64)}, ("name",))

_METHODS = (
    Method(
        HANDSHAKE,
        "Agree on a protocol version and learn what the server can do. Opens no device and needs no configuration; "
        "may be left out. The client names the newest version it speaks, the server answers with the newest that "
        "both speak.",
        (
            Param("protocol_version", Integer(0, 1_000_000), "newest version that the client speaks", required=False),
            Param("client", _CLIENT, "who asks; a hint for the audit log", required=False),
        ),
        Result.of("handshake", "Handshake"),
        (VersionUnsupported,),
        Example({"protocol_version": 1, "client": {"name": "my-wallet", "version": "1.4"}}, samples.HANDSHAKE),
    ),
    Method(
        PING,
        "Answer at once, however busy the server is. Tells that the server reads and writes, not that a device works.",
        result=Result("pong", {"const": "pong"}),
        example=Example(result="pong"),
    ),
    Method(
        "bridge.status",
        "Return the state of every configured provider, without logging in.",
        result=Result.of("status", "Status"),
        example=Example(result=samples.STATUS),
    ),
    Method(
        "bridge.chain",
        "Return what an operator noted of a chain (`hsm chain add`) for whoever makes its transactions: the most that "
        "is to be paid where a node determines the fee, and how many decimals its coins have. Of a chain that was not "
        "added, or where nothing was noted, both are empty.",
        (Param("chain_id", Text(64), "such as `virtengine-1`"),),
        result=Result.of("chain", "Chain"),
        errors=(errors.ChainDamaged,),
        example=Example({"chain_id": "virtengine-1"}, samples.CHAIN),
    ),
    Method(
        "bridge.unlock",
        "Log in to a provider now, as after an idle logout. After a refused PIN only an operator can, with "
        "`hsm unlock`.",
        (Param("provider", Text(64), "name of the provider; the default one if left out", required=False),),
        result=Result.of("provider", "Unlocked"),
        errors=(
            errors.AuthError,
            errors.PinRequired,
            errors.PinIncorrect,
            errors.PinBlocked,
            errors.PinLocked,
            errors.ProviderError,
        ),
        example=Example({"provider": "token"}, {"provider": "token", "state": "ready"}),
    ),
    Method(
        "keyring.backend",
        "Return the keyring's backend name.",
        result=Result("backend", {"const": "hsm"}),
        example=Example(result="hsm"),
    ),
    Method(
        "keyring.list",
        "Return every key, sorted as the SDK sorts: by the bytes of the name followed by `.info`.",
        result=KEYS,
        example=Example(result=[samples.ENTRY]),
    ),
    Method(
        "keyring.supportedAlgorithms",
        "Return the algorithms of new keys in tokens and on Ledger devices.",
        result=Result.of("algorithms", "Algorithms"),
        example=Example(
            result={"keyring": ["secp256k1", "ed25519", "secp256r1", "eth_secp256k1"], "ledger": ["secp256k1"]}
        ),
    ),
    Method(
        "keyring.key",
        "Return the key with this name.",
        (_uid,),
        KEY,
        errors=_NAMING,
        example=Example({"uid": "ops"}, samples.ENTRY),
    ),
    Method(
        "keyring.keyByAddress",
        "Return the key with this address.",
        (_address,),
        KEY,
        errors=_FINDING,
        example=Example({"address": samples.ADDRESS}, samples.ENTRY),
    ),
    Method(
        "keyring.delete",
        "Remove a record. A key in a token stays there.",
        (_uid,),
        errors=(*_NAMING, errors.AuditFailed),
        example=Example({"uid": "ops"}),
    ),
    Method(
        "keyring.deleteByAddress",
        "Remove the record with this address. A key in a token stays there.",
        (_address,),
        errors=(*_FINDING, errors.AuditFailed),
        example=Example({"address": samples.ADDRESS}),
    ),
    Method(
        "keyring.rename",
        "Give a key another name, in the keyring and in its token.",
        (Param("old", UID, "name of the key"), Param("new", UID, "its new name")),
        KEY,
        errors=(*_NAMING, errors.KeyExists, errors.ProviderError, errors.AuditFailed),
        example=Example({"old": "operations", "new": "ops"}, samples.ENTRY),
    ),
    Method(
        "keyring.newMnemonic",
        "Make a mnemonic of 24 words and import the key that it gives into the default provider. The answer is the "
        "only place where the mnemonic ever is.",
        (_new_uid, Param("language", Text(32), "`english`"), _hd_path, _derived_algo, _bip39),
        Result.of("key and mnemonic", "NewMnemonic"),
        (*_IMPORTING, errors.InvalidPath),
        Example(
            {"uid": "ops", "language": "english", "hd_path": "m/44'/118'/0'/0/0", "algo": "secp256k1"},
            {"key": samples.ENTRY, "mnemonic": "…"},
        ),
    ),
    Method(
        "keyring.newAccount",
        "Derive a key from a mnemonic and import it into the default provider, non-extractable there.",
        (
            _new_uid,
            Param("mnemonic", Secret(), "English words of BIP-39, one space between them"),
            _hd_path,
            _derived_algo,
            _bip39,
        ),
        KEY,
        errors=(*_IMPORTING, errors.InvalidMnemonic, errors.InvalidPath),
        example=Example(
            {"uid": "ops", "mnemonic": "…", "hd_path": "m/44'/118'/0'/0/0", "algo": "secp256k1"}, samples.ENTRY
        ),
    ),
    Method(
        "keyring.saveLedgerKey",
        "Keep a reference to a key on a Ledger device.",
        (
            _new_uid,
            _algo,
            Param("hrp", Text(83), "prefix that the device shows addresses with"),
            Param("coin_type", INDEX, "SLIP-44 coin type"),
            Param("account", INDEX, "BIP-44 account"),
            Param("index", INDEX, "BIP-44 address index"),
        ),
        KEY,
        errors=(*_NEW_NAME, errors.NotAvailable),
        example=Example(
            {
                "uid": "ledger",
                "algo": "secp256k1",
                "hrp": "ve",
                "coin_type": 118,
                "account": 0,
                "index": 0,
            },
            samples.LEDGER_ENTRY,
        ),
    ),
    Method(
        "keyring.saveOfflineKey",
        "Keep a public key under a name. It signs nothing.",
        (_new_uid, _pub_key),
        KEY,
        errors=(*_NEW_NAME, errors.InvalidKey),
        example=Example({"uid": "cold", "pub_key": samples.OFFLINE_KEY}, samples.OFFLINE_ENTRY),
    ),
    Method(
        "keyring.saveMultisig",
        "Keep a multisig public key under a name.",
        (_new_uid, _pub_key),
        KEY,
        errors=(*_NEW_NAME, errors.InvalidKey),
        example=Example({"uid": "board", "pub_key": samples.MULTISIG_KEY}, samples.MULTISIG_ENTRY),
    ),
    Method(
        "keyring.sign",
        "Sign a transaction's sign bytes, if the policy allows what they say.",
        (_uid, _msg, _mode, _transaction, _coin_metadata),
        SIGNATURE,
        errors=(*_NAMING, *_SIGNING),
        example=Example({"uid": "ops", "msg": samples.SIGN_BYTES, "mode": "SIGN_MODE_DIRECT"}, samples.SIGNATURE),
    ),
    Method(
        "keyring.signByAddress",
        "As `keyring.sign`, for the key with this address.",
        (_address, _msg, _mode, _transaction, _coin_metadata),
        SIGNATURE,
        errors=(*_FINDING, *_SIGNING),
        example=Example({"address": samples.ADDRESS, "msg": samples.SIGN_BYTES, "mode": 1}, samples.SIGNATURE),
    ),
    Method(
        "keyring.signArbitrary",
        "Sign data that is no transaction in the envelope of ADR-036, as Keplr's `signArbitrary` does, if the policy "
        "allows arbitrary data with this key.",
        (
            _uid,
            Param("data", Base64(MAX_SIGN_BYTES), "the data, at least one byte"),
            Param("prefix", Text(83), "prefix of the signer's address; the configured one if left out", required=False),
        ),
        SIGNATURE,
        errors=(*_NAMING, *_SIGNING),
        example=Example({"uid": "ops", "data": samples.ARBITRARY_DATA}, samples.SIGNATURE),
    ),
    Method(
        "keyring.signDigest",
        "Sign a digest whose message nobody sees: blind signing, refused unless the policy allows it by name.",
        (_uid, Param("digest", Base64(32, exactly=32), "what to sign, already hashed")),
        SIGNATURE,
        errors=(*_NAMING, *_SIGNING),
        example=Example({"uid": "ops", "digest": samples.DIGEST}, samples.SIGNATURE),
    ),
    Method(
        "keyring.importPrivKey",
        "Import an armored private key into the default provider, non-extractable there.",
        (_new_uid, _armor, _passphrase),
        KEY,
        errors=(*_IMPORTING, errors.InvalidArmor, errors.PassphraseIncorrect),
        example=Example(
            {"uid": "ops", "armor": "-----BEGIN TENDERMINT PRIVATE KEY-----…", "passphrase": "…"}, samples.ENTRY
        ),
    ),
    Method(
        "keyring.importPrivKeyHex",
        "Import an unencrypted private key into the default provider, non-extractable there.",
        (_new_uid, Param("hex", Secret(), "64 hexadecimal digits, with or without `0x`"), _algo),
        KEY,
        errors=_IMPORTING,
        example=Example({"uid": "ops", "hex": "…", "algo": "secp256k1"}, samples.ENTRY),
    ),
    Method(
        "keyring.importPubKey",
        "Keep an armored public key under a name.",
        (_new_uid, _armor),
        KEY,
        errors=(*_NEW_NAME, errors.InvalidArmor, errors.InvalidKey),
        example=Example({"uid": "cold", "armor": "-----BEGIN TENDERMINT PUBLIC KEY-----…"}, samples.OFFLINE_ENTRY),
    ),
    Method(
        "keyring.exportPubKeyArmor",
        "Return the armored public key.",
        (_uid,),
        ARMORED,
        errors=_NAMING,
        example=Example({"uid": "ops"}, "-----BEGIN TENDERMINT PUBLIC KEY-----…"),
    ),
    Method(
        "keyring.exportPubKeyArmorByAddress",
        "As `keyring.exportPubKeyArmor`, for the key with this address.",
        (_address,),
        ARMORED,
        errors=_FINDING,
        example=Example({"address": samples.ADDRESS}, "-----BEGIN TENDERMINT PUBLIC KEY-----…"),
    ),
    Method(
        "keyring.exportPrivKeyArmor",
        "Refused: keys in a token do not leave it.",
        (_uid, _passphrase),
        ARMORED,
        errors=(*_NAMING, errors.ExportRefused),
        example=Example({"uid": "ops", "passphrase": "…"}, "-----BEGIN TENDERMINT PRIVATE KEY-----…"),
    ),
    Method(
        "keyring.exportPrivKeyArmorByAddress",
        "As `keyring.exportPrivKeyArmor`, for the key with this address.",
        (_address, _passphrase),
        ARMORED,
        errors=(*_FINDING, errors.ExportRefused),
        example=Example({"address": samples.ADDRESS, "passphrase": "…"}, "-----BEGIN TENDERMINT PRIVATE KEY-----…"),
    ),
    Method(
        "keyring.migrateAll",
        "As `keyring.list`; there is nothing to migrate in this keyring.",
        result=KEYS,
        example=Example(result=[samples.ENTRY]),
    ),
    Method(
        "agent.status",
        "Tell how the agent is: at once, whatever devices do.",
        result=Result.of("agent", "Agent"),
        errors=(errors.NotAvailable,),
        example=Example(result=samples.AGENT),
    ),
    Method(
        "agent.unlock",
        "Log in to a provider, once. A PIN does not travel in the request: a descriptor of a pipe with the PIN in it "
        "is sent along (`SCM_RIGHTS`), and `pin` says so. If a PIN has to be typed and none came, `ask` is what to "
        "show.",
        (
            Param("provider", Text(64), "name of the provider; the default one if left out", required=False),
            Param("pin", Boolean(), "whether a descriptor with the PIN comes along", required=False),
        ),
        result=Result.of("provider", "AgentUnlocked"),
        errors=(
            errors.NotAvailable,
            errors.AuthError,
            errors.PinRequired,
            errors.PinIncorrect,
            errors.PinBlocked,
            errors.PinLocked,
            errors.ProviderError,
        ),
        example=Example({"provider": "token", "pin": True}, {"provider": "token", "state": "ready", "ask": None}),
    ),
    Method(
        "agent.lock",
        "Log out of every device, and log in to none until `agent.unlock`.",
        errors=(errors.NotAvailable, errors.AuditFailed),
    ),
    Method(
        "agent.stop",
        "End the agent: it answers what it has taken on, logs out and closes its connections.",
        result=Result("pid", {"type": "integer"}),
        errors=(errors.NotAvailable,),
        example=Example(result=4711),
    ),
    Method(
        DISCOVER,
        "Return the OpenRPC document of this protocol.",
        result=Result("document", {"type": "object"}),
        example=Example(
            result={"openrpc": "1.3.2", "info": {"title": "keyring bridge", "version": "1"}, "methods": []}
        ),
    ),
    Method(
        CANCEL,
        "Withdraw a request that is under way: it is answered with `cancelled`. What was asked of a device goes on "
        "there, and the audit log has its outcome. Unknown ids are ignored.",
        (Param("id", Identifier(), "id of the request"),),
        example=Example({"id": 7}),
        notification=True,
    ),
)

METHODS: Mapping[str, Method] = {method.name: method for method in _METHODS}
"""Every method by its name."""
