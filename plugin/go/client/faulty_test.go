package client

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"
)

// The test binary itself is the plugin that does wrong what this variable says. It speaks the protocol only so far as
// the fault needs it; the real plugin is in the tests of package hsm.
const faultVariable = "FAULTY_PLUGIN"

func TestMain(m *testing.M) {
	if fault := os.Getenv(faultVariable); fault != "" {
		misbehave(fault)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func misbehave(fault string) {
	input := bufio.NewReader(os.Stdin)
	switch fault {
	case "exits":
		fmt.Fprintln(os.Stderr, "no configuration")
		os.Exit(3)
	case "ignores-input":
		time.Sleep(time.Minute)
	}
	for {
		body, err := readFrame(input, 1<<24)
		if err != nil {
			return
		}
		var request struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
			Params map[string]any  `json:"params"`
		}
		if json.Unmarshal(body, &request) != nil {
			os.Exit(4)
		}
		if request.Method == "bridge.handshake" {
			version := 1
			if fault == "version" {
				version = 2
			}
			reply(`{"jsonrpc":"2.0","id":%s,"result":{"protocol_version":%d,"server":{"name":"faulty","version":"9"},"limits":{"max_frame_bytes":1000}}}`, request.ID, version)
			if fault == "dies-when-idle" {
				kill()
			}
			continue
		}
		respond(fault, request.Method, request.ID, request.Params)
	}
}

func respond(fault, method string, id json.RawMessage, params map[string]any) {
	if method == "bridge.ping" {
		reply(`{"jsonrpc":"2.0","id":%s,"result":"pong"}`, id)
		return
	}
	switch fault {
	case "dies-while-signing":
		kill()
	case "dies-after-signing":
		reply(`{"jsonrpc":"2.0","id":%s,"result":{"pid":%d}}`, id, os.Getpid())
		kill()
	case "hangs":
	case "says-deadline":
		time.Sleep(time.Duration(params["deadline_ms"].(float64)) * time.Millisecond)
		reply(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32070,"message":"the token did not answer in time","data":{"code":"deadline_exceeded","retryable":true,"hint":null,"correlation_id":"c0ffee"}}}`, id)
	case "not-json":
		reply(`pong`)
	case "neither":
		reply(`{"jsonrpc":"2.0","id":%s}`, id)
	case "both":
		reply(`{"jsonrpc":"2.0","id":%s,"result":1,"error":{"code":1,"message":"x"}}`, id)
	case "other-id":
		reply(`{"jsonrpc":"2.0","id":4711,"result":1}`)
	case "text-id":
		reply(`{"jsonrpc":"2.0","id":"%s","result":1}`, id)
	case "no-id":
		reply(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?","data":{"code":"parse_error"}}}`)
	case "other-type":
		reply(`{"jsonrpc":"2.0","id":%s,"result":["no","map"]}`, id)
	case "no-length":
		io.WriteString(os.Stdout, "Content-Type: text/json\r\n\r\n{}")
	case "banner":
		io.WriteString(os.Stdout, "Welcome!\n")
	case "endless-header":
		for {
			if _, err := io.WriteString(os.Stdout, "Content-Length"); err != nil {
				return
			}
		}
	case "oversized":
		io.WriteString(os.Stdout, "Content-Length: 99999999999\r\n\r\n{")
	case "torn":
		io.WriteString(os.Stdout, "Content-Length: 100\r\n\r\n{\"jsonrpc\"")
		os.Exit(0)
	default: // "none"
		reply(`{"jsonrpc":"2.0","id":%s,"result":{"pid":%d,"argv":%q}}`, id, os.Getpid(), fmt.Sprint(os.Args))
	}
}

func reply(format string, values ...any) {
	if err := writeFrame(os.Stdout, fmt.Appendf(nil, format, values...)); err != nil {
		os.Exit(0)
	}
}

func kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
