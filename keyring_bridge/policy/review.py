"""What is odd about a policy that loads: names of nothing, dangers that it names, and what it leaves open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from keyring_bridge.config.build import nearest
from keyring_bridge.policy.patterns import needs_exact_name

if TYPE_CHECKING:
    from cosmos_formats.schema import Schema
    from keyring_bridge.policy.model import KeyPolicy, Policy, Terms


def warnings_of(policy: Policy, schemas: Mapping[str, list[Schema]]) -> Iterator[str]:
    """Yield a sentence for everything that a person should look at.

    Args:
        policy: The policy.
        schemas: The message types of the chains of each key.
    """
    if policy.keys and policy.manage is None:
        yield "there is no table manage, so everybody who reaches the bridge may make, delete and rename keys"
    for name, key in sorted(policy.keys.items()):
        yield from (f"{name}: {text}" for text in _of_key(key, schemas.get(name, [])))


def _of_key(key: KeyPolicy, schemas: list[Schema]) -> Iterator[str]:
    if key.mentions("unsafe_blind_signing"):
        yield "UNSAFE: blind signing is allowed, which no rule about transactions sees"
    if key.mentions("arbitrary_data"):
        yield "data that is no transaction may be signed"
    named = sorted(set(_names(key)))
    types = sorted({type_url for schema in schemas for type_url in type_urls(schema)})
    packages = {type_url[: type_url.rfind(".") + 1] for type_url in types}
    for pattern in named:
        if pattern.endswith("*"):
            if pattern[:-1] not in packages:
                yield f"{pattern} covers no message that is known"
            elif all(needs_exact_name(one) for one in types if one[: one.rfind(".") + 1] == pattern[:-1]):
                yield f"{pattern} covers nothing: messages of this module have to be named"
        elif not any(schema.find(pattern) is not None for schema in schemas):
            near = nearest(pattern, types)
            hint = f"; did you mean {near}?" if near else ""
            yield f"{pattern} is not known, so its contents are not looked at{hint}"


def _names(terms: Terms) -> Iterator[str]:
    yield from terms.messages or ()
    yield from terms.unknown_spending
    for inner in (*terms.all_of, *(terms.any_of or ())):
        yield from _names(inner)


def type_urls(schema: Schema) -> Iterator[str]:
    """Yield the types that a policy has reason to name: messages with signers, and what grants hold."""
    from cosmos_formats.options import message_options

    for name in schema.names:
        found = schema.find(f"/{name}")
        if found is not None and (
            name.endswith(("Authorization", "Allowance")) or message_options(found.DESCRIPTOR).signers
        ):
            yield f"/{name}"
