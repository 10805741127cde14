package hsm

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/cosmos/cosmos-sdk/client/flags"

	"keyring-bridge/plugin/go/internal/early"
)

func TestEarlyKnowsTheWordsOfTheSDK(t *testing.T) {
	if early.Flag != "--"+flags.FlagKeyringBackend || early.GenerateOnly != "--"+flags.FlagGenerateOnly || early.Backend != Backend {
		t.Errorf("%s %s %s", early.Flag, early.GenerateOnly, early.Backend)
	}
}

// A package that imports one of the SDK's is initialized after it, and starts nothing early.
func TestEarlyImportsTheStandardLibraryAlone(t *testing.T) {
	command := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "keyring-bridge/plugin/go/early")
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(output)) {
		if !strings.HasPrefix(path, "keyring-bridge/plugin/go/") {
			t.Errorf("%s is imported", path)
		}
	}
}
