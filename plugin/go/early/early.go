// Package early connects to the keyring bridge while the program's other packages are initialized, which takes a chain
// longer than all it does afterwards. Import it for its effect, in the main package:
//
//	import _ "keyring-bridge/plugin/go/early"
//
// It does what hsm.StartEarly does, and only for commands that ask for a key of the bridge: the command line or the
// environment names the backend `hsm`. It imports nothing but the standard library, so that it comes before the SDK.
package early

import "keyring-bridge/plugin/go/internal/early"

func init() {
	early.Start()
}
