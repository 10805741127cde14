"""Making, changing and destroying keys in a token.

Every key is asked to be sensitive and not extractable, and the token's word is read back: modules differ in their
defaults, and some ignore what they are asked. A key that is not as asked for is destroyed again, and so is whatever a
failure leaves half made; the id of a new key is random, so nothing else has it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from keyring_bridge.errors import AttributeNotHonoured, InvalidName, ObjectNotFound, ProviderError
from keyring_bridge.providers.pkcs11 import codes, metadata
from keyring_bridge.providers.pkcs11.faults import RECOVERABLE, TokenFault, binding
from keyring_bridge.providers.pkcs11.held_object import held
from keyring_bridge.providers.pkcs11.metadata import Metadata
from keyring_bridge.providers.pkcs11.objects import (
    check_same,
    key_info,
    locate,
    private_key,
    public_key_of,
    public_object,
    uri_of,
)
from keyring_bridge.providers.pkcs11.search import find, read
from keyring_bridge.providers.pkcs11.templates import (
    CKK_EC_EDWARDS,
    CKK_EC_MONTGOMERY,
    Form,
    forms,
    packed,
    private_template,
    public_template,
    wanted,
)
from keyring_bridge.uri import Pkcs11Uri

if TYPE_CHECKING:
    import pkcs11.types

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeyInfo, KeyRef, KeySpec, TokenInfo
    from keyring_bridge.providers.pkcs11.cryptoki import Cryptoki
    from keyring_bridge.providers.pkcs11.presets import Preset
    from keyring_bridge.secrets import SecretBytes


Unwrap = Callable[[dict[int, bytes | bytearray]], object]
"""Makes a private key object with a template."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """What a change to a token needs.

    Attributes:
        session: A session that may change the token.
        cryptoki: The module, for what python-pkcs11 cannot do.
        token: The token.
        vendor: What is particular about it.
        remember: Told of a key and its handle, so that nobody has to look for it who signs with it next.
    """

    session: pkcs11.types.Session
    cryptoki: Cryptoki
    token: TokenInfo
    vendor: Preset
    remember: Callable[[KeyInfo, int], object] = lambda info, handle: None

    @property
    def handle(self) -> int:
        """The session's number."""
        number: int = self.session.handle  # type: ignore[attr-defined]  # its stubs leave it out
        return number


def generate(bench: Workbench, spec: KeySpec) -> KeyInfo:
    """Generate a key in the token.

    Raises:
        AttributeNotHonoured: The token did not make it as asked; it was destroyed.
        TokenFault: The token could not make it.
    """
    check_label(spec.label)
    if spec.wrappable:
        from keyring_bridge.providers.pkcs11.wrapping_probe import check_wrapping

        check_wrapping(bench, spec.key_type)
    key_id = _new_id(bench)
    with _removed_on_failure(bench, key_id):
        generate_pair(bench, spec, key_id)
        return _finished(bench, spec, key_id, None)


def import_private(bench: Workbench, spec: KeySpec, secret: SecretBytes, public_key: PublicKey) -> KeyInfo:
    """Put an existing private key into the token.

    Args:
        bench: Where.
        spec: What the key is to be.
        secret: The 32 bytes, checked to be in range: tokens take anything.
        public_key: Its public half, computed from it.

    Raises:
        AttributeNotHonoured: The token did not keep it as asked; it was destroyed.
        TokenFault: The token could not take it.
    """
    from pkcs11 import Attribute, ObjectClass

    check_label(spec.label)
    if spec.wrappable:
        from keyring_bridge.providers.pkcs11.wrapping_probe import check_wrapping

        check_wrapping(bench, spec.key_type)
    key_id = spec.key_id or _new_id(bench)

    made: list[int] = []

    def create_private(form: Form) -> None:
        template = {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.KEY_TYPE: form.kind,
            Attribute.EC_PARAMS: form.params,
            Attribute.VALUE: secret.reveal(),
            **private_template(spec, key_id),
        }
        made.append(bench.cryptoki.create_object(bench.handle, packed(template)))

    with _removed_on_failure(bench, key_id):
        _first_accepted(create_private, forms(spec.key_type))
        public = _create_public(bench, spec, key_id, public_key)
        if spec.key_id:
            return _read_back(bench, spec, made[-1], public, public_key)
        return _finished(bench, spec, key_id, public_key)


