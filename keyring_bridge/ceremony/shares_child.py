"""The process in which a secret is split and put together (SLIP-39), and shares are sealed and opened.

``shamir-mnemonic`` and age compute with texts and bytes that Python cannot wipe. So they run here, and the process ends
as soon as it has answered: its memory goes with it. One request comes through standard input, one answer goes to
standard output (:mod:`.frames`); nothing else is written anywhere.

The library's own error texts quote words that were typed. None of them is passed on: what is wrong is found here first,
and told by the numbers of shares and words.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from keyring_bridge.ceremony import errors
from keyring_bridge.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyring_bridge.secrets import SecretBytes

SECRET: Final = 32
"""Bytes of a secret: the entropy of 24 words."""

KIND: Final = "share"
"""What a sealed share's file says that it is."""

WORDS_LINE: Final = "words: "

_WORDS: Final = 33
"""Words of a share of such a secret."""


def split(threshold: int, groups: Sequence[tuple[int, int]], secret: bytes, passphrase: bytes) -> list[str]:
    """Return the shares of a secret, group by group, after each was used in putting it together again.

    Args:
        threshold: How many groups are needed.
        groups: Of each group how many shares are needed of how many.
        secret: 32 bytes.
        passphrase: Printable ASCII; empty for none.
    """
    from shamir_mnemonic import combine_mnemonics
    from shamir_mnemonic.shamir import decode_mnemonics, generate_mnemonics, recover_ems

    made = generate_mnemonics(threshold, groups, secret, passphrase)
    ciphertexts = set()
    for place, (needed, count) in enumerate(groups):
        for first in range(count):
            chosen = [made[place][(first + more) % count] for more in range(needed)]
            for other in range(1, threshold):
                beside = (place + other) % len(groups)
                chosen += made[beside][: groups[beside][0]]
            ciphertexts.add(recover_ems(decode_mnemonics(chosen)).ciphertext)
            if len(ciphertexts) == 1 and first == place == 0 and combine_mnemonics(chosen, passphrase) != secret:
                raise errors.SharesSpoilt("the shares that were made do not give the secret again")
    if len(ciphertexts) != 1:
        raise errors.SharesSpoilt("the shares that were made do not all give the same secret")
    return [share for group in made for share in group]


def combine(texts: Sequence[str], passphrase: bytes) -> bytes:
    """Return the secret of shares, 32 bytes. A wrong passphrase gives another secret, and nothing shows it.

    Args:
        texts: The words of each share. More than are needed are fine.
        passphrase: Printable ASCII; empty for none.

    Raises:
        ShareMistyped: Words that are not a share's; told by number.
        SharesMixed: Shares of different sets.
        SharesTooFew: More are needed; how many is told.
        SharesSpoilt: They do not fit each other.
    """
    from shamir_mnemonic.shamir import ShareGroup, recover_ems

    shares = [_read(number, text) for number, text in enumerate(texts, 1)]
    _check_one_set(shares)
    groups: dict[int, dict[int, Any]] = {}
    for number, share in enumerate(shares, 1):
        known = groups.setdefault(share.group_index, {}).setdefault(share.index, share)
        if known.value != share.value:
            raise errors.SharesSpoilt(f"share {number} has the mark of another one and other words")
    needed = _enough(shares[0].group_threshold, groups) if shares else {}
    if not needed:
        raise errors.SharesTooFew("no shares were given")
    chosen = {}
    for index, members in needed.items():
        chosen[index] = ShareGroup()
        chosen[index].shares = set(members)
    try:
        secret: bytes = recover_ems(chosen).decrypt(passphrase)
    except Exception:
        raise errors.SharesSpoilt(
            "the shares do not fit each other, so one of them is not what was handed out"
        ) from None
    if len(secret) != SECRET:
        raise errors.ShareError(f"the shares are of a secret of {len(secret)} bytes; this program makes {SECRET}")
    return secret


def _read(number: int, text: str) -> Any:
    """Return one share, or tell by number what is wrong with its words."""
    from shamir_mnemonic.share import Share
    from shamir_mnemonic.wordlist import WORDLIST

    words = text.lower().split()
    known = frozenset(WORDLIST)
    unknown = [str(place) for place, word in enumerate(words, 1) if word not in known]
    if unknown:
        which = f"word {unknown[0]} is" if len(unknown) == 1 else f"words {', '.join(unknown[:10])} are"
        raise errors.ShareMistyped(f"share {number}: {which} not in the word list of SLIP-39")
    if len(words) != _WORDS:
        raise errors.ShareMistyped(f"share {number} has {len(words)} words; a share has {_WORDS}")
    try:
        return Share.from_mnemonic(" ".join(words))
    except Exception:
        raise errors.ShareMistyped(
            f"share {number}: its checksum does not fit, so a word is wrong or two are swapped"
        ) from None


