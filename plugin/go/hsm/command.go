package hsm

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"keyring-bridge/plugin/go/client"
)

// EnvCommand names the command line of the bridge's own program, which `CHAIN hsm` becomes; without it `hsm` on PATH.
const EnvCommand = "KEYRING_BRIDGE_HSM"

// hsmCommand is `CHAIN hsm …`: the process becomes the bridge's program, with all words that follow.
func hsmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "hsm",
		Short: "Keys in hardware security modules (the keyring bridge)",
		Long: "Run the keyring bridge's program `hsm` with the words that follow; `hsm --help` lists its commands.\n" +
			"Sign with its keys by --keyring-backend " + Backend + ".",
		DisableFlagParsing: true,
		SilenceUsage:       true,
		// Instead of the root's: the bridge needs neither the chain's home nor its configuration.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, args []string) error {
			return become(withoutForeign(behind(cmd.CalledAs(), os.Args[1:], args)))
		},
	}
}

// behind returns the words behind a command's own. cobra only takes that one out, so that flags of the chain in front of
// it, as in `CHAIN --home DIR hsm status`, would become the first words of the bridge's program.
func behind(command string, all, args []string) []string {
	for i, word := range all {
		if word == command && slices.Equal(slices.Concat(all[:i], all[i+1:]), args) {
			return all[i+1:]
		}
	}
	return args
}

// foreign are flags that all commands of a chain take, and whether they have a value: people and scripts add them out of
// habit. The bridge has none of these names.
var foreign = map[string]bool{
	"--home": true, "--keyring-backend": true, "--keyring-dir": true, "--log_level": true, "--log_format": true,
	"--log_no_color": false, "--trace": false,
}

func withoutForeign(words []string) []string {
	var left []string
	for i := 0; i < len(words); i++ {
		if words[i] == "--" {
			return append(left, words[i:]...)
		}
		name, _, joined := strings.Cut(words[i], "=")
		takes, found := foreign[name]
		switch {
		case !found:
			left = append(left, words[i])
		case takes && !joined:
			i++ // its value
		}
	}
	return left
}

func become(args []string) error {
	words := []string{"hsm"}
	if line := os.Getenv(EnvCommand); line != "" {
		split, err := client.SplitWords(line)
		if err != nil || len(split) == 0 {
			return fmt.Errorf("%s cannot be read as a command line", EnvCommand)
		}
		words = split
	}
	program, err := exec.LookPath(words[0])
	if err != nil {
		return fmt.Errorf("there is no program %q; install keyring-bridge, or name the program in %s", words[0], EnvCommand)
	}
	err = syscall.Exec(program, append(words, args...), os.Environ())
	return fmt.Errorf("%s could not be started: %w", program, err)
}

// replaceCommand adds a command in place of those that go by its name.
func replaceCommand(root, command *cobra.Command) {
	for _, old := range root.Commands() {
		if old.Name() == command.Name() || old.HasAlias(command.Name()) {
			root.RemoveCommand(old)
		}
	}
	root.AddCommand(command)
}
