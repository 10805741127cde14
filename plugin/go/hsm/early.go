package hsm

import "keyring-bridge/plugin/go/internal/early"

// StartEarly connects to the bridge in the background if the command line asks for a key of ours. It may be the first
// line of a chain's main function: a plugin that has to be started then starts while the chain makes its commands. No
// device is opened, and what goes wrong the command that needs a key reports.
//
// Importing the package keyring-bridge/plugin/go/early does so earlier still.
func StartEarly() {
	early.Start()
}
