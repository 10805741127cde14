package hsm

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"cosmossdk.io/math"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/flags"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
)

const (
	// FlagMaxFee is a flag of the commands below `tx`: the most that is paid where a node determines the fee.
	FlagMaxFee = "hsm-max-fee"
	// EnvMaxFee is the variable that counts where the flag is not given.
	EnvMaxFee = "KEYRING_BRIDGE_MAX_FEE"

	// usualCeiling is ten whole coins: of nearly all coins the base unit is a millionth.
	usualCeiling = 10_000_000
)

// ofFiles are the commands that sign transactions of files, whose fees stand there.
var ofFiles = map[string]bool{"sign": true, "sign-batch": true}

func addMaxFeeFlag(root *cobra.Command) {
	place := root
	for _, child := range root.Commands() {
		if child.Name() == "tx" {
			place = child
		}
	}
	if place.PersistentFlags().Lookup(FlagMaxFee) == nil {
		place.PersistentFlags().String(FlagMaxFee, "",
			"Most that is paid where a node determines the fee, with --keyring-backend hsm (default 10 whole coins of each kind)")
	}
}

// feeCheck returns what holds the fees of a command's transactions below a ceiling; nil where there is none.
//
// A fee that the command names itself (--fees, or --gas-prices with a number in --gas) is what the person wants. Any
// other one depends on what a node said, and a node that lies must not make anybody pay.
func feeCheck(cmd *cobra.Command) func(fee sdk.Coins) error {
	if ofFiles[cmd.Name()] || cmd.Flags().Lookup(flags.FlagFees) == nil {
		return nil
	}
	return func(fee sdk.Coins) error {
		named, err := namedFee(text(cmd, flags.FlagFees), text(cmd, flags.FlagGasPrices), text(cmd, flags.FlagGas))
		if err == nil && positive(fee).Equal(positive(named)) {
			return nil
		}
		ceiling := text(cmd, FlagMaxFee)
		if ceiling == "" {
			ceiling = os.Getenv(EnvMaxFee)
		}
		return checkFee(fee, ceiling)
	}
}

// positive returns the coins that cost something. Those of sign bytes may be anything, so nothing is taken for granted.
func positive(coins sdk.Coins) sdk.Coins {
	var kept sdk.Coins
	for _, coin := range coins {
		if !coin.Amount.IsNil() && coin.Amount.IsPositive() {
			kept = append(kept, coin)
		}
	}
	return kept
}

func text(cmd *cobra.Command, name string) string {
	if flag := cmd.Flags().Lookup(name); flag != nil {
		return flag.Value.String()
	}
	return ""
}

// namedFee returns the fee that a command names itself, as the SDK calculates it; an error if there is none.
func namedFee(fees, prices, gas string) (sdk.Coins, error) {
	if fees != "" {
		return sdk.ParseCoinsNormalized(fees)
	}
	if prices == "" {
		return sdk.Coins{}, nil
	}
	each, err := sdk.ParseDecCoins(prices)
	if err != nil {
		return nil, err
	}
	if gas == "" {
		gas = strconv.Itoa(flags.DefaultGasLimit)
	}
	limit, err := strconv.ParseUint(gas, 10, 63)
	if err != nil {
		return nil, err
	}
	var named sdk.Coins
	for _, price := range each {
		named = named.Add(sdk.NewCoin(price.Denom, price.Amount.Mul(math.LegacyNewDec(int64(limit))).Ceil().RoundInt()))
	}
	return named, nil
}

// checkFee checks a fee that a node determined. The ceiling is what was set, empty for ten whole coins of each kind.
func checkFee(fee sdk.Coins, ceiling string) error {
	limits, err := sdk.ParseCoinsNormalized(ceiling)
	if err != nil {
		return fmt.Errorf("the ceiling of fees (--%s, %s) cannot be read: %w", FlagMaxFee, EnvMaxFee, err)
	}
	for _, coin := range positive(fee) {
		limit := limits.AmountOfNoDenomValidation(coin.Denom)
		if ceiling == "" {
			limit = math.NewInt(usualCeiling)
		}
		if coin.Amount.GT(limit) {
			return fmt.Errorf("the fee of %s is above the ceiling of %s%s; nothing was signed (the node says how much gas "+
				"the transaction needs. If that is right, name the fee with --%s, or another ceiling with --%s or %s)",
				coin, limit, coin.Denom, flags.FlagFees, FlagMaxFee, EnvMaxFee)
		}
	}
	return nil
}

// feeOf reads the fee out of what is about to be signed; false if it has none or cannot be read, which is the bridge's
// to refuse. authInfo is that of screens of SIGN_MODE_TEXTUAL, which show no more than text.
func feeOf(signBytes []byte, mode signing.SignMode, authInfo []byte) (sdk.Coins, bool) {
	switch mode {
	case signing.SignMode_SIGN_MODE_DIRECT:
		var document tx.SignDoc
		if document.Unmarshal(signBytes) != nil {
			return nil, false
		}
		authInfo = document.AuthInfoBytes
	case signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON:
		var document struct {
			Fee struct {
				Amount sdk.Coins `json:"amount"`
			} `json:"fee"`
		}
		err := json.Unmarshal(signBytes, &document)
		return document.Fee.Amount, err == nil
	case signing.SignMode_SIGN_MODE_TEXTUAL:
	default:
		return nil, false
	}
	var info tx.AuthInfo
	if info.Unmarshal(authInfo) != nil || info.Fee == nil {
		return nil, false
	}
	return info.Fee.Amount, true
}
