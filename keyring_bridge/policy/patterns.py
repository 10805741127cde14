"""Naming types of messages.

A name is a type URL, ``/cosmos.bank.v1beta1.MsgSend``, or all messages of one module, ``/cosmos.staking.v1beta1.*``.
A wildcard covers what somebody who wrote it had in mind: messages that the module defines itself and that are known
here. It never covers a type that hands authority to somebody else or carries instructions that nobody here can read;
those have to be named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from cosmos_formats.quickclass import dataclass

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_EXACT = re.compile(rf"/{_NAME}(?:\.{_NAME})*")
_WILDCARD = re.compile(rf"/{_NAME}(?:\.{_NAME})+\.\*")

_TAKES_BACK = frozenset(
    {"MsgRevoke", "MsgRevokeAll", "MsgRevokeAllowance", "MsgPruneAllowances", "MsgPruneExpiredGrants"}
)
# Modules of which a wildcard covers only these types.
_GUARDED: tuple[tuple[str, frozenset[str]], ...] = (
    # Taking authority back is harmless.
    ("/cosmos.authz.", _TAKES_BACK),
    ("/cosmos.feegrant.", _TAKES_BACK),
    # A proposal is carried out with the group's authority, and a vote may do that at once.
    (
        "/cosmos.group.",
        frozenset({"MsgLeaveGroup", "MsgUpdateGroupMetadata", "MsgUpdateGroupPolicyMetadata", "MsgWithdrawProposal"}),
    ),
    # What a contract is told to do only the contract can read.
    ("/cosmwasm.wasm.", frozenset({"MsgClearAdmin", "MsgUpdateContractLabel"})),
    ("/ibc.lightclients.wasm.", frozenset({"ClientMessage", "ClientState", "ConsensusState", "MsgRemoveChecksum"})),
    # Its packets hold the messages for the other chain as bytes.
    ("/ibc.applications.interchain_accounts.", frozenset()),
    # Calls of contracts, as other virtual machines take them.
    ("/ethermint.evm.", frozenset()),
    ("/cosmos.evm.vm.", frozenset()),
    ("/injective.wasmx.", frozenset()),
    ("/secret.compute.", frozenset()),
    # Accounts that carry out messages, and bundles of transactions as bytes (x/accounts).
    ("/cosmos.accounts.", frozenset()),
)
# Single types that a wildcard does not cover, with their module.
_GUARDED_TYPES: Mapping[str, str] = {
    "MsgAuthorizeCircuitBreaker": "/cosmos.circuit.",
    "MsgExecLegacyContent": "/cosmos.gov.",
    "MsgSendPacket": "/ibc.core.channel.",
}
# What a grant contains, whichever module defines it.
_AUTHORITY_SUFFIXES = ("Authorization", "Allowance")


@dataclass(frozen=True, slots=True)
class MessagePatterns:
    """A set of types of messages.

    Attributes:
        exact: Type URLs.
        packages: Type URLs up to and including the last dot, of which a wildcard covers every message.
    """

    exact: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()

    @classmethod
    def of(cls, patterns: Iterable[str]) -> MessagePatterns:
        """Return the set that ``patterns`` name.

        Raises:
            ValueError: One is neither a type URL nor a module's wildcard.
        """
        exact, packages = set(), set()
        for pattern in patterns:
            if _EXACT.fullmatch(pattern):
                exact.add(pattern)
            elif _WILDCARD.fullmatch(pattern):
                packages.add(pattern[:-1])
            else:
                raise ValueError(
                    f"{pattern[:100]!r} is neither a message type, such as '/cosmos.bank.v1beta1.MsgSend', "
                    "nor all messages of a module, such as '/cosmos.staking.v1beta1.*'"
                )
        return cls(frozenset(exact), frozenset(packages))

    def match(self, type_url: str, *, known: bool) -> bool:
        """Tell whether a message is in the set.

        Args:
            type_url: Its type, as the document spells it; other spellings of the same type do not match.
            known: Whether the schema has the type, so that its contents can be read.
        """
        if type_url in self.exact:
            return True
        if not known or not self.packages or needs_exact_name(type_url):
            return False
        return type_url[: type_url.rfind(".") + 1] in self.packages

    def __or__(self, other: MessagePatterns) -> MessagePatterns:
        return MessagePatterns(self.exact | other.exact, self.packages | other.packages)

    def __iter__(self) -> Iterator[str]:
        yield from sorted(self.exact)
        yield from (f"{package}*" for package in sorted(self.packages))


def needs_exact_name(type_url: str) -> bool:
    """Tell whether a wildcard never covers this type."""
    name = type_url[type_url.rfind(".") + 1 :]
    for guarded, covered in _GUARDED:
        if type_url.startswith(guarded):
            return name not in covered
    module = _GUARDED_TYPES.get(name)
    return name.endswith(_AUTHORITY_SUFFIXES) or (module is not None and type_url.startswith(module))
