package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// agent answers every request with its method, until the connection ends.
func agent(t *testing.T, path string) net.Listener {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(connection)
		}
	}()
	return listener
}

func serve(connection net.Conn) {
	defer connection.Close()
	input := bufio.NewReader(connection)
	for {
		body, err := readFrame(input, 1<<20)
		if err != nil {
			return
		}
		var request struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		_ = json.Unmarshal(body, &request)
		result := `"` + request.Method + `"`
		if request.Method == "bridge.handshake" {
			result = `{"protocol_version":1}`
		}
		_ = writeFrame(connection, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":%s}`, request.ID, result))
		if request.Method == "stop" {
			return
		}
	}
}

func private(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}

func ask(client *Client, method string) error {
	var got string
	err := client.Call(context.Background(), method, nil, &got)
	if err == nil && got != method {
		return fmt.Errorf("got %q", got)
	}
	return err
}

func TestAgentBehindASocket(t *testing.T) {
	path := filepath.Join(private(t), "agent.sock")
	agent(t, path)
	client := New(Options{Socket: path})
	defer client.Close()
	if err := ask(client, "keyring.list"); err != nil {
		t.Fatal(err)
	}
}

func TestAgentThatWasRestarted(t *testing.T) {
	path := filepath.Join(private(t), "agent.sock")
	agent(t, path)
	client := New(Options{Socket: path})
	defer client.Close()
	if err := ask(client, "stop"); err != nil {
		t.Fatal(err)
	}
	for {
		err := ask(client, "keyring.list")
		if err == nil {
			return
		}
		if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "audit log") {
			t.Fatal(err)
		}
	}
}

func TestSocketsThatMustNotBeUsed(t *testing.T) {
	folder := private(t)
	real := filepath.Join(folder, "agent.sock")
	agent(t, real)
	link := filepath.Join(folder, "link.sock")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "file.sock")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open := private(t)
	shared := filepath.Join(open, "agent.sock")
	agent(t, shared)
	if err := os.Chmod(open, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	linked := filepath.Join(folder, "linked")
	if err := os.Symlink(private(t), linked); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		link:                                "symbolic link",
		file:                                "not a socket",
		shared:                              "others have access",
		filepath.Join(linked, "agent.sock"): "symbolic link or no folder",
	} {
		if err := ask(New(Options{Socket: path}), "keyring.list"); !errors.Is(err, ErrSocket) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestSocketOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root can give a file away; the owner is compared in TestTrusted")
		return
	}
	path := filepath.Join(private(t), "agent.sock")
	agent(t, path)
	if err := os.Chown(path, 4711, 4711); err != nil {
		t.Fatal(err)
	}
	if err := ask(New(Options{Socket: path}), "keyring.list"); !errors.Is(err, ErrSocket) || !strings.Contains(err.Error(), "4711") {
		t.Fatal(err)
	}
}

func TestTrusted(t *testing.T) {
	own := uint32(os.Getuid())
	if !trusted(own) || !trusted(0) || trusted(own+1) {
		t.Fatal("only root and the user itself are trusted")
	}
}

func TestNobodyListens(t *testing.T) {
	folder := private(t)
	left := filepath.Join(folder, "left.sock")
	listener := agent(t, left)
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	listener.Close()
	for _, path := range []string{left, filepath.Join(folder, "none.sock"), filepath.Join(folder, "none", "agent.sock")} {
		if err := ask(New(Options{Socket: path}), "keyring.list"); !errors.Is(err, errNobody) {
			t.Errorf("%s: %v", path, err)
		}
		// A socket of the environment is one that the plugin may bring to life.
		t.Setenv(EnvSocket, path)
		t.Setenv(EnvPlugin, os.Args[0])
		t.Setenv(faultVariable, "none")
		client := New(Options{})
		if _, err := sign(client); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		client.Close()
	}
}

func TestAgentOfThisUserIsFound(t *testing.T) {
	home := private(t)
	t.Setenv("HOME", home)
	t.Setenv(faultVariable, "none")
	t.Setenv(EnvPlugin, os.Args[0])
	for _, name := range []string{EnvSocket, EnvAgent, envConfig, "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"} {
		t.Setenv(name, "")
	}
	// A plugin answers another thing than an agent does.
	uses := func(want string) {
		t.Helper()
		client := New(Options{})
		defer client.Close()
		var got any
		if err := client.Call(context.Background(), "keyring.list", nil, &got); err != nil {
			t.Fatal(err)
		}
		if _, agent := got.(string); agent != (want == "agent") {
			t.Fatalf("got %v, want an answer of the %s", got, want)
		}
	}
	uses("plugin")
	for _, variable := range []string{"", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"} {
		base := filepath.Join(home, ".local", "state")
		if variable != "" {
			base = private(t)
			t.Setenv(variable, base)
		}
		place := filepath.Join(base, "keyring-bridge")
		if err := os.MkdirAll(place, 0o700); err != nil {
			t.Fatal(err)
		}
		agent(t, filepath.Join(place, "agent.sock"))
		uses("agent")
	}
	t.Setenv(EnvAgent, "off")
	uses("plugin")
	t.Setenv(EnvAgent, "")

	told := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "keyring-bridge", "agent.config")
	for configuration, want := range map[string]string{
		filepath.Join(home, ".config", "keyring-bridge", "config.toml"): "agent",
		filepath.Join(home, "other.toml"):                               "plugin",
	} {
		if err := os.WriteFile(told, []byte(configuration), 0o600); err != nil {
			t.Fatal(err)
		}
		uses(want)
	}
	t.Setenv(envConfig, "~/other.toml")
	if err := os.WriteFile(told, []byte(filepath.Join(home, "other.toml")), 0o600); err != nil {
		t.Fatal(err)
	}
	uses("agent")
	// One that nobody named and that others can reach is the plugin's to complain about.
	if err := os.Chmod(filepath.Dir(told), 0o755); err != nil {
		t.Fatal(err)
	}
	uses("plugin")
}