def _check_one_set(shares: Sequence[Any]) -> None:
    """Make sure that all shares say the same of their set, and those of a group the same of their group."""
    sets = Counter(share.common_parameters() for share in shares)
    if len(sets) > 1:
        usual = sets.most_common(1)[0][0]
        others = [number for number, share in enumerate(shares, 1) if share.common_parameters() != usual]
        raise errors.SharesMixed(
            f"the shares are of {len(sets)} different sets (of another than most: {_listed(others)})"
        )
    thresholds: dict[int, int] = {}
    for number, share in enumerate(shares, 1):
        if thresholds.setdefault(share.group_index, share.member_threshold) != share.member_threshold:
            raise errors.SharesMixed(f"share {number} says otherwise than another one how many its group needs")


def _enough(threshold: int, groups: dict[int, dict[int, Any]]) -> dict[int, list[Any]]:
    """Return just as many shares of just as many groups as are needed."""
    whole = {}
    told = []
    for index, members in sorted(groups.items()):
        needed = next(iter(members.values())).member_threshold
        told.append(f"group {index + 1}: {len(members)} of the {needed} that it needs")
        if len(members) >= needed:
            whole[index] = list(members.values())[:needed]
    if len(whole) < threshold:
        groups_needed = f"{threshold} groups are needed, " if threshold > 1 else ""
        raise errors.SharesTooFew(f"more shares are needed ({groups_needed}{'; '.join(told)})")
    return dict(list(whole.items())[:threshold])


def _listed(numbers: Sequence[int]) -> str:
    return ("share " if len(numbers) == 1 else "shares ") + ", ".join(map(str, numbers[:20]))


def seal(share: str, way: dict[str, Any], secrets: Sequence[SecretBytes]) -> bytes:
    """Return a share sealed as its custodian wants it, or its words for the screen."""
    from keyring_bridge.sealing import Passphrase, Recipients, seal_bytes

    content = f"{way['label']}{WORDS_LINE}{share}\n".encode()
    if way.get("recipient"):
        return seal_bytes(KIND, content, Recipients.parse([way["recipient"]]))
    if "passphrase" in way:
        return seal_bytes(KIND, content, Passphrase(secrets[way["passphrase"]]))
    return share.encode("ascii")


def open_share(number: int, way: dict[str, Any], secrets: Sequence[SecretBytes], identities: SecretBytes | None) -> str:
    """Return the words of a share that was brought, opened if it is a file.

    Raises:
        BridgeError: It cannot be opened; the message begins with its number.
    """
    content = secrets[number - 1].reveal()
    if not way["sealed"]:
        return content.decode("utf-8", "replace")
    from keyring_bridge.sealing import Identities, Passphrase, unseal_bytes

    try:
        if "passphrase" in way:
            key: Passphrase | Identities = Passphrase(secrets[way["passphrase"]])
        elif identities is not None:
            key = Identities.parse(identities)
        else:
            raise errors.ShareError("an identity or a passphrase is needed to open it")
        with unseal_bytes(KIND, bytes(content), key) as opened:
            text = opened.reveal().decode("utf-8", "replace")
    except BridgeError as error:
        raise type(error)(f"share {number}: {error.message}", hint=error.hint, detail=error.detail) from None
    words = [line.removeprefix(WORDS_LINE) for line in text.splitlines() if line.startswith(WORDS_LINE)]
    if len(words) != 1:
        raise errors.ShareMistyped(f"share {number}: the file has no words in it")
    return words[0]


def answer(request: dict[str, Any], secrets: list[SecretBytes]) -> list[bytes]:
    """Do what a request says."""
    passphrase = bytes(secrets[0].reveal())
    given = secrets[1:]
    ways = request["ways"]
    if request["do"] == "split":
        groups = [(int(needed), int(count)) for needed, count in request["groups"]]
        made = split(int(request["threshold"]), groups, bytes(given[0].reveal()), passphrase)
        return [seal(share, way, given) for share, way in zip(made, ways, strict=True)]
    identities = given[request["identities"]] if "identities" in request else None
    texts = [open_share(number, way, given, identities) for number, way in enumerate(ways, 1)]
    return [combine(texts, passphrase)]


def main() -> int:
    """Serve one request."""
    import os

    from keyring_bridge.ceremony.frames import receive, send
    from keyring_bridge.secrets import harden_process

    harden_process()
    output = os.dup(1)
    # Whatever a library prints must not come between the messages.
    os.dup2(2, 1)
    facts: dict[str, object] = {}
    made: list[bytes] = []
    try:
        made = answer(*receive(0))
    except BridgeError as error:
        facts = {"error": error.code, "message": error.message, "hint": error.hint, "detail": error.detail}
    except Exception as error:
        # Its text could hold a word; its class cannot.
        facts = {"error": errors.CeremonyError.code, "message": f"the child process failed: {type(error).__name__}"}
    send(output, facts, made)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
