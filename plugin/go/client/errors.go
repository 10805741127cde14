package client

import (
	"errors"
	"fmt"
)

// Why the other side could not be asked, or did not answer. Every error of this package that is not an [*Error]
// wraps one of them.
var (
	// ErrNotFound: the plugin program does not exist or cannot be started.
	ErrNotFound = errors.New("the keyring plugin could not be started")
	// ErrSocket: the agent's socket must not be used, or nobody answers on it.
	ErrSocket = errors.New("the agent's socket cannot be used")
	// ErrVersion: client and server have no version of the protocol in common.
	ErrVersion = errors.New("the keyring plugin speaks another version of the protocol")
	// ErrEnded: the server went away before it answered. Whether it did what was asked is not known.
	ErrEnded = errors.New("the keyring plugin is gone")
	// ErrTimeout: there was no answer in time.
	ErrTimeout = errors.New("the keyring plugin did not answer in time")
	// ErrMalformed: the server broke the protocol.
	ErrMalformed = errors.New("the keyring plugin broke the protocol")
	// ErrTooLarge: a message is beyond the limit of the side that reads it.
	ErrTooLarge = errors.New("message too large")
)

// Error is an error that the server answered with.
type Error struct {
	// Code is stable; match on it. docs/protocol.md lists all codes.
	Code string
	// Number is the JSON-RPC error number.
	Number int
	// Message is for people, except that it is the SDK's own text where chain tools match on it.
	Message string
	// Hint says what can be done, if anything.
	Hint string
	// Retryable tells whether the same request may succeed later without anybody changing anything.
	Retryable bool
	// CorrelationID names the entries of the audit log that tell more, if there are any.
	CorrelationID string
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return fmt.Sprintf("%s (%s)", e.Message, e.Hint)
}

// Is makes errors.Is(err, ErrTimeout) hold when it was the server that ran out of time, and ErrVersion likewise.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case "deadline_exceeded":
		return target == ErrTimeout
	case "version_unsupported":
		return target == ErrVersion
	case "frame_too_large":
		return target == ErrTooLarge
	}
	return false
}
