package hsm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/cosmos/cosmos-sdk/client/flags"
)

// wanted tells whether the backend of a command is ours: what the flag says, else the environment, else client.toml,
// else the flag's default.
func (w *wrapping) wanted(cmd *cobra.Command, flag *pflag.Flag) bool {
	if flag != nil && flag.Changed {
		return flag.Value.String() == Backend
	}
	for _, name := range w.variables(cmd) {
		if value := os.Getenv(name); value != "" {
			return value == Backend
		}
	}
	if value := configured(cmd); value != "" {
		return value == Backend
	}
	return flag != nil && flag.Value.String() == Backend
}

// variables returns the names under which a chain may look for its backend in the environment: with the prefix of the
// program's name (client.Context.WithViper and server.InterceptConfigsPreRunHandler), of svrcmd.Execute, or none
// (SDK v0.50), each as viper writes them with and without a replacer for dashes.
func (w *wrapping) variables(cmd *cobra.Command) []string {
	program := filepath.Base(os.Args[0])
	if path, err := os.Executable(); err == nil {
		program = filepath.Base(path)
	}
	var names []string
	for _, prefix := range append(w.settings.prefixes, viper.GetEnvPrefix(), program, cmd.Root().Name(), "") {
		for _, prefix := range []string{strings.ToUpper(prefix), prefix} {
			for _, key := range []string{flags.FlagKeyringBackend, "keyring_backend"} {
				if name := strings.TrimPrefix(prefix+"_"+strings.ToUpper(key), "_"); !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// setVariables sets variables and returns what undoes it.
func setVariables(names []string, value string) (restore func()) {
	before := map[string]string{}
	for _, name := range names {
		if old, found := os.LookupEnv(name); found {
			before[name] = old
		}
		os.Setenv(name, value)
	}
	return func() {
		for _, name := range names {
			if old, found := before[name]; found {
				os.Setenv(name, old)
			} else {
				os.Unsetenv(name)
			}
		}
	}
}

// configured returns what client.toml says. It is read as config.ReadFromClientConfig does, which would make a keyring.
func configured(cmd *cobra.Command) string {
	home := viper.GetString(flags.FlagHome)
	if flag := cmd.Flags().Lookup(flags.FlagHome); flag != nil {
		home = flag.Value.String()
	}
	file := viper.New()
	file.SetConfigFile(filepath.Join(home, "config", "client.toml"))
	if home == "" || file.ReadInConfig() != nil {
		return "" // the chain says what is wrong with it
	}
	return file.GetString(flags.FlagKeyringBackend)
}
