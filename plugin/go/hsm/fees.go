package hsm

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"cosmossdk.io/math"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
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

	// wholeCoins of each kind are the ceiling where nothing else is said.
	wholeCoins = 10
	// usualExponent is that of coins of which nothing is known: of nearly all of them the base unit is a millionth.
	usualExponent = 6
	// largestExponent is what an amount has room for.
	largestExponent = 60
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

// noted is what an operator noted of a chain with `hsm chain add`.
type noted struct {
	MaxFee    string         `json:"max_fee"`
	Exponents map[string]int `json:"exponents"`
}

// noted asks the bridge. One of an earlier release knows nothing.
func (k *Keyring) noted(chainID string) (noted, error) {
	var answer noted
	if chainID == "" {
		return answer, nil
	}
	err := k.call("bridge.chain", map[string]any{"chain_id": chainID}, &answer)
	if hasCode(err, "method_not_found") {
		err = nil
	}
	return answer, err
}

// feeCheck returns what holds the fees of a command's transactions below a ceiling; nil where there is none.
//
// A fee that the command names itself (--fees, or --gas-prices with a number in --gas) is what the person wants. Any
// other one depends on what a node said, and a node that lies must not make anybody pay. What was noted of the chain is
// only asked then.
func feeCheck(cmd *cobra.Command, ask func(chainID string) (noted, error)) func(fee sdk.Coins) error {
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
		if ceiling != "" {
			return checkFee(fee, ceiling, nil)
		}
		known, err := ask(chainOf(cmd))
		if err != nil {
			return err
		}
		return checkFee(fee, known.MaxFee, known.Exponents)
	}
}

// chainOf returns the id of the chain that a command is for: that of its flag, else of client.toml.
func chainOf(cmd *cobra.Command) string {
	if chainID := text(cmd, flags.FlagChainID); chainID != "" {
		return chainID
	}
	if cmd.Context() == nil {
		return ""
	}
	return client.GetClientContextFromCmd(cmd).ChainID
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

// checkFee checks a fee that a node determined. The ceiling is what was set, empty for ten whole coins of each kind;
// exponents are those of coins that are known.
func checkFee(fee sdk.Coins, ceiling string, exponents map[string]int) error {
	limits, err := sdk.ParseCoinsNormalized(ceiling)
	if err != nil {
		return fmt.Errorf("the ceiling of fees (--%s, %s) cannot be read: %w", FlagMaxFee, EnvMaxFee, err)
	}
	for _, coin := range positive(fee) {
		limit, advice := limits.AmountOfNoDenomValidation(coin.Denom), ""
		if ceiling == "" {
			exponent, known := exponents[coin.Denom]
			if !known || exponent < 0 || exponent > largestExponent {
				exponent, advice = usualExponent, unknownCoin(coin.Denom)
			}
			limit = math.NewIntWithDecimal(wholeCoins, exponent)
		}
		if coin.Amount.GT(limit) {
			return fmt.Errorf("the fee of %s is above the ceiling of %s%s; nothing was signed (the node says how much gas "+
				"the transaction needs. If that is right, name the fee with --%s, or another ceiling with --%s or %s%s)",
				coin, limit, coin.Denom, flags.FlagFees, FlagMaxFee, EnvMaxFee, advice)
		}
	}
	return nil
}

// unknownCoin says what to do about the ceiling of a coin of which nothing is known.
func unknownCoin(denom string) string {
	return fmt.Sprintf(". Nothing is known of %s, so a whole coin was taken for 10^%d of it; of a coin with 18 decimals the "+
		"ceiling has to be named, such as 0.01 coins with --%s %s%s, or for good with `hsm chain add --max-fee`",
		denom, usualExponent, FlagMaxFee, math.NewIntWithDecimal(1, 16), denom)
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