def unwrap_private(bench: Workbench, spec: KeySpec, public_key: PublicKey, unwrap: Unwrap) -> KeyInfo:
    """Put a wrapped private key into the token.

    Args:
        bench: Where.
        spec: What the key is to be.
        public_key: Its public half.
        unwrap: Makes an object of the key with a template.

    Raises:
        AttributeNotHonoured: The token did not keep it as asked, and it was destroyed; or the token would let it out
            under an untrusted key, and it did not come in.
        TokenFault: The token could not take it.
    """
    from pkcs11 import Attribute, ObjectClass

    from keyring_bridge.providers.pkcs11.wrapping_probe import check_guarded

    check_label(spec.label)
    key_id = spec.key_id or _new_id(bench)
    if find(bench.session, ObjectClass.PRIVATE_KEY, id=key_id):
        # Whatever has the id of a key that fails is removed.
        raise ProviderError("the token has a key under the id that was reserved for this one")
    check_guarded(bench, spec.key_type)

    def create_private(form: Form) -> None:
        template = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: form.kind}
        unwrap(packed(template | private_template(spec, key_id)))

    with _removed_on_failure(bench, key_id):
        _first_accepted(create_private, forms(spec.key_type))
        _create_public(bench, spec, key_id, public_key)
        return _finished(bench, spec, key_id, public_key)


def _create_public(bench: Workbench, spec: KeySpec, key_id: bytes, public_key: PublicKey) -> pkcs11.types.Object | None:
    """Put a public object beside a key that came in: tokens make none. One that takes none has the note."""
    from pkcs11 import Attribute, ObjectClass

    made: list[pkcs11.types.Object] = []

    def create(form: Form) -> None:
        with binding("C_CreateObject"):
            template = public_template(spec, key_id, form, public_key)
            made.append(bench.session.create_object({Attribute.CLASS: ObjectClass.PUBLIC_KEY, **template}))

    _unless_refused(lambda: _first_accepted(create, forms(spec.key_type)))
    return made[-1] if made else None


def rename(bench: Workbench, ref: KeyRef, label: str) -> KeyInfo:
    """Give a key and its public object another label."""
    from pkcs11 import Attribute

    check_label(label)
    key, public_key = locate(bench.session, Pkcs11Uri.parse(ref.uri), bench.token)
    check_same(ref.public_key, public_key)
    with binding("C_SetAttributeValue"):
        key.found[Attribute.LABEL] = label
    for found in _public_objects(bench, key.key_id, public_key):
        with contextlib.suppress(TokenFault), binding("C_SetAttributeValue"):
            found[Attribute.LABEL] = label
    renamed = private_key(key.found)
    if renamed is None or renamed.label != label:
        raise AttributeNotHonoured("the token did not change the label")
    return key_info(renamed, public_key, bench.token, metadata.read_one(bench.session, key.key_id))


def delete(bench: Workbench, ref: KeyRef) -> None:
    """Destroy a private key, its public object and its note.

    Raises:
        ProviderError: The token still has the private key.
    """
    uri = Pkcs11Uri.parse(ref.uri)
    key, public_key = locate(bench.session, uri, bench.token)
    check_same(ref.public_key, public_key)
    publics = _public_objects(bench, key.key_id, public_key)
    notes = metadata.objects(bench.session, key.key_id) if key.key_id else []
    with binding("C_DestroyObject"):
        key.found.destroy()
    destroy(*publics, *notes)
    try:
        locate(bench.session, uri, bench.token)
    except ObjectNotFound:
        return
    raise ProviderError("the token still has the key after destroying it")


