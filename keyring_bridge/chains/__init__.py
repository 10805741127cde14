"""Chains: their message types, coins and conventions, each accepted by a person and pinned by its digest.

The shipped descriptor set knows the SDK's messages; a chain's own come from its node or a file, either of which may
lie. So they are examined (:mod:`cosmos_formats.schema_merge`), shown, and stored with the digest that was accepted;
what is stored is checked whenever it is read. :class:`ChainBook` is all that the rest of the bridge needs.
"""

from __future__ import annotations

from keyring_bridge.chains.book import ChainBook
from keyring_bridge.chains.model import Chain, ChainSettings
from keyring_bridge.chains.offer import Changes, Offer, changes, examine

__all__ = ["Chain", "ChainBook", "ChainSettings", "Changes", "Offer", "changes", "examine"]
