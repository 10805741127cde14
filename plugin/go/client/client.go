package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// ProtocolVersion is the version of the protocol that this package speaks.
	ProtocolVersion = 1
	// Version is that of this module.
	Version = "0.1.0"
	// DefaultTimeout is how long a call may take if nobody says otherwise.
	DefaultTimeout = 30 * time.Second

	// grace is how much longer than the deadline a call waits for the server to say that the deadline passed.
	grace = 2 * time.Second
)

// Options say where the bridge is and how patient its caller. The zero value asks the environment.
type Options struct {
	// Plugin is the program to start and its arguments. Nil: what [EnvPlugin] says.
	Plugin []string
	// Socket is the path of the agent's socket. Empty: what [EnvSocket] says. It is not used if Plugin is given.
	Socket string
	// Timeout of a call whose context has no deadline. Zero: what [EnvTimeout] says, else [DefaultTimeout].
	Timeout time.Duration
	// Stderr is where a plugin's standard error goes. Nil: ours.
	Stderr io.Writer
}

// Handshake is what the server said of itself.
type Handshake struct {
	ProtocolVersion int `json:"protocol_version"`
	Server          struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"server"`
	Limits struct {
		MaxFrameBytes int `json:"max_frame_bytes"`
	} `json:"limits"`
	ChainID string `json:"chain_id"`
	Prefix  string `json:"prefix"`
}

// Client calls the methods of the protocol.
type Client struct {
	options Options

	guard     sync.Mutex // what follows
	channel   *channel
	handshake Handshake
	closed    bool
}

// New returns a client that connects when it is first called.
func New(options Options) *Client {
	return &Client{options: options}
}

// Call calls a method.
//
// params is what encodes as a JSON object, or nil; result is where the answer is decoded to, or nil. The deadline is
// that of ctx, else the client's timeout; the server is told of it. A call that ctx ends is withdrawn at the server.
//
// The error is an [*Error] if the server answered with one, else it wraps one of this package's errors, or ctx's.
// A connection that broke is not used again: the next call makes another one. Nothing is ever asked twice.
func (c *Client) Call(ctx context.Context, method string, params map[string]any, result any) error {
	deadline, err := c.deadline(ctx)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return ended(err, method)
	}
	channel, err := c.connected(deadline)
	if err != nil {
		return err
	}
	return call(ctx, channel, method, params, result, deadline)
}

// Handshake returns what the server said of itself.
func (c *Client) Handshake(ctx context.Context) (Handshake, error) {
	deadline, err := c.deadline(ctx)
	if err != nil {
		return Handshake{}, err
	}
	if _, err := c.connected(deadline); err != nil {
		return Handshake{}, err
	}
	c.guard.Lock()
	defer c.guard.Unlock()
	return c.handshake, nil
}

// Close ends the connection, and a plugin that was started, which is given time to log out of its devices.
func (c *Client) Close() error {
	c.guard.Lock()
	channel := c.channel
	c.channel, c.closed = nil, true
	c.guard.Unlock()
	if channel != nil {
		channel.end(fmt.Errorf("%w: the client was closed", ErrEnded))
		channel.transport.finish()
		channel.transport.abort()
	}
	return nil
}

// HasTimeout tells whether somebody said how long a call may take.
func (c *Client) HasTimeout() bool {
	return c.options.Timeout > 0 || os.Getenv(EnvTimeout) != ""
}

func (c *Client) deadline(ctx context.Context) (time.Time, error) {
	if deadline, own := ctx.Deadline(); own {
		return deadline, nil
	}
	timeout := c.options.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
		if text := os.Getenv(EnvTimeout); text != "" {
			given, err := time.ParseDuration(text)
			if err != nil || given <= 0 {
				return time.Time{}, fmt.Errorf("%s must be a duration such as 45s, not %.40q", EnvTimeout, text)
			}
			timeout = given
		}
	}
	return time.Now().Add(timeout), nil
}

// connected returns a connection whose server speaks our version of the protocol.
func (c *Client) connected(deadline time.Time) (*channel, error) {
	c.guard.Lock()
	defer c.guard.Unlock()
	if c.closed {
		return nil, fmt.Errorf("%w: the client was closed", ErrEnded)
	}
	if c.channel != nil && c.channel.usable() {
		return c.channel, nil
	}
	transport, err := connect(c.options)
	if err != nil {
		return nil, err
	}
	channel := newChannel(transport)
	if err := c.greet(channel, deadline); err != nil {
		channel.end(err)
		transport.abort()
		return nil, err
	}
	c.channel = channel
	return channel, nil
}

func (c *Client) greet(channel *channel, deadline time.Time) error {
	var told Handshake
	params := map[string]any{
		"protocol_version": ProtocolVersion,
		"client":           map[string]string{"name": "keyring-bridge-go", "version": Version},
	}
	if err := call(context.Background(), channel, "bridge.handshake", params, &told, deadline); err != nil {
		return err
	}
	if told.ProtocolVersion != ProtocolVersion {
		return fmt.Errorf("%w: version %d of %s %s, this program speaks version %d",
			ErrVersion, told.ProtocolVersion, told.Server.Name, told.Server.Version, ProtocolVersion)
	}
	channel.guard.Lock()
	channel.limit = told.Limits.MaxFrameBytes
	channel.guard.Unlock()
	c.handshake = told
	return nil
}

func call(ctx context.Context, channel *channel, method string, params map[string]any, result any, deadline time.Time) error {
	left := time.Until(deadline)
	told := map[string]any{"deadline_ms": min(max(1, left.Milliseconds()), maxDeadline)}
	for name, value := range params {
		// encoding/json would replace what is not UTF-8, and another key would be meant.
		if text, ok := value.(string); ok && !utf8.ValidString(text) {
			return &Error{Code: "invalid_request", Number: -32602, Message: fmt.Sprintf("%s is not UTF-8", name)}
		}
		told[name] = value
	}
	id, arrives, err := channel.send(method, told)
	if err != nil {
		return err
	}
	timer := time.NewTimer(left + grace)
	defer timer.Stop()
	canceled := ctx.Done()
	for {
		select {
		case got := <-arrives:
			return decode(got, method, result)
		case <-canceled:
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				// The server was told of the deadline, and knows better than we do what was being waited for.
				canceled = nil
				continue
			}
			channel.cancel(id)
			return ended(ctx.Err(), method)
		case <-timer.C:
			// It does not keep its own deadlines, so it hangs as a whole: nothing more can be hoped of it.
			err := fmt.Errorf("%w: %s took more than %s", ErrTimeout, method, (left + grace).Round(time.Millisecond))
			channel.forget(id)
			channel.end(err)
			channel.transport.abort()
			return err
		}
	}
}

const maxDeadline = 3600_000

func decode(got answer, method string, result any) error {
	if got.failure != nil || result == nil {
		return got.failure
	}
	if err := json.Unmarshal(got.result, result); err != nil {
		return fmt.Errorf("%w: the answer to %s is of another type than the protocol says", ErrMalformed, method)
	}
	return nil
}

func ended(err error, method string) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %s: %w", ErrTimeout, method, err)
	}
	return fmt.Errorf("%s was withdrawn: %w", method, err)
}
