// Package bridgetest gives tests a bridge of their own: the real keyring-plugin of this repository.
package bridgetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"keyring-bridge/plugin/go/client"
)

// Chain is what the bridge's starter policies are for.
const Chain = "testchain-1"

// EnvPython names the Python that has what the bridge needs; without it python3.
const EnvPython = "KEYRING_BRIDGE_TEST_PYTHON"

// Bridge is a user with a configuration.
type Bridge struct {
	t      *testing.T
	folder string
	python string
	root   string
}

// Software returns a bridge whose keys are in a file.
func Software(t *testing.T) *Bridge {
	bridge := newBridge(t)
	bridge.HSM("init", "--backend", "software", "--chain-id", Chain)
	return bridge
}

// SoftHSM returns a bridge whose keys are in a token of SoftHSM2.
func SoftHSM(t *testing.T) *Bridge {
	bridge := newBridge(t)
	tokens := filepath.Join(bridge.folder, "tokens")
	conf := filepath.Join(bridge.folder, "softhsm2.conf")
	bridge.must(os.Mkdir(tokens, 0o700))
	bridge.must(os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s\n", tokens), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	bridge.HSM("init", "--create-token", "--token-label", "desk", "--chain-id", Chain)
	return bridge
}

func newBridge(t *testing.T) *Bridge {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	bridge := &Bridge{
		t:      t,
		folder: t.TempDir(),
		python: os.Getenv(EnvPython),
		root:   filepath.Join(filepath.Dir(here), "..", "..", "..", ".."),
	}
	if bridge.python == "" {
		bridge.python = "python3"
	}
	var sources []string
	for _, name := range []string{"", "cosmos", "plugin"} {
		sources = append(sources, filepath.Join(bridge.root, name))
	}
	t.Setenv("HOME", bridge.folder)
	t.Setenv("PYTHONPATH", strings.Join(sources, ":"))
	t.Setenv("KEYRING_BRIDGE_CONFIG", filepath.Join(bridge.folder, "bridge", "config.toml"))
	t.Setenv(client.EnvAgent, "off")
	t.Setenv(client.EnvPlugin, fmt.Sprintf("'%s' -m keyring_plugin", bridge.python))
	return bridge
}

// HSM runs the bridge's program, which must succeed.
func (b *Bridge) HSM(arguments ...string) {
	b.t.Helper()
	command := exec.Command(b.python, append([]string{"-m", "keyring_bridge.cli"}, arguments...)...)
	if output, err := command.CombinedOutput(); err != nil {
		b.t.Fatalf("hsm %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
}

// Generate makes a key that may sign any bank send on the chain, in every mode.
func (b *Bridge) Generate(name string) {
	b.t.Helper()
	b.HSM("keygen", "--label", name)
	path := filepath.Join(b.folder, "bridge", "policy.toml")
	policy, err := os.ReadFile(path)
	b.must(err)
	modes := `sign_modes = ["direct", "amino-json", "textual"]`
	b.must(os.WriteFile(path, bytes.ReplaceAll(policy, []byte(`sign_modes = ["direct"]`), []byte(modes)), 0o600))
}

func (b *Bridge) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}
