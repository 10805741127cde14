"""The contract finds what it is about: each provider here breaks one rule, and the rule's test fails."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import DeadlineExceeded, ObjectNotFound, ProviderError
from keyring_bridge.model import KeyInfo, KeyRef, KeySpec, ProviderStatus, Purpose
from keyring_bridge.providers import private_keys
from keyring_bridge.providers.software import SoftwareProvider
from keyring_bridge.secrets import SecretBytes
from keyring_bridge.testing import ProviderContract, context_for_tests
from tests.key_files import make_key_file

if TYPE_CHECKING:
    from collections.abc import Iterator


class Promises(ProviderContract):
    __test__ = False
    key_types = frozenset({KeyType.SECP256K1, KeyType.ED25519, KeyType.X25519})
    capabilities = frozenset({"generate", "import", "delete", "rename", "derive"})
    deriving_types = frozenset({KeyType.X25519, KeyType.SECP256K1})


class TakesAnyPublicKey(SoftwareProvider):
    def _get_key(self, ref: KeyRef) -> KeyInfo:
        return super()._get_key(KeyRef(ref.uri, self._get_public_key(ref.uri)))


class SignsForAnyPublicKey(SoftwareProvider):
    def _sign(self, ref: KeyRef, payload: bytes, deadline: float | None) -> bytes:
        return super()._sign(KeyRef(ref.uri, self._get_public_key(ref.uri)), payload, deadline)


class SignsWithTheFirstKey(SoftwareProvider):
    def _sign(self, ref: KeyRef, payload: bytes, deadline: float | None) -> bytes:
        first = next(info for info in self._list_keys() if info.key_type is ref.public_key.key_type)
        return super()._sign(first.ref, payload, deadline)


class AnswersHalfASignature(SoftwareProvider):
    def _sign(self, ref: KeyRef, payload: bytes, deadline: float | None) -> bytes:
        return super()._sign(ref, payload, deadline)[:32]


class OverridesTheTemplate(SoftwareProvider):
    def sign(self, ref: KeyRef, payload: bytes, *, deadline: float | None = None) -> bytes:  # type: ignore[misc]
        if len(payload) != 32 and ref.public_key.key_type is not KeyType.ED25519:
            raise DeadlineExceeded("another error than the one that is meant")
        return self._sign(ref, payload, deadline)


class ListsTwice(SoftwareProvider):
    def _list_keys(self) -> list[KeyInfo]:
        return super()._list_keys() * 2


class DescribesInTwoWays(SoftwareProvider):
    def _list_keys(self) -> list[KeyInfo]:
        return super()._list_keys()

    def _get_key(self, ref: KeyRef) -> KeyInfo:
        return replace(super()._get_key(ref), label="another")


class ClaimsToBeHardware(SoftwareProvider):
    def generate_key(self, spec: KeySpec) -> KeyInfo:
        return replace(super().generate_key(spec), hardware=True)


class LeavesHardwareReadable(SoftwareProvider):
    hardware = True


class FindsNothingBySomethingElse(SoftwareProvider):
    def _get_key(self, ref: KeyRef) -> KeyInfo:
        try:
            return super()._get_key(ref)
        except ObjectNotFound:
            raise ProviderError("the device said 0x82") from None


class ForgetsAfterAClose(SoftwareProvider):
    def _close(self) -> None:
        super()._close()
        self.forgotten = True

    def _list_keys(self) -> list[KeyInfo]:
        return [] if getattr(self, "forgotten", False) else super()._list_keys()


class FailsWhenClosed(SoftwareProvider):
    def _get_key(self, ref: KeyRef) -> KeyInfo:
        if self._vault is None:
            raise ProviderError("not connected")
        return super()._get_key(ref)


class StaysReady(SoftwareProvider):
    def _status(self) -> ProviderStatus:
        return ProviderStatus("ready", self.hardware, sessions=1)


class KeepsDeletedKeys(SoftwareProvider):
    def delete_key(self, ref: KeyRef) -> None:
        self._get_key(ref)


class DeletesWithoutLooking(SoftwareProvider):
    def delete_key(self, ref: KeyRef) -> None:
        super().delete_key(KeyRef(ref.uri, self._get_public_key(ref.uri)))


class ImportsSomethingElse(SoftwareProvider):
    def import_key(self, spec: KeySpec, secret: SecretBytes) -> KeyInfo:
        with private_keys.generate(spec.key_type) as other:
            return super().import_key(spec, other)


class ImportsAnything(SoftwareProvider):
    def import_key(self, spec: KeySpec, secret: SecretBytes) -> KeyInfo:
        padded = bytes(secret.reveal())[:31].rjust(32, b"\1")
        with SecretBytes(padded) as good:
            return super().import_key(spec, good)


class WipesWhatItWasGiven(SoftwareProvider):
    def import_key(self, spec: KeySpec, secret: SecretBytes) -> KeyInfo:
        with secret:
            return super().import_key(spec, secret)


class LosesKeysWhenRenaming(SoftwareProvider):
    def rename_key(self, ref: KeyRef, label: str) -> KeyInfo:
        self.delete_key(ref)
        return self.generate_key(KeySpec(label, ref.public_key.key_type))


class RenamesNothing(SoftwareProvider):
    def rename_key(self, ref: KeyRef, label: str) -> KeyInfo:
        return replace(self._get_key(ref), label=label)


class DerivesSomethingElse(SoftwareProvider):
    def derive(self, ref: KeyRef, peer: PublicKey) -> SecretBytes:
        with super().derive(ref, peer) as shared:
            return SecretBytes(bytes(reversed(shared.reveal())))


class DerivesWithEveryKey(SoftwareProvider):
    def derive(self, ref: KeyRef, peer: PublicKey) -> SecretBytes:
        if ref.public_key.key_type is KeyType.X25519:
            return super().derive(ref, peer)
        return SecretBytes(bytes(32))


class RaisesWhateverComes(SoftwareProvider):
    def rename_key(self, ref: KeyRef, label: str) -> KeyInfo:
        if not ref.uri.startswith("software:store="):
            raise KeyError(ref.uri)
        return super().rename_key(ref, label)


class IgnoresPurposes(SoftwareProvider):
    def generate_key(self, spec: KeySpec) -> KeyInfo:
        return super().generate_key(replace(spec, purpose=Purpose.ACCOUNT))


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (TakesAnyPublicKey, "test_checks_the_public_key"),
        (SignsForAnyPublicKey, "test_checks_the_public_key"),
        (SignsWithTheFirstKey, "test_signs_in_many_threads"),
        (AnswersHalfASignature, "test_signs"),
        (AnswersHalfASignature, "test_survives_a_close_while_signing"),
        (OverridesTheTemplate, "test_leaves_the_template_alone"),
        (OverridesTheTemplate, "test_heeds_the_deadline"),
        (OverridesTheTemplate, "test_refuses_what_is_no_payload"),
        (ListsTwice, "test_describes_a_new_key"),
        (DescribesInTwoWays, "test_describes_a_new_key"),
        (ClaimsToBeHardware, "test_describes_a_new_key"),
        (LeavesHardwareReadable, "test_describes_a_new_key"),
        (LeavesHardwareReadable, "test_imports"),
        (FindsNothingBySomethingElse, "test_misses_a_key_that_is_not_there"),
        (ForgetsAfterAClose, "test_connects_by_itself"),
        (FailsWhenClosed, "test_connects_by_itself"),
        (StaysReady, "test_tells_its_state_without_logging_in"),
        (KeepsDeletedKeys, "test_deletes"),
        (DeletesWithoutLooking, "test_deletes"),
        (ImportsSomethingElse, "test_imports"),
        (ImportsAnything, "test_refuses_to_import_what_is_no_key"),
        (WipesWhatItWasGiven, "test_imports"),
        (LosesKeysWhenRenaming, "test_renames"),
        (RenamesNothing, "test_renames"),
        (DerivesSomethingElse, "test_derives"),
        (DerivesWithEveryKey, "test_signing_keys_do_not_derive"),
        (IgnoresPurposes, "test_keeps_keys_to_their_trade"),
        (RaisesWhateverComes, "test_raises_nothing_but_errors_of_the_bridge"),
    ],
)
def test_a_broken_rule_is_found(kind: type[SoftwareProvider], test: str, tmp_path: Path) -> None:
    contract = Promises()
    check = getattr(contract, test)
    named: dict[str, Any] = {}
    parameters = inspect.signature(check).parameters
    for name in ("key_type", "signing_type"):
        if name in parameters:
            named[name] = KeyType.X25519 if test == "test_derives" else KeyType.SECP256K1
    sound = SoftwareProvider(make_key_file(tmp_path, "sound"), context_for_tests(tmp_path, "sound"))
    broken = kind(make_key_file(tmp_path, "broken"), context_for_tests(tmp_path, "broken"))
    for provider in closing(sound, broken):
        provider.connect()
        if provider is sound:
            check(provider=provider, **named)
        else:
            with pytest.raises((AssertionError, KeyError, TypeError, ProviderError)):
                check(provider=provider, **named)


def closing(*providers: SoftwareProvider) -> Iterator[SoftwareProvider]:
    for provider in providers:
        yield provider
        provider.close()


def test_a_capability_too_many_or_too_few_is_found(tmp_path: Path) -> None:
    provider = SoftwareProvider(make_key_file(tmp_path), context_for_tests(tmp_path))
    for capabilities in (Promises.capabilities - {"rename"}, Promises.capabilities | {"discover"}):
        contract = type("Other", (Promises,), {"capabilities": capabilities})()
        with pytest.raises(AssertionError, match="capability"):
            contract.test_has_the_promised_capabilities(provider)


def test_the_contract_needs_no_pytest() -> None:
    from tests.processes import output

    assert output("import sys, keyring_bridge.testing; print('pytest' in sys.modules)").strip() == "False"
