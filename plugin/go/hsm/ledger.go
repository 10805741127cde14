package hsm

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	sdkclient "github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
)

// watchSender lets senders whose keys are on Ledger devices sign in a mode that these know. Commands as `bank send` set
// the flag --from themselves while they run, so it is watched.
func watchSender(cmd *cobra.Command, ctx sdkclient.Context, keys keyring.Keyring) {
	from, mode := cmd.Flags().Lookup(flags.FlagFrom), cmd.Flags().Lookup(flags.FlagSignMode)
	if from == nil || mode == nil || ctx.LedgerHasProtobuf {
		return
	}
	check := func(sender string) { chooseLedgerMode(cmd, mode, keys, sender) }
	check(from.Value.String())
	if watched, already := from.Value.(*watchedValue); already {
		watched.check = check
	} else {
		from.Value = &watchedValue{from.Value, check}
	}
}

type watchedValue struct {
	pflag.Value
	check func(string)
}

func (v *watchedValue) Set(text string) error {
	before := v.String()
	err := v.Value.Set(text)
	if now := v.String(); err == nil && now != before {
		v.check(now)
	}
	return err
}

// chooseLedgerMode does for a sender whose key is on a Ledger device what the SDK would do a moment later: sign in
// amino JSON unless a mode that the device knows was asked for. The SDK says so on standard output, in front of the
// JSON that scripts read; here it goes to standard error, and the SDK has nothing left to say.
func chooseLedgerMode(cmd *cobra.Command, mode *pflag.Flag, keys keyring.Keyring, sender string) {
	chosen := mode.Value.String()
	if sender == "" || chosen == flags.SignModeLegacyAminoJSON || chosen == flags.SignModeTextual {
		return
	}
	address, notAddress := sdk.AccAddressFromBech32(sender)
	generate, _ := cmd.Flags().GetBool(flags.FlagGenerateOnly)
	if dryRun, _ := cmd.Flags().GetBool(flags.FlagDryRun); dryRun || generate && notAddress == nil {
		return // no key is looked up
	}
	var (
		record *keyring.Record
		err    error
	)
	if notAddress == nil {
		record, err = keys.KeyByAddress(address)
	} else {
		record, err = keys.Key(sender)
	}
	if err != nil || record.GetType() != keyring.TypeLedger {
		return // what is wrong the command says itself
	}
	if mode.Value.Set(flags.SignModeLegacyAminoJSON) == nil {
		mode.Changed = true
		fmt.Fprintln(cmd.ErrOrStderr(), "Default sign-mode 'direct' not supported by Ledger, using sign-mode 'amino-json'.")
	}
}
