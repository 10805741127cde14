// Package early starts the bridge before the command that needs it has been found. It imports nothing of the SDK, whose
// packages take longer to initialize than everything here.
package early

import (
	"context"
	"os"
	"slices"
	"strings"

	"keyring-bridge/plugin/go/client"
)

const (
	// Backend is the backend's name.
	Backend = "hsm"

	// Flag chooses the backend, and GenerateOnly needs none.
	Flag         = "--keyring-backend"
	suffix       = "_KEYRING_BACKEND="
	GenerateOnly = "--generate-only"
)

var started *client.Client

// Start connects to the bridge in the background if the command line asks for a key of ours. The first call counts.
func Start() {
	if started != nil || !needsKey(os.Args[1:], os.Environ()) {
		return
	}
	started = client.New(client.Options{})
	go func() {
		// This opens the bridge, which the handshake doesn't.
		_ = started.Call(context.Background(), "keyring.supportedAlgorithms", nil, nil)
	}()
}

// Client returns the client of [Start], nil if it started nothing.
func Client() *client.Client {
	return started
}

// needsKey guesses; a wrong guess costs a process, or a moment.
func needsKey(words, environment []string) bool {
	given, ours := false, false
	for i, word := range words {
		if value, found := strings.CutPrefix(word, Flag); found {
			given = true
			ours = value == "="+Backend || value == "" && i+1 < len(words) && words[i+1] == Backend
		}
	}
	if !given {
		ours = slices.ContainsFunc(environment, func(variable string) bool { return strings.HasSuffix(variable, suffix+Backend) })
	}
	signs := slices.Contains(words, "tx") && !slices.Contains(words, GenerateOnly)
	asksHelp := slices.Contains(words, "--help") || slices.Contains(words, "-h")
	return ours && !asksHelp && (signs || slices.Contains(words, "keys"))
}