def check_label(label: str) -> None:
    """Raise InvalidName unless a token can take the label."""
    try:
        raw = label.encode()
    except UnicodeEncodeError:
        raise InvalidName("a key's label must be valid Unicode") from None
    if not raw or b"\0" in raw or len(raw) > 1024:
        raise InvalidName("a key's label must have 1 to 1024 bytes, none of them NUL")


def _new_id(bench: Workbench) -> bytes:
    from pkcs11 import ObjectClass

    for _ in range(8):
        key_id = os.urandom(bench.vendor.key_id_length)
        # Two bytes repeat sooner than one thinks, and 0 asks a YubiHSM to choose.
        if any(key_id) and not any(
            find(bench.session, kind, id=key_id) for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
        ):
            return key_id
    raise ProviderError("no free key id was found in the token")


def _first_accepted(make: Callable[[Form], None], candidates: list[Form]) -> None:
    """Call ``make`` with each form until the token takes one; raise what it answered to the last."""
    for form in candidates[:-1]:
        if _unless_refused(partial(make, form)):
            return
    make(candidates[-1])


def _unless_refused(act: Callable[[], None]) -> bool:
    """Return whether the token took it; failures that say nothing about what was asked are raised."""
    try:
        act()
    except TokenFault as fault:
        if fault.rv in RECOVERABLE or fault.rv == codes.DEVICE_MEMORY:
            raise
        return False
    return True


def generate_pair(bench: Workbench, spec: KeySpec, key_id: bytes, *, store: bool = True) -> None:
    """Generate a pair with the attributes that ``spec`` asks for, in the session alone unless ``store``.

    Raises:
        TokenFault: The token makes none like that.
    """
    _first_accepted(lambda form: _generate(bench, spec, key_id, form, store=store), forms(spec.key_type))


def _generate(bench: Workbench, spec: KeySpec, key_id: bytes, form: Form, *, store: bool) -> None:
    from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag
    from pkcs11.constants import DEFAULT

    public, private = public_template(spec, key_id, form, None), private_template(spec, key_id)
    public[Attribute.TOKEN] = private[Attribute.TOKEN] = store
    if form.kind == CKK_EC_MONTGOMERY:
        private[Attribute.KEY_TYPE] = form.kind
        mechanism = codes.CKM_EC_MONTGOMERY_KEY_PAIR_GEN
        bench.cryptoki.generate_key_pair(bench.handle, mechanism, packed(public), packed(private))
        return
    edwards = form.kind == CKK_EC_EDWARDS
    # The binding adds a set of its own, some of which tokens refuse for such keys.
    dropped = dict.fromkeys((Attribute.ENCRYPT, Attribute.DECRYPT, Attribute.WRAP, Attribute.UNWRAP), DEFAULT)
    with binding("C_GenerateKeyPair"):
        parameters = bench.session.create_domain_parameters(
            KeyType.EC_EDWARDS if edwards else KeyType.EC, {Attribute.EC_PARAMS: form.params}, local=True
        )
        parameters.generate_keypair(
            store=store,
            capabilities=MechanismFlag(0),
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN if edwards else Mechanism.EC_KEY_PAIR_GEN,
            public_template={Attribute.VERIFY: DEFAULT, **dropped, **public},
            private_template={**dropped, **private},
        )


def _finished(bench: Workbench, spec: KeySpec, key_id: bytes, imported: PublicKey | None) -> KeyInfo:
    """Read the new key back, note what it is for, and find it as every later operation will.

    Args:
        bench: Where.
        spec: What it was asked to be.
        key_id: Its id.
        imported: Its public key, if it was not made in the token.
    """
    from pkcs11 import ObjectClass

    found = find(bench.session, ObjectClass.PRIVATE_KEY, id=key_id)
    made = private_key(found[0]) if len(found) == 1 else None
    if made is None or made.key_type is not spec.key_type:
        raise AttributeNotHonoured("the token made another key than it was asked for; it was removed")
    _check_attributes(made.found, spec)
    # Where the token keeps no public key of an imported one, the note is what tells it.
    note = _noted(bench, spec, key_id, imported) if imported is not None else None
    key, public_key = locate(bench.session, Pkcs11Uri.parse(uri_of(made, bench.token)), bench.token)
    if imported is not None:
        check_same(imported, public_key)
    return key_info(key, public_key, bench.token, note or _noted(bench, spec, key_id, public_key))


