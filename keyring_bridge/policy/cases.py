"""Files of cases: what a policy is expected to answer, and what it does answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cosmos_formats.quickclass import dataclass
from cosmos_formats.signing import SignMode
from keyring_bridge.config.build import build
from keyring_bridge.config.files import read_trusted
from keyring_bridge.config.load import read_toml
from keyring_bridge.errors import BridgeError, InvalidSignDoc, PolicyInvalid
from keyring_bridge.model import Action, Caller, Operation, Purpose
from keyring_bridge.policy.model import Decision, Policy, Question

if TYPE_CHECKING:
    from cosmos_formats.schema import Schema
    from cosmos_formats.tx import Transaction

LIMIT = 4 << 20

_Mode = Literal["direct", "direct-aux", "amino-json", "textual", "eip-191"]
_Operation = Literal["sign", "digest", "arbitrary", "generate", "import", "export_public", "delete", "rename", "backup"]
UNREADABLE = "sign_doc_invalid"
"""The rule of a transaction that nobody may sign in its mode, so that the policy is not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One table of ``cases``; what it does not say, the top of the file says."""

    name: str
    expect: Literal["allow", "deny"]
    rule: str | None = None
    operation: _Operation = "sign"
    key: str | None = None
    caller: str | None = None
    chain_id: str | None = None
    mode: _Mode | None = None
    time: str | None = None
    transaction: Path | None = None
    messages: tuple[Mapping[str, object], ...] = ()
    extension_options: tuple[Mapping[str, object], ...] = ()
    fee: Mapping[str, int | str] = field(default_factory=dict)
    gas: int = 200_000
    payer: str = ""
    granter: str = ""
    memo: str = ""
    timeout_height: int = 0
    timeout_timestamp: str | None = None

    def __post_init__(self) -> None:
        if self.time is not None and datetime.fromisoformat(self.time).tzinfo is None:
            raise ValueError("time needs a zone: write it as 2026-01-05T09:30:00Z")
        if self.transaction is not None and self.messages:
            raise ValueError("transaction and messages say the same thing; give one of them")
        if self.operation == "sign" and self.transaction is None and not self.messages:
            raise ValueError("either transaction or messages says what is to be signed")


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """The top of the file."""

    policy: Path | None = None
    key: str | None = None
    caller: str = "uid:0"
    chain_id: str | None = None
    mode: _Mode = "direct"
    cases: tuple[_Case, ...] = ()

    def __post_init__(self) -> None:
        if not self.cases:
            raise ValueError("there are no cases")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case.

    Attributes:
        name: Of the case.
        expected: ``allow`` or ``deny``, with the rule behind it if the case names one.
        decision: What the policy answered.
        passed: Whether that is what was expected.
    """

    name: str
    expected: str
    decision: Decision
    passed: bool


def run_cases(
    path: Path,
    policy_path: Path | None,
    schema_for: Callable[[str], Schema],
    *,
    default: Callable[[], Path] | None = None,
) -> list[Outcome]:
    """Ask a policy about every case of a file.

    Args:
        path: The file of cases.
        policy_path: The policy; None for the one that the file names.
        schema_for: Gives the message types that are known for a chain id.
        default: Gives the policy of a file that names none.

    Raises:
        PolicyInvalid: The file, or the policy, is wrong.
        InsecureFile: Others can write one of them.
    """
    try:
        content = bytes(read_trusted(path, what="file of cases", limit=LIMIT))
    except OSError as error:
        raise PolicyInvalid(f"{path}: cannot be read: {error.strerror or error}") from None
    said = build(_File, read_toml(content, path.absolute(), error=PolicyInvalid), "", error=PolicyInvalid)
    named = policy_path or said.policy or (default() if default is not None else None)
    if named is None:
        raise PolicyInvalid(f"{path}: policy: is missing")
    policy = Policy.load(named)
    return [_run(case, said, policy, schema_for, path) for case in said.cases]


def _run(case: _Case, said: _File, policy: Policy, schema_for: Callable[[str], Schema], path: Path) -> Outcome:
    key = case.key or said.key
    if key is None:
        raise PolicyInvalid(f"{path}: the case {case.name!r} names no key, and the file does not either")
    try:
        decision = policy.decide(_question(case, said, policy, key, schema_for))
    except InvalidSignDoc as error:
        decision = Decision("deny", UNREADABLE, error.message)
    except BridgeError as error:
        raise PolicyInvalid(f"{path}: the case {case.name!r}: {error}") from error
    expected = case.expect if case.rule is None else f"{case.expect} {case.rule}"
    passed = decision.verdict == case.expect and case.rule in (None, decision.rule)
    return Outcome(case.name, expected, decision, passed)


def _question(case: _Case, said: _File, policy: Policy, key: str, schema_for: Callable[[str], Schema]) -> Question:
    from keyring_bridge.policy.trial import question

    table = policy.keys.get(key)
    fingerprint = "" if table is None else table.fingerprint
    caller = case.caller or said.caller
    time = None if case.time is None else datetime.fromisoformat(case.time)
    if case.operation == "sign":
        chain_id = case.chain_id or said.chain_id
        if chain_id is None:
            raise PolicyInvalid("chain_id is missing")
        schema = schema_for(chain_id)
        return question(
            _transaction(case, schema),
            schema,
            key=key,
            fingerprint=fingerprint,
            caller=caller,
            chain_id=chain_id,
            mode=case.mode or said.mode,
            time=time,
        )
    return other_question(case.operation, key, fingerprint, caller, time)


def other_question(operation: str, key: str, fingerprint: str, caller: str, time: datetime | None) -> Question:
    """Return the question about something else than a transaction."""
    from cosmos_formats.signing.tx_view import ArbitraryData

    kinds: dict[str, Operation | Action] = {"digest": Operation.DIGEST, "arbitrary": Operation.ARBITRARY}
    kind = kinds.get(operation) or Action(operation)
    return Question(
        key=key,
        fingerprint=fingerprint,
        purpose=Purpose.ACCOUNT,
        operation=kind,
        mode=SignMode.LEGACY_AMINO_JSON if kind is Operation.ARBITRARY else SignMode.UNSPECIFIED,
        view=ArbitraryData("", b"") if kind is Operation.ARBITRARY else None,
        caller=Caller(caller),
        time=time or datetime.now(UTC),
    )


def _transaction(case: _Case, schema: Schema) -> Transaction:
    from keyring_bridge.tx.documents import read_transaction

    if case.transaction is not None:
        try:
            return read_transaction(case.transaction.read_bytes(), schema)
        except OSError as error:
            raise PolicyInvalid(f"{case.transaction}: {error.strerror}") from None
    body: dict[str, object] = {
        "messages": list(case.messages),
        "extension_options": list(case.extension_options),
        "memo": case.memo,
        "timeout_height": str(case.timeout_height),
    }
    if case.timeout_timestamp is not None:
        body["timeout_timestamp"] = case.timeout_timestamp
    fee = {
        "amount": [{"denom": denom, "amount": str(amount)} for denom, amount in case.fee.items()],
        "gas_limit": str(case.gas),
        "payer": case.payer,
        "granter": case.granter,
    }
    document = {"body": body, "auth_info": {"signer_infos": [], "fee": fee}, "signatures": []}
    return read_transaction(json.dumps(document).encode(), schema)
