package hsm

import (
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	sdkclient "github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
)

// Wrap makes `--keyring-backend hsm` work in every command of a chain, given as a flag, in the environment or in
// client.toml, and adds the command `hsm`, in place of the chain's own if it has one.
//
// Call it when all commands are there, before the root command is executed.
//
// The SDK has no way to add a backend, so the value is hidden from it: while the chain prepares its context, the backend
// is `memory`; then the context gets a keyring of the bridge, and the flag counts as not given, so that no command
// makes another one. The flag's value is `hsm` again: a command that makes its own keyring of it fails with the SDK's
// text and does not work on an empty keyring.
func Wrap(root *cobra.Command, options ...Option) {
	given := apply(options)
	if given.transactions == nil {
		given.transactions = &Transactions{}
	}
	wrapping := &wrapping{settings: given}
	wrapping.commands(root, root)
	replaceCommand(root, hsmCommand())
	addMaxFeeFlag(root)
}

type wrapping struct {
	settings settings
	masking  sync.Mutex
}

type hook = func(cmd *cobra.Command, args []string) error

// commands wraps the hooks of a command and those below it. Of the hooks on a command's way down from the root cobra
// runs the last one, so that of the root is not enough.
func (w *wrapping) commands(root, cmd *cobra.Command) {
	old := cmd.PersistentPreRunE
	if plain := cmd.PersistentPreRun; old == nil && plain != nil {
		old = func(cmd *cobra.Command, args []string) error {
			plain(cmd, args)
			return nil
		}
	}
	if old != nil || cmd == root {
		cmd.PersistentPreRunE = w.hook(old)
	}
	for _, child := range cmd.Commands() {
		w.commands(root, child)
	}
}

func (w *wrapping) hook(old hook) hook {
	if old == nil {
		old = func(*cobra.Command, []string) error { return nil }
	}
	return func(cmd *cobra.Command, args []string) error {
		flag := cmd.Flags().Lookup(flags.FlagKeyringBackend)
		run := func() error { return explained(old(cmd, args)) }
		if !w.wanted(cmd, flag) {
			prepare := run
			if flag != nil && flag.Changed && configured(cmd) == Backend {
				// The chain makes the keyring of client.toml first and that of the flag afterwards.
				prepare = func() error { return w.masked(cmd, run) }
			}
			if err := prepare(); err != nil {
				return err
			}
			// The chain may have set the flag from a variable of a name that only it knows.
			if flag == nil || flag.Value.String() != Backend {
				return nil
			}
		} else {
			if flag != nil {
				if err := flag.Value.Set(keyring.BackendMemory); err != nil {
					return err
				}
				flag.Changed = true // otherwise the environment is asked
			}
			if err := w.masked(cmd, run); err != nil {
				return err
			}
		}
		if flag != nil {
			if err := flag.Value.Set(Backend); err != nil {
				return err
			}
			flag.Changed = false
			delete(flag.Annotations, cobra.BashCompOneRequiredFlag)
		}
		return w.install(cmd)
	}
}

// masked runs what finds `memory` as the backend in the environment, which goes before client.toml.
func (w *wrapping) masked(cmd *cobra.Command, run func() error) error {
	w.masking.Lock()
	defer w.masking.Unlock()
	restore := setVariables(w.variables(cmd), keyring.BackendMemory)
	defer restore()
	return run()
}

// install gives a command's context a keyring of the bridge.
func (w *wrapping) install(cmd *cobra.Command) error {
	ctx := sdkclient.GetClientContextFromCmd(cmd)
	if ctx.Codec == nil {
		return nil // a command that does without
	}
	transactions := w.settings.transactions
	if transactions.Coins == nil {
		transactions.Coins = queryCoins(func() (sdkclient.Context, error) { return sdkclient.GetClientQueryContext(cmd) })
	}
	own, err := New(ctx.Codec,
		WithClient(w.settings.client), WithContext(cmd.Context()), WithTransactions(transactions),
		WithKeyringOptions(append(ctx.KeyringOptions, w.settings.keyring...)...))
	if err != nil {
		return err
	}
	if keys, ok := own.(*Keyring); ok {
		keys.checkFee = feeCheck(cmd, keys.noted)
	}
	ctx = ctx.WithKeyring(own)
	if _, done := ctx.TxConfig.(txConfig); ctx.TxConfig != nil && !done {
		ctx = ctx.WithTxConfig(transactions.TxConfig(ctx.TxConfig))
	}
	if err := sdkclient.SetCmdClientContext(cmd, ctx); err != nil {
		return err
	}
	watchSender(cmd, ctx, own)
	return nil
}

func explained(err error) error {
	if errors.Is(err, keyring.ErrUnknownBacked) {
		return fmt.Errorf("%w; if the backend %s is meant, give the prefix of this chain's variables to hsm.WithEnvPrefix", err, Backend)
	}
	return err
}
