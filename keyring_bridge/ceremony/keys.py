"""The ceremony: a key is made here, imported, proved, and handed out before it has a record.

In this order, so that a key that has a record can be made again by somebody::

    1 entropy     system and token, mixed
    2 mark        one durable file, before the token is touched
    3 import      non-extractable; read back
    4 prove       the key signs a challenge
    5 hand out    words on a terminal, or shares for custodians; confirmed
    6 record      from now on the key is in use
    7 unmark

Whatever fails from 3 on removes the key again. A process that is killed leaves the mark, and a key without a record,
which nobody adopts by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosmos_formats import address as bech32_address
from keyring_bridge.ceremony import marker
from keyring_bridge.ceremony.entropy import gather
from keyring_bridge.ceremony.errors import CeremonyUnfinished
from keyring_bridge.ceremony.hand_out import Born
from keyring_bridge.ceremony.recipe import words_of
from keyring_bridge.errors import BridgeError, CapabilityMissing
from keyring_bridge.model import KeySpec, Purpose
from keyring_bridge.names import check_name
from keyring_bridge.token_keys import TokenKeys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.ceremony.hand_out import HandOut
    from keyring_bridge.ceremony.recipe import Recipe
    from keyring_bridge.device import Device
    from keyring_bridge.model import KeyInfo, Proof
    from keyring_bridge.secrets import SecretBytes
    from keyring_bridge.store.base import StoredRecord


@dataclass(frozen=True, slots=True)
class Held:
    """What a ceremony came to.

    Attributes:
        record: The key's record.
        info: What the token told of the key when it was imported.
        transcript: What the audit log says of it; no secrets.
    """

    record: StoredRecord
    info: KeyInfo
    transcript: Mapping[str, object]


class CeremonyKeys(TokenKeys):
    """One caller's ceremonies."""

    def hold(
        self, name: str, recipe: Recipe, purpose: Purpose, hand_out: HandOut, *, provider: str | None = None
    ) -> Held:
        """Make a recoverable key.

        What an earlier ceremony for the same name left when it was cut off is removed first.

        Args:
            name: Name of the record and label in the token.
            recipe: What kind of key, and its path.
            purpose: Fixed for the key's life.
            hand_out: Takes what makes the key again.
            provider: Name of the configured provider; the default one if None.

        Raises:
            KeyExists: The name is taken.
            CapabilityMissing: The backend cannot import keys, or not remove them.
            CeremonyUnfinished: Another ceremony for this name is under way.
            CeremonyNotConfirmed: Nobody confirmed; the key was removed again.
            BridgeError: What handing out raises; the key was removed again.
        """
        device = self._device(provider)
        if not (device.imports and device.deletes):
            raise CapabilityMissing(
                f"backend {device.scheme} cannot import keys and remove them again, so it holds no recoverable ones"
            )
        self._clear(check_name(name))
        self._check_free(name)
        hand_out.check()
        device.connect()
        entropy, sources = gather(device)
        with entropy:
            return self._hold(name, recipe, purpose, hand_out, device, entropy, sources)

    def _hold(
        self,
        name: str,
        recipe: Recipe,
        purpose: Purpose,
        hand_out: HandOut,
        device: Device,
        entropy: SecretBytes,
        sources: tuple[str, ...],
    ) -> Held:
        with words_of(entropy) as words:
            secret = recipe.secret(words)
        with secret:
            public_key = recipe.public_key(secret)
            self._check_new_in_token(public_key)
            key_id = device.reserve_ids(1)[0]
            plan: dict[str, object] = {"key": name, "purpose": str(purpose), "provider": device.name}
            plan |= {"entropy": list(sources), **recipe.describe(), **hand_out.plan()}
            with (
                self._bridge.administer("key.ceremony", self._caller, plan) as outcome,
                marker.running(
                    self._bridge.config.state_dir, public_key.fingerprint, name, device.name, key_id
                ) as mark,
            ):

                def told(_: Proof) -> None:
                    secret.wipe()
                    try:
                        outcome.update(hand_out.hand_out(entropy, self._born(name, recipe, purpose, public_key)))
                    except BaseException:
                        self._wake(device)
                        raise

                spec = KeySpec(name, public_key.key_type.curve, purpose, key_id=key_id)
                mark.keep = True
                try:
                    info = device.import_key(spec, secret)
                    record = self._adopt_new(device, spec, info, recipe.kind, outcome, told=told)
                except BaseException:
                    hand_out.withdraw()
                    mark.keep = "left_in_token" in outcome or self._is_there(device, public_key)
                    raise
                mark.keep = False
        return Held(record, info, {**plan, **outcome})

    def _born(self, name: str, recipe: Recipe, purpose: Purpose, public_key: PublicKey) -> Born:
        path = "" if recipe.path is None else str(recipe.path)
        address = address_text(public_key, purpose, self._bridge.config.prefix)
        return Born(name, address, str(public_key.key_type), path, public_key.fingerprint)

    def _wake(self, device: Device) -> None:
        """Log in again where writing words down took so long that the token was logged out: the key must go."""
        if self._bridge.provider_status(device.name).state != "locked":
            return
        try:
            self.unlock(device.name)
        except BridgeError:
            # Then the key stays in the token, and its mark on the disk.
            return

    def _is_there(self, device: Device, public_key: PublicKey) -> bool:
        """Whether the token has the key, as far as it can still tell."""
        try:
            return any(info.public_key == public_key.plain for info in device.list_keys())
        except BridgeError:
            return True

    def _clear(self, name: str) -> None:
        """Remove what ceremonies for this name left when they were cut off, and marks of keys that have a record."""
        state_dir = self._bridge.config.state_dir
        known = {record.fingerprint for record in self._store.list()}
        for left in marker.unfinished(state_dir).values():
            if left.under_way:
                if left.name == name:
                    raise CeremonyUnfinished(f"{name}: a ceremony for this name is under way", hint="wait for its end")
                continue
            if left.name == name and left.fingerprint not in known and left.provider in self._bridge.provider_names:
                self._discard(left)
            elif left.fingerprint not in known and left.provider:
                continue
            marker.remove(state_dir, left.fingerprint)

    def _discard(self, left: marker.Marker) -> None:
        device = self._device(left.provider)
        fields = {"key": left.name, "fingerprint": left.fingerprint, "provider": left.provider}
        with self._bridge.administer("key.ceremony.discard", self._caller, fields) as outcome:
            removed = [info for info in device.list_keys() if info.fingerprint == left.fingerprint]
            for info in removed:
                device.delete_key(info.ref)
            outcome["removed"] = len(removed)
            if left.key_id:
                outcome["unfinished_objects"] = device.discard_unfinished([(left.key_id, left.name)])


def address_text(public_key: PublicKey, purpose: Purpose, prefix: str) -> str:
    """Return the address of an account or a consensus key as text."""
    names = bech32_address.prefixes(prefix)
    human = names.valcons if purpose is Purpose.CONSENSUS else names.account
    return bech32_address.encode(human, public_key.address)
