"""The bridge as a JSON-RPC plugin: protocol, server, client and wallets."""
