package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("Content-Length: 2\r\n\r\n{}"))
	f.Add([]byte("content-length:2\nContent-Type: application/json; charset=utf-8\r\n\r\n{}Content-Length: 0\r\n\r\n"))
	f.Add([]byte("Content-Length: 5\r\n\r\n{}"))
	f.Add([]byte("Content-Length: -1\r\n\r\n"))
	f.Add([]byte("\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		reader := bufio.NewReader(bytes.NewReader(stream))
		for {
			body, err := readFrame(reader, 1000)
			if err == io.EOF {
				return
			}
			if err != nil {
				if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrEnded) {
					t.Fatal(err)
				}
				return
			}
			if len(body) > 1000 {
				t.Fatal(len(body))
			}
		}
	})
}

func TestFrameThatWasWrittenIsRead(t *testing.T) {
	var stream bytes.Buffer
	for _, body := range []string{"{}", "", strings.Repeat("x", 3<<20)} {
		if err := writeFrame(&stream, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	reader := bufio.NewReader(&stream)
	for _, length := range []int{2, 0, 3 << 20} {
		if body, err := readFrame(reader, 4<<20); err != nil || len(body) != length {
			t.Fatal(len(body), err)
		}
	}
	if _, err := readFrame(reader, 10); err != io.EOF {
		t.Fatal(err)
	}
}
