"""Asking a policy about a transaction that nobody signs.

The transaction is turned into the sign bytes of a mode and read back as the bridge would read them, so that what is
asked is what would be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import InvalidSignDoc
from keyring_bridge.model import Caller, Operation, Purpose
from keyring_bridge.policy.model import Question
from keyring_bridge.policy.tables import SIGN_MODES

if TYPE_CHECKING:
    from cosmos_formats.schema import Schema
    from cosmos_formats.tx import Transaction

SOMEBODY = PublicKey(
    KeyType.SECP256K1, bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
)
"""A key that signs in the place of one that is not at hand: the curve's generator, whose private key is 1."""


def question(
    transaction: Transaction,
    schema: Schema,
    *,
    key: str,
    fingerprint: str,
    caller: str,
    chain_id: str,
    mode: str = "direct",
    public_key: PublicKey | None = None,
    time: datetime | None = None,
) -> Question:
    """Return what the policy would be asked if a transaction were to be signed.

    Args:
        transaction: With or without signers; without, ``public_key`` signs.
        schema: The message types that are known.
        key: Name of the key.
        fingerprint: Of the key.
        caller: Who asks.
        chain_id: The chain.
        mode: Name of the sign mode, as policies have it.
        public_key: Of the key; :data:`SOMEBODY` if it is not at hand.
        time: When; now if None.

    Raises:
        InvalidSignDoc: The transaction cannot be signed in this mode, so that nobody would ask the policy.
    """
    from cosmos_formats import address
    from cosmos_formats.errors import FormatError
    from cosmos_formats.signing.transaction import SignerData
    from cosmos_formats.signing.views import view
    from cosmos_formats.tx import TxSigner
    from keyring_bridge.tx.signing import sign_bytes

    signer_key = public_key or SOMEBODY
    sign_mode = SIGN_MODES[mode]
    try:
        if not transaction.signers:
            transaction = transaction.with_signers([TxSigner.single(signer_key.to_any(), sign_mode, 0)])
        signer = SignerData(address.encode("cosmos", signer_key.address), chain_id, 0, 0, signer_key)
        made = SignMode.LEGACY_AMINO_JSON if sign_mode is SignMode.EIP_191 else sign_mode
        document = sign_bytes(made, transaction.parts, signer, schema, None)
        if sign_mode is SignMode.EIP_191:
            document = b"\x19Ethereum Signed Message:\n%d%b" % (len(document), document)
        schema_for: Callable[[str], Schema] = lambda _: schema  # noqa: E731 - typed
        seen = view(sign_mode, document, schema_for, transaction=transaction.parts, public_key=signer_key)
    except FormatError as error:
        raise InvalidSignDoc(str(error)) from error
    return Question(
        key=key,
        fingerprint=fingerprint,
        purpose=Purpose.ACCOUNT,
        operation=Operation.SIGN,
        mode=sign_mode,
        view=seen,
        caller=Caller(caller),
        time=time or datetime.now(UTC),
    )
