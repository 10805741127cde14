"""Slots and tokens: what is there, and which one the configuration means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import KeyType
from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import TokenAmbiguous, TokenNotFound
from keyring_bridge.model import TokenInfo
from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.faults import TokenFault, binding

if TYPE_CHECKING:
    from pkcs11.types import Slot, Token

    from keyring_bridge.providers.pkcs11.module import Module


@dataclass(frozen=True, slots=True)
class Place:
    """A token in its slot: what the bridge knows of it, and python-pkcs11's objects for it."""

    info: TokenInfo
    slot: Slot
    token: Token


_SOFTWARE = ("softhsm", "kryoptic", "nss ", "mozilla")


def is_hardware(info: TokenInfo) -> bool:
    """Whether the token is a device, as far as its name tells; programs that play one for tests are known by it."""
    return not any(name in f"{info.manufacturer} {info.model}".lower() for name in _SOFTWARE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What identifies a token; None leaves that part open.

    Attributes:
        index: Place in the list of slots that hold a token.
    """

    label: str | None = None
    serial: str | None = None
    index: int | None = None
    slot_id: int | None = None

    def __str__(self) -> str:
        parts = {"label": self.label, "serial": self.serial, "slot": self.index, "slot id": self.slot_id}
        return ", ".join(f"{name} {value!r}" for name, value in parts.items() if value is not None) or "any"

    def matches(self, info: TokenInfo) -> bool:
        """Whether ``info`` has every part that is given."""
        return (
            (self.label is None or self.label == info.label)
            and (self.serial is None or self.serial == info.serial)
            and (self.index is None or self.index == info.slot_index)
            and (self.slot_id is None or self.slot_id == info.slot_id)
        )


def places(module: Module) -> list[Place]:
    """Return every token that is present, initialised or not, in the module's own order.

    Raises:
        TokenFault: The module does not list its slots.
    """
    with binding("C_GetSlotList"):
        slots = module.binding.get_slots(token_present=True)
    found = []
    for index, slot in enumerate(slots):
        try:
            with binding("C_GetTokenInfo"):
                token = slot.get_token()
        except TokenFault as fault:
            if fault.rv not in (codes.TOKEN_NOT_PRESENT, codes.TOKEN_NOT_RECOGNIZED):
                raise
            continue
        found.append(Place(_info(index, slot, token), slot, token))
    return found


def _info(index: int, slot: Slot, token: Token) -> TokenInfo:
    flags = int(token.flags)
    return TokenInfo(
        label=token.label.rstrip(),
        serial=token.serial.decode("utf-8", "replace").strip("\0 "),
        manufacturer=token.manufacturer_id.rstrip(),
        model=token.model.rstrip("\0 "),
        slot_index=index,
        slot_id=slot.slot_id,
        firmware="{}.{}".format(*token.firmware_version),
        hardware_version="{}.{}".format(*token.hardware_version),
        flags=frozenset(name for bit, name in codes.TOKEN_FLAGS.items() if flags & bit),
    )


def select(module: Module, wanted: Wanted) -> Place:
    """Return the one initialised token that matches.

    Raises:
        TokenNotFound: None does; the hint lists what is there.
        TokenAmbiguous: Several do.
    """
    present = places(module)
    found = [place for place in present if "token_initialized" in place.info.flags and wanted.matches(place.info)]
    if len(found) == 1:
        return found[0]
    if found:
        raise TokenAmbiguous(
            "several tokens match",
            hint="name one: token_serial in the configuration, --token-serial of `hsm init`",
            detail=f"wanted {wanted}; matching: {_seen(found)}",
        )
    tokens = [place for place in present if "token_initialized" in place.info.flags]
    if not tokens:
        raise TokenNotFound(
            "no token is there",
            hint="plug it in; `hsm init --create-token` makes one of SoftHSM2's",
            detail=f"wanted {wanted}; slots with an empty token: {len(present)}",
        )
    raise TokenNotFound(
        "none of the tokens that are there matches",
        hint="plug it in, or correct token_label, token_serial, slot or slot_id (options of `hsm init`, too)",
        detail=f"wanted {wanted}; present: {_seen(tokens)}",
    )


def _seen(found: list[Place]) -> str:
    tokens = [place.info for place in found]
    return "; ".join(f"slot {info.slot_index}: {info.label!r}, serial {info.serial}" for info in tokens)


def refreshed(place: Place) -> TokenInfo:
    """Return the token's information as it is now (its flags change with every wrong PIN)."""
    with binding("C_GetTokenInfo"):
        return _info(place.info.slot_index, place.slot, place.slot.get_token())


def signing_types(place: Place) -> frozenset[KeyType] | None:
    """Return the curves whose signatures the token has a mechanism for; None if it does not tell.

    ECDSA stands for both of its curves: tokens tell no list of curves, so an import may still be refused.
    """
    from pkcs11 import Mechanism
    from pkcs11.exceptions import PKCS11Error

    try:
        mechanisms = place.slot.get_mechanisms()
    except (PKCS11Error, ValueError):
        return None
    types: set[KeyType] = set()
    if Mechanism.ECDSA in mechanisms:
        types |= {KeyType.SECP256K1, KeyType.SECP256R1}
    if Mechanism.EDDSA in mechanisms:
        types.add(KeyType.ED25519)
    return frozenset(types)
