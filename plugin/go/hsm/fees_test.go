package hsm

import (
	"errors"
	"strings"
	"testing"

	"cosmossdk.io/math"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/flags"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"

	"keyring-bridge/plugin/go/internal/bridgetest"
)

func coins(t *testing.T, text string) sdk.Coins {
	t.Helper()
	parsed, err := sdk.ParseCoinsNormalized(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// The same cases as tests/unit/plugin/test_shell_fees.py.
func TestWhatACommandNames(t *testing.T) {
	for _, one := range []struct{ fees, prices, gas, fee string }{
		{"", "", "", ""},
		{"", "", "auto", ""},
		{"500uve", "", "auto", "500uve"},
		{"1uatom,500uve", "", "", "1uatom,500uve"},
		{"", "0.025uve", "", "5000uve"},
		{"", "0.025uve", "1", "1uve"},
		{"", "0.000000000000000001uve", "1", "1uve"},
		{"", "0uve", "100", ""},
		{"", "2uatom,0.1uve", "15", "30uatom,2uve"},
		{"", "0.025uve", "auto", "none"},
		{"", "0.025uve", "much", "none"},
		{"", "0.025uve", "-1", "none"},
		{"", "what", "1", "none"},
	} {
		named, err := namedFee(one.fees, one.prices, one.gas)
		if got := named.String(); err == nil && got != one.fee || err != nil && one.fee != "none" {
			t.Errorf("%v: %s, %v", one, got, err)
		}
	}
}

// command is one that sends, with the SDK's flags.
func command(t *testing.T, name string, given map[string]string) *cobra.Command {
	t.Helper()
	root, sends := &cobra.Command{Use: "chaind"}, &cobra.Command{Use: "tx"}
	cmd := &cobra.Command{Use: name + " [from]"}
	root.AddCommand(sends)
	sends.AddCommand(cmd)
	flags.AddTxFlagsToCmd(cmd)
	addMaxFeeFlag(root)
	addMaxFeeFlag(root)
	for flag, value := range given {
		if err := cmd.ParseFlags([]string{"--" + flag, value}); err != nil {
			t.Fatal(err)
		}
	}
	return cmd
}

func TestACeilingOfFees(t *testing.T) {
	for _, one := range []struct {
		given    map[string]string
		variable string
		fee      string
		paid     bool
	}{
		{nil, "", "", true},
		{nil, "", "10000000uve", true},
		{nil, "", "10000001uve", false},
		{nil, "", "1uatom,10000001uve", false},
		{map[string]string{"gas": "auto", "gas-prices": "1uve"}, "", "10000001uve", false},
		{map[string]string{"gas": "10000001", "gas-prices": "1uve"}, "", "10000001uve", true},
		{map[string]string{"gas": "10000001", "gas-prices": "1uve"}, "", "10000002uve", false},
		{map[string]string{"fees": "10000001uve"}, "1uve", "10000001uve", true},
		{map[string]string{"fees": "1uve"}, "", "10000001uve", false},
		{map[string]string{"fees": "10000001uve"}, "", "10000001uatom", false},
		{map[string]string{"hsm-max-fee": "5uve"}, "7uve", "5uve", true},
		{map[string]string{"hsm-max-fee": "5uve"}, "7uve", "6uve", false},
		{nil, "7uve", "7uve", true},
		{nil, "7uve", "8uve", false},
		{nil, "7uve", "1uatom", false},
		{nil, "what", "1uve", false},
	} {
		t.Setenv(EnvMaxFee, one.variable)
		err := feeCheck(command(t, "send", one.given), nothing)(coins(t, one.fee))
		if (err == nil) != one.paid {
			t.Errorf("%v: %v", one, err)
		}
		if err != nil && one.variable != "what" && !strings.Contains(err.Error(), "is above the ceiling of") {
			t.Error(err)
		}
	}
}

func nothing(string) (noted, error) { return noted{}, nil }

func TestACeilingThatWasNoted(t *testing.T) {
	const whole = "000000000000000000"
	for _, one := range []struct {
		given    map[string]string
		variable string
		noted    noted
		fee      string
		paid     bool
	}{
		{nil, "", noted{MaxFee: "5uve"}, "5uve", true},
		{nil, "", noted{MaxFee: "5uve"}, "6uve", false},
		{nil, "", noted{MaxFee: "5uve"}, "1uatom", false},
		{nil, "", noted{MaxFee: "20000000uve"}, "20000000uve", true},
		{nil, "7uve", noted{MaxFee: "5uve"}, "6uve", true},
		{map[string]string{"hsm-max-fee": "7uve"}, "", noted{MaxFee: "5uve"}, "6uve", true},
		{nil, "", noted{Exponents: map[string]int{"aeth": 18}}, "10" + whole + "aeth", true},
		{nil, "", noted{Exponents: map[string]int{"aeth": 18}}, "11" + whole + "aeth", false},
		{nil, "", noted{Exponents: map[string]int{"aeth": 1 << 30}}, "10000001aeth", false},
		{nil, "", noted{Exponents: map[string]int{"uve": 0}}, "11uve", false},
	} {
		t.Setenv(EnvMaxFee, one.variable)
		asked := ""
		ask := func(chainID string) (noted, error) {
			asked = chainID
			return one.noted, nil
		}
		given := map[string]string{"chain-id": "chain-7"}
		for name, value := range one.given {
			given[name] = value
		}
		err := feeCheck(command(t, "send", given), ask)(coins(t, one.fee))
		if (err == nil) != one.paid {
			t.Errorf("%v: %v", one, err)
		}
		if named := one.variable != "" || one.given != nil; (asked == "chain-7") == named {
			t.Errorf("%v: asked for %q", one, asked)
		}
	}
}

func TestACoinThatIsNotKnownAndABridgeThatFails(t *testing.T) {
	check := feeCheck(command(t, "send", nil), nothing)
	if err := check(coins(t, "10000000000000000aeth")); err == nil || !strings.Contains(err.Error(), "18 decimals") ||
		!strings.Contains(err.Error(), "--hsm-max-fee 10000000000000000aeth") {
		t.Error(err)
	}
	broken := errors.New("broken")
	check = feeCheck(command(t, "send", nil), func(string) (noted, error) { return noted{}, broken })
	if err := check(coins(t, "1uve")); !errors.Is(err, broken) {
		t.Error("what the bridge says of the chain is not known, and the fee is paid:", err)
	}
}

// The bridge is asked for real; tests/integration/plugin has the answers of a chain that was added.
func TestWhatTheBridgeNotedOfAChain(t *testing.T) {
	bridgetest.Software(t)
	own, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := own.(*Keyring)
	defer keys.Close()
	for _, chainID := range []string{"", "unheard-1"} {
		if known, err := keys.noted(chainID); err != nil || known.MaxFee != "" || len(known.Exponents) != 0 {
			t.Errorf("%q: %v, %v", chainID, known, err)
		}
	}
	if _, err := keys.noted(strings.Repeat("x", 100)); err == nil {
		t.Error("the bridge was not asked")
	}
}

func TestCoinsThatAreNone(t *testing.T) {
	check := feeCheck(command(t, "send", nil), nothing)
	if err := check(sdk.Coins{{Denom: "uve"}, {Denom: "?", Amount: math.NewInt(0)}}); err != nil {
		t.Error(err)
	}
	if err := check(sdk.Coins{{Denom: "?", Amount: math.NewInt(10_000_001)}}); err == nil {
		t.Error("nothing is wrong with it")
	}
}

func TestNoCeilingForTransactionsOfFiles(t *testing.T) {
	if feeCheck(command(t, "sign", nil), nothing) != nil || feeCheck(&cobra.Command{Use: "list"}, nothing) != nil {
		t.Fatal("their fees are not the command's")
	}
}

func TestFeeOfSignBytes(t *testing.T) {
	info, err := (&tx.AuthInfo{Fee: &tx.Fee{Amount: coins(t, "7uve"), GasLimit: 1}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	document, err := (&tx.SignDoc{BodyBytes: []byte{}, AuthInfoBytes: info, ChainId: "x"}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	amino := []byte(`{"chain_id":"x","fee":{"amount":[{"amount":"7","denom":"uve"}],"gas":"1"},"msgs":[]}`)
	for _, one := range []struct {
		bytes []byte
		mode  signing.SignMode
		info  []byte
		fee   string
	}{
		{document, signing.SignMode_SIGN_MODE_DIRECT, nil, "7uve"},
		{amino, signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON, nil, "7uve"},
		{[]byte("screens"), signing.SignMode_SIGN_MODE_TEXTUAL, info, "7uve"},
		{[]byte("?"), signing.SignMode_SIGN_MODE_DIRECT, nil, "none"},
		{[]byte("?"), signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON, nil, "none"},
		{[]byte("screens"), signing.SignMode_SIGN_MODE_TEXTUAL, []byte("?"), "none"},
		{document, signing.SignMode_SIGN_MODE_DIRECT_AUX, nil, "none"},
	} {
		fee, found := feeOf(one.bytes, one.mode, one.info)
		if found && fee.String() != one.fee || !found && one.fee != "none" {
			t.Errorf("%s: %s, %t", one.mode, fee, found)
		}
	}
}
