package client

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	maxHeaderBytes = 4096
	maxAnswerBytes = 256 << 20
)

// writeFrame writes one message. It is one call of Write, so that messages of several writers cannot mix.
func writeFrame(to io.Writer, body []byte) error {
	frame := make([]byte, 0, len(body)+32)
	frame = fmt.Appendf(frame, "Content-Length: %d\r\n\r\n", len(body))
	_, err := to.Write(append(frame, body...))
	return err
}

// readFrame reads one message. It returns io.EOF if the stream ends between two messages.
func readFrame(from *bufio.Reader, limit int) ([]byte, error) {
	length, header := -1, 0
	for {
		line, err := readLine(from, maxHeaderBytes-header)
		if err != nil {
			if err == io.EOF && header == 0 && line == "" {
				return nil, io.EOF
			}
			return nil, badFrame(err)
		}
		header += len(line)
		if line == "" && header > 0 {
			break
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return nil, fmt.Errorf("%w: %.40q is not a header line", ErrMalformed, line)
		}
		if !strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			continue
		}
		number, err := strconv.ParseUint(strings.TrimSpace(value), 10, 62)
		if err != nil || length >= 0 {
			return nil, fmt.Errorf("%w: Content-Length must be given once, as a number", ErrMalformed)
		}
		length = int(number)
	}
	if length < 0 {
		return nil, fmt.Errorf("%w: header without Content-Length", ErrMalformed)
	}
	if length > limit {
		return nil, fmt.Errorf("%w: %w: an answer of %d bytes, at most %d are read", ErrMalformed, ErrTooLarge, length, limit)
	}
	return readBody(from, length)
}

// readBody does not trust the length that was announced with memory: the buffer grows as bytes arrive.
func readBody(from *bufio.Reader, length int) ([]byte, error) {
	body := make([]byte, 0, min(length, 1<<20))
	for len(body) < length {
		part := min(length-len(body), 1<<20)
		start := len(body)
		body = append(body, make([]byte, part)...)
		if _, err := io.ReadFull(from, body[start:]); err != nil {
			return nil, badFrame(err)
		}
	}
	return body, nil
}

// readLine returns a line without its line break.
func readLine(from *bufio.Reader, limit int) (string, error) {
	var line []byte
	for {
		next, err := from.ReadByte()
		if err != nil {
			return string(line), err
		}
		if next == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		if len(line) >= limit {
			return "", fmt.Errorf("%w: header of more than %d bytes", ErrMalformed, maxHeaderBytes)
		}
		line = append(line, next)
	}
}

func badFrame(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w in the middle of a message", ErrEnded)
	}
	return err
}
