package hsm

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/cosmos/cosmos-sdk/client/flags"

	"keyring-bridge/plugin/go/client"
)

// early is the client of [StartEarly], which keyrings without one of their own use.
var early *client.Client

// StartEarly connects to the bridge in the background if the command line asks for a key of ours. It may be the first
// line of a chain's main function: a plugin that has to be started then starts while the chain makes its commands, which
// takes about as long. No device is opened, and what goes wrong the command that needs a key reports.
func StartEarly() {
	if early != nil || !needsKey(os.Args[1:], os.Environ()) {
		return
	}
	early = client.New(client.Options{})
	go func() {
		// This opens the bridge, which the handshake doesn't.
		_ = early.Call(context.Background(), "keyring.supportedAlgorithms", nil, nil)
	}()
}

// needsKey guesses; a wrong guess costs a process, or a moment.
func needsKey(words, environment []string) bool {
	named := "--" + flags.FlagKeyringBackend
	given, ours := false, false
	for i, word := range words {
		if value, found := strings.CutPrefix(word, named); found {
			given = true
			ours = value == "="+Backend || value == "" && i+1 < len(words) && words[i+1] == Backend
		}
	}
	if !given {
		suffix := "_" + strings.ToUpper(strings.ReplaceAll(flags.FlagKeyringBackend, "-", "_")) + "=" + Backend
		ours = slices.ContainsFunc(environment, func(variable string) bool { return strings.HasSuffix(variable, suffix) })
	}
	signs := slices.Contains(words, "tx") && !slices.Contains(words, "--"+flags.FlagGenerateOnly)
	asksHelp := slices.Contains(words, "--help") || slices.Contains(words, "-h")
	return ours && !asksHelp && (signs || slices.Contains(words, "keys"))
}
