// Package client speaks the keyring bridge's protocol (docs/protocol.md): JSON-RPC 2.0 with a program that it starts,
// or with an agent behind a unix socket.
//
// A [Client] connects when it is first called, and once for all calls. It is safe for concurrent use.
package client
