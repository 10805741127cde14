package hsm

import (
	"fmt"

	"github.com/spf13/cobra"

	sdkclient "github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
)

// chooseLedgerMode does for a sender whose key is on a Ledger device what the SDK would do a moment later: sign in
// amino JSON unless a mode that the device knows was asked for. The SDK says so on standard output, in front of the
// JSON that scripts read; here it goes to standard error, and the SDK has nothing left to say.
func chooseLedgerMode(cmd *cobra.Command, ctx sdkclient.Context, keys keyring.Keyring) {
	from, mode := cmd.Flags().Lookup(flags.FlagFrom), cmd.Flags().Lookup(flags.FlagSignMode)
	if from == nil || from.Value.String() == "" || mode == nil || ctx.LedgerHasProtobuf {
		return
	}
	switch mode.Value.String() {
	case flags.SignModeLegacyAminoJSON, flags.SignModeTextual:
		return
	}
	sender := from.Value.String()
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
