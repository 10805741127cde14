package client

import (
	"errors"
	"fmt"
	"io"
	"os"
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

// connect finds the bridge: what the options name, else this user's agent if it runs, else the plugin, which knows
// whether an agent is to be started.
func connect(options Options) (transport, error) {
	switch {
	case options.Socket != "" && len(options.Plugin) > 0:
		return nil, fmt.Errorf("%w: both a plugin and a socket were named", ErrNotFound)
	case options.Socket != "":
		return dial(options.Socket)
	case len(options.Plugin) > 0:
		return spawn(options.Plugin, options.stderr())
	}
	if path, named := agentSocket(); path != "" && (named || servesUs(path)) {
		agent, err := dial(path)
		// What is wrong with a socket that nobody named the plugin says, and serves by itself.
		if err == nil || named && !errors.Is(err, errNobody) {
			return agent, err
		}
	}
	words, err := command()
	if err != nil {
		return nil, err
	}
	return spawn(words, options.stderr())
}

// command returns the words of the plugin's command line.
func command() ([]string, error) {
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
