package client

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func faulty(t *testing.T, fault string) (*Client, *bytes.Buffer) {
	t.Helper()
	t.Setenv(faultVariable, fault)
	var stderr bytes.Buffer
	client := New(Options{Plugin: []string{os.Args[0]}, Timeout: 20 * time.Second, Stderr: &stderr})
	t.Cleanup(func() { client.Close() })
	return client, &stderr
}

func sign(client *Client) (map[string]any, error) {
	var result map[string]any
	err := client.Call(context.Background(), "keyring.sign", map[string]any{"uid": "ops"}, &result)
	return result, err
}

func TestOneProcessServesAllCalls(t *testing.T) {
	client, _ := faulty(t, "none")
	first, err := sign(client)
	if err != nil {
		t.Fatal(err)
	}
	second, err := sign(client)
	if err != nil || first["pid"] != second["pid"] {
		t.Fatal(first, second, err)
	}
}

func TestCallsOfManyGoroutines(t *testing.T) {
	client, _ := faulty(t, "none")
	var group sync.WaitGroup
	for range 50 {
		group.Add(1)
		go func() {
			defer group.Done()
			if _, err := sign(client); err != nil {
				t.Error(err)
			}
		}()
	}
	group.Wait()
}

func TestFaultsOfTheServer(t *testing.T) {
	for fault, want := range map[string]struct {
		kind error
		text string
	}{
		"exits":              {ErrEnded, "exit status 3"},
		"version":            {ErrVersion, "version 2 of faulty 9, this program speaks version 1"},
		"dies-when-idle":     {ErrEnded, "killed by signal 9"},
		"dies-while-signing": {ErrEnded, "killed by signal 9 (killed); if it was signing, the audit log"},
		"not-json":           {ErrMalformed, "not JSON"},
		"neither":            {ErrMalformed, "neither a result nor an error"},
		"both":               {ErrMalformed, "neither a result nor an error"},
		"other-id":           {ErrMalformed, "a request that was not made"},
		"text-id":            {ErrMalformed, "a request that was not made"},
		"other-type":         {ErrMalformed, "another type"},
		"no-length":          {ErrMalformed, "without Content-Length"},
		"banner":             {ErrMalformed, `"Welcome!" is not a header`},
		"endless-header":     {ErrMalformed, "header of more than 4096 bytes"},
		"oversized":          {ErrTooLarge, "99999999999 bytes"},
		"torn":               {ErrEnded, "in the middle of a message"},
	} {
		t.Run(fault, func(t *testing.T) {
			client, _ := faulty(t, fault)
			_, err := sign(client)
			if fault == "dies-when-idle" && err == nil {
				_, err = sign(client)
			}
			if !errors.Is(err, want.kind) || !strings.Contains(err.Error(), want.text) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestErrorWithoutIDReachesWhoWaits(t *testing.T) {
	client, _ := faulty(t, "no-id")
	_, err := sign(client)
	var remote *Error
	if !errors.As(err, &remote) || remote.Code != "parse_error" {
		t.Fatal(err)
	}
}

func TestStandardErrorPassesThrough(t *testing.T) {
	client, stderr := faulty(t, "exits")
	if _, err := sign(client); err == nil {
		t.Fatal("no error")
	}
	if stderr.String() != "no configuration\n" {
		t.Fatalf("got %q", stderr)
	}
}

func TestAfterADeathTheNextCallStartsAnother(t *testing.T) {
	client, _ := faulty(t, "dies-after-signing")
	first, err := sign(client)
	if err != nil {
		t.Fatal(err)
	}
	// The death is noticed a moment later; until then a call may get lost with the process, but says so.
	for {
		second, err := sign(client)
		if err == nil {
			if second["pid"] == first["pid"] {
				t.Fatal("the dead process answered")
			}
			return
		}
		if !errors.Is(err, ErrEnded) {
			t.Fatal(err)
		}
	}
}

func TestServerThatHangs(t *testing.T) {
	for _, fault := range []string{"hangs", "ignores-input"} {
		t.Run(fault, func(t *testing.T) {
			client, _ := faulty(t, fault)
			client.options.Timeout = 50 * time.Millisecond
			_, err := sign(client)
			if !errors.Is(err, ErrTimeout) {
				t.Fatal(err)
			}
		})
	}
}

func TestServerTellsOfTheDeadline(t *testing.T) {
	client, _ := faulty(t, "says-deadline")
	client.options.Timeout = 300 * time.Millisecond
	_, err := sign(client)
	var remote *Error
	if !errors.Is(err, ErrTimeout) || !errors.As(err, &remote) || remote.CorrelationID != "c0ffee" || !remote.Retryable {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := client.Call(ctx, "keyring.sign", nil, nil); !errors.As(err, &remote) {
		t.Fatal(err)
	}
}

func TestCancelledCall(t *testing.T) {
	client, _ := faulty(t, "hangs")
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := client.Call(ctx, "keyring.sign", nil, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := client.Call(ctx, "keyring.sign", nil, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// The connection is not hurt by it.
	if err := client.Call(context.Background(), "bridge.ping", nil, nil); err != nil {
		t.Fatal(err)
	}
}

func TestRequestBeyondTheServersLimit(t *testing.T) {
	client, _ := faulty(t, "none")
	err := client.Call(context.Background(), "keyring.sign", map[string]any{"msg": make([]byte, 2000)}, nil)
	if !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if _, err := sign(client); err != nil {
		t.Fatal(err)
	}
}

func TestTextThatIsNotUTF8IsNotChanged(t *testing.T) {
	client, _ := faulty(t, "none")
	err := client.Call(context.Background(), "keyring.key", map[string]any{"uid": "op\xff"}, nil)
	var remote *Error
	if !errors.As(err, &remote) || remote.Code != "invalid_request" {
		t.Fatal(err)
	}
}

func TestSecretsAreNotInArguments(t *testing.T) {
	client, _ := faulty(t, "none")
	var result map[string]any
	params := map[string]any{"hex": "c0ffee", "passphrase": "hunter2"}
	if err := client.Call(context.Background(), "keyring.importPrivKeyHex", params, &result); err != nil {
		t.Fatal(err)
	}
	if argv := result["argv"].(string); strings.Contains(argv, "c0ffee") || strings.Contains(argv, "hunter2") {
		t.Fatal(argv)
	}
}

func TestClosedClient(t *testing.T) {
	client, _ := faulty(t, "none")
	if _, err := sign(client); err != nil {
		t.Fatal(err)
	}
	client.Close()
	client.Close()
	if _, err := sign(client); !errors.Is(err, ErrEnded) {
		t.Fatal(err)
	}
}

func TestPluginThatIsMissing(t *testing.T) {
	empty := t.TempDir()
	notExecutable := filepath.Join(empty, "text")
	if err := os.WriteFile(notExecutable, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, plugin := range []string{filepath.Join(empty, "nothing"), notExecutable, "no-such-keyring-plugin"} {
		client := New(Options{Plugin: []string{plugin}})
		if _, err := sign(client); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), filepath.Base(plugin)) {
			t.Fatalf("%s: %v", plugin, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv(faultVariable, "none")
	t.Setenv(EnvAgent, "off")
	t.Setenv(EnvPlugin, "'"+os.Args[0]+"' \"with space\" plain")
	client := New(Options{})
	defer client.Close()
	result, err := sign(client)
	if err != nil || !strings.HasSuffix(result["argv"].(string), "with space plain]") {
		t.Fatal(result, err)
	}
	t.Setenv(EnvTimeout, "soon")
	if _, err := sign(client); err == nil || !strings.Contains(err.Error(), EnvTimeout) {
		t.Fatal(err)
	}
	t.Setenv(EnvTimeout, "")
	for _, line := range []string{" ", "'open"} {
		t.Setenv(EnvPlugin, line)
		if _, err := sign(New(Options{})); !errors.Is(err, ErrNotFound) {
			t.Fatalf("%q: %v", line, err)
		}
	}
}

func TestHandshakeTellsOfTheServer(t *testing.T) {
	client, _ := faulty(t, "none")
	told, err := client.Handshake(context.Background())
	if err != nil || told.Server.Name != "faulty" || told.Limits.MaxFrameBytes != 1000 {
		t.Fatal(told, err)
	}
}
