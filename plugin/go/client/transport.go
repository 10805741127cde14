package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Environment variables that say where the bridge is.
const (
	// EnvPlugin is the plugin's command line, split as a shell would; without it `keyring-plugin` on PATH.
	EnvPlugin = "KEYRING_BRIDGE_PLUGIN"
	// EnvSocket is the path of the agent's socket.
	EnvSocket = "KEYRING_BRIDGE_SOCKET"
	// EnvTimeout is how long a call may take, as 45s.
	EnvTimeout = "KEYRING_BRIDGE_TIMEOUT"

	envConfig  = "KEYRING_BRIDGE_CONFIG"
	envRuntime = "XDG_RUNTIME_DIR"
)

// transport is a way to the bridge: bytes in, bytes out, and how it ended.
type transport interface {
	io.ReadWriter
	// finish tells the other side that nothing more comes, and waits a while for it to end.
	finish()
	// abort ends the connection at once.
	abort()
	// why says how it ended, once reading has failed.
	why() string
}

// connect finds the bridge: what the options name, else what the environment names, else the agent of this user if it
// runs, else `keyring-plugin`, which knows whether an agent is to be started.
func connect(options Options) (transport, error) {
	if len(options.Plugin) == 0 {
		path, named := options.socket()
		if path != "" {
			connection, err := dial(path)
			if err == nil || !errors.Is(err, errNobody) {
				return connection, err
			}
			if named {
				return nil, err
			}
		}
	}
	argv, err := options.command()
	if err != nil {
		return nil, err
	}
	return spawn(argv, options.stderr())
}

// socket returns the path of the socket to try, if any, and whether somebody named it: then nothing else will do.
func (o Options) socket() (path string, named bool) {
	if o.Socket != "" {
		return o.Socket, true
	}
	if path := os.Getenv(EnvSocket); path != "" {
		// An agent that is not running may be started on demand, which is the plugin's business.
		return path, os.Getenv(EnvPlugin) == "" && !commandExists(defaultPlugin)
	}
	runtime := os.Getenv(envRuntime)
	if os.Getenv(EnvPlugin) != "" || os.Getenv(envConfig) != "" || !filepath.IsAbs(runtime) {
		return "", false
	}
	return filepath.Join(runtime, "keyring-bridge", "agent.sock"), false
}

// command returns the words of the plugin's command line.
func (o Options) command() ([]string, error) {
	if len(o.Plugin) > 0 {
		return o.Plugin, nil
	}
	line := os.Getenv(EnvPlugin)
	if line == "" {
		return []string{defaultPlugin}, nil
	}
	words, err := SplitWords(line)
	if err == nil && len(words) == 0 {
		err = errors.New("it is blank")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s cannot be read: %w", ErrNotFound, EnvPlugin, err)
	}
	return words, nil
}

func (o Options) stderr() io.Writer {
	if o.Stderr == nil {
		return os.Stderr
	}
	return o.Stderr
}