def _read_back(
    bench: Workbench, spec: KeySpec, handle: int, public: pkcs11.types.Object | None, imported: PublicKey
) -> KeyInfo:
    """As :func:`_finished`, for one key of many whose ids were reserved, by handles.

    Whoever reserved the ids compares the whole token when all keys are there.
    """
    made = private_key(held(bench.cryptoki, bench.handle, handle))
    wanted_key = (spec.key_type, spec.key_id, spec.label)
    if made is None or (made.key_type, made.key_id, made.label) != wanted_key:
        raise AttributeNotHonoured("the token made another key than it was asked for; it was removed")
    _check_attributes(made.found, spec)
    note = _noted(bench, spec, spec.key_id, imported)
    told = None if public is None else public_object(public)
    public_key = public_key_of(made, () if told is None else (told,), note)
    if public_key is None:
        raise ObjectNotFound("the token does not tell the public key of this private key")
    check_same(imported, public_key)
    info = key_info(made, public_key, bench.token, note)
    bench.remember(info, handle)
    return info


def _check_attributes(found: pkcs11.types.Object, spec: KeySpec) -> None:
    asked = wanted(spec)
    actual = read(found, asked)
    wrong = [
        f"{kind.name} is {actual.get(kind)}, not {value}" for kind, value in asked.items() if actual.get(kind) != value
    ]
    if wrong:
        raise AttributeNotHonoured(
            "the token did not make the key as it was asked to; it was removed",
            hint="keys in this token would not be protected as the bridge promises; ask its vendor",
            detail="; ".join(wrong),
        )


def _noted(bench: Workbench, spec: KeySpec, key_id: bytes, public_key: PublicKey) -> Metadata:
    note = Metadata(public_key.fingerprint, public_key, spec.purpose, datetime.now(UTC).replace(microsecond=0))
    if bench.vendor.data_objects:
        try:
            metadata.write(bench.session, key_id, spec.label, note)
        except TokenFault as fault:
            if fault.rv in RECOVERABLE:
                raise
    return note


def _public_objects(bench: Workbench, key_id: bytes, public_key: PublicKey) -> list[pkcs11.types.Object]:
    """Return the public objects of a key, and of no other that happens to have its id."""
    from pkcs11 import ObjectClass

    if not key_id:
        return []
    objects = [(found, public_object(found)) for found in find(bench.session, ObjectClass.PUBLIC_KEY, id=key_id)]
    return [found for found, public in objects if public is not None and public.public_key == public_key]


@contextlib.contextmanager
def _removed_on_failure(bench: Workbench, key_id: bytes) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if not _sweep(bench, key_id) and isinstance(error, AttributeNotHonoured):
            raise AttributeNotHonoured(
                "the token did not make the key as it was asked to, and did not remove it either: remove it by hand",
                detail=error.detail,
            ) from error
        raise


def _sweep(bench: Workbench, key_id: bytes) -> bool:
    """Destroy everything that has the id of a key that failed; return whether that worked."""
    from pkcs11 import ObjectClass

    try:
        left: list[Any] = [
            *find(bench.session, ObjectClass.PRIVATE_KEY, id=key_id),
            *find(bench.session, ObjectClass.PUBLIC_KEY, id=key_id),
            *metadata.objects(bench.session, key_id),
        ]
    except TokenFault:
        return False
    return destroy(*left)


def destroy(*objects: pkcs11.types.Object) -> bool:
    """Destroy objects; return whether all of them are gone."""
    destroyed = True
    for found in objects:
        try:
            with binding("C_DestroyObject"):
                found.destroy()
        except TokenFault:
            destroyed = False
    return destroyed
