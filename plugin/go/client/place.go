package client

import (
	"os"
	"path/filepath"
	"strings"
)

// Environment variables that say where the bridge is.
const (
	// EnvPlugin is the plugin's command line, split as a shell would; without it `keyring-plugin` on PATH.
	EnvPlugin = "KEYRING_BRIDGE_PLUGIN"
	// EnvSocket is the path of the agent's socket.
	EnvSocket = "KEYRING_BRIDGE_SOCKET"
	// EnvAgent is "off" where no agent is to be used; the plugin knows further values (docs/agent.md).
	EnvAgent = "KEYRING_BRIDGE_AGENT"
	// EnvTimeout is how long a call may take, as 45s.
	EnvTimeout = "KEYRING_BRIDGE_TIMEOUT"

	envConfig = "KEYRING_BRIDGE_CONFIG"
	folder    = "keyring-bridge"
)

// agentSocket returns the path of this user's agent's socket, by the rules of docs/agent.md, and whether somebody named
// it. It is empty if there is none to look for.
func agentSocket() (path string, named bool) {
	if os.Getenv(EnvAgent) == "off" {
		return "", false
	}
	if path := os.Getenv(EnvSocket); path != "" {
		return path, true
	}
	for _, variable := range []string{"XDG_RUNTIME_DIR", "XDG_STATE_HOME"} {
		if base := os.Getenv(variable); filepath.IsAbs(base) {
			return filepath.Join(base, folder, "agent.sock"), false
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", false
	}
	return filepath.Join(home, ".local", "state", folder, "agent.sock"), false
}

// servesUs tells whether the agent behind a socket that nobody named has the configuration that a plugin of ours would
// have. An agent writes its own beside the socket.
func servesUs(socket string) bool {
	told, err := os.ReadFile(filepath.Join(filepath.Dir(socket), "agent.config"))
	return err != nil || string(told) == ownConfiguration()
}

func ownConfiguration() string {
	home, _ := os.UserHomeDir()
	if named := os.Getenv(envConfig); named != "" {
		if named == "~" || strings.HasPrefix(named, "~/") {
			named = filepath.Join(home, named[1:])
		}
		absolute, _ := filepath.Abs(named)
		return absolute
	}
	base := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(base) {
		base = filepath.Join(home, ".config")
	}
	usual, other := filepath.Join(base, folder, "config.toml"), filepath.Join(home, ".virtengine", "hsm.json")
	if exists(other) && !exists(usual) {
		return other
	}
	return usual
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
