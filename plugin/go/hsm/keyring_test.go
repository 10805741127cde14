package hsm_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	errorsmod "cosmossdk.io/errors"
	"cosmossdk.io/math"
	"google.golang.org/protobuf/types/known/anypb"

	bankv1beta1 "cosmossdk.io/api/cosmos/bank/v1beta1"
	txsigning "cosmossdk.io/x/tx/signing"
	sdkclient "github.com/cosmos/cosmos-sdk/client"
	clienttx "github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"keyring-bridge/plugin/go/client"
	"keyring-bridge/plugin/go/hsm"
	"keyring-bridge/plugin/go/internal/bridgetest"
)

func open(t *testing.T, options ...hsm.Option) *hsm.Keyring {
	t.Helper()
	keys, err := hsm.New(newCodec(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.(*hsm.Keyring).Close() })
	return keys.(*hsm.Keyring)
}

func TestErrorsAreTheSDKs(t *testing.T) {
	bridgetest.Software(t)
	keys := open(t)
	s := subject{keys, "x-"}
	s.account("a")
	s.account("b")
	nobody := s.address("none")
	for what, one := range map[string]struct {
		err  error
		want error
	}{
		"key":                 {second(keys.Key("none")), sdkerrors.ErrKeyNotFound},
		"address":             {second(keys.KeyByAddress(nobody)), sdkerrors.ErrKeyNotFound},
		"no address":          {second(keys.KeyByAddress(sdk.AccAddress{})), sdkerrors.ErrKeyNotFound},
		"delete":              {keys.Delete("none"), sdkerrors.ErrKeyNotFound},
		"delete by address":   {keys.DeleteByAddress(nobody), sdkerrors.ErrKeyNotFound},
		"sign":                {third(keys.Sign("none", nil, signing.SignMode_SIGN_MODE_DIRECT)), sdkerrors.ErrKeyNotFound},
		"rename":              {keys.Rename("x-a", "x-b"), keyring.ErrKeyAlreadyExists},
		"duplicate":           {second(keys.NewAccount("c", s.words("a"), "", path, hd.Secp256k1)), keyring.ErrDuplicatedAddress},
		"overwrite":           {keys.ImportPrivKey("x-a", s.armor("c", "secret12"), "secret12"), keyring.ErrOverwriteKey},
		"passphrase":          {keys.ImportPrivKey("c", s.armor("c", "secret12"), "other"), sdkerrors.ErrWrongPassword},
		"algorithm":           {keys.ImportPrivKeyHex("c", strings.Repeat("1", 64), "sr25519"), keyring.ErrUnsupportedSigningAlgo},
		"public key":          {second(keys.SaveMultisig("c", s.private("c").PubKey())), sdkerrors.ErrInvalidPubKey},
		"ledger":              {second(keys.SaveLedgerKey("c", hd.Secp256k1, "ve", 118, 0, 0)), keyring.ErrLedgerGenerateKey},
		"export":              {second(keys.ExportPrivKeyArmor("x-a", "secret12")), keyring.ErrPrivKeyNotAvailable},
		"export by address":   {second(keys.ExportPrivKeyArmorByAddress(s.address("a"), "x")), keyring.ErrPrivKeyNotAvailable},
		"export of an object": {second(keys.ExportPrivateKeyObject("x-a")), keyring.ErrPrivKeyNotAvailable},
		"policy":              {third(keys.Sign("x-a", []byte{0x0a, 0}, signing.SignMode_SIGN_MODE_DIRECT)), sdkerrors.ErrInvalidRequest},
		"textual":             {third(keys.Sign("x-a", nil, signing.SignMode_SIGN_MODE_TEXTUAL)), sdkerrors.ErrNotSupported},
	} {
		if !errors.Is(one.err, one.want) || !errorsmod.IsOf(one.err, one.want) {
			t.Errorf("%s: %v is not %v", what, one.err, one.want)
		}
		// `keys show` takes ErrIO for an address that was given in place of a name.
		if errors.Is(one.err, sdkerrors.ErrIO) {
			t.Errorf("%s: %v", what, one.err)
		}
	}
	var remote *client.Error
	if err := keys.Delete("none"); !errors.As(err, &remote) || remote.Code != "key_not_found" {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

func TestTextualIsRefusedWithWhatWorks(t *testing.T) {
	bridgetest.Software(t)
	err := third(open(t).Sign("ops", []byte("screens"), signing.SignMode_SIGN_MODE_TEXTUAL))
	if !strings.Contains(err.Error(), "--sign-mode direct or amino-json") {
		t.Fatal(err)
	}
}

// chain is as much of a chain as its command line has.
func chain(t *testing.T) (codec.Codec, sdkclient.TxConfig) {
	t.Helper()
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: mergedFiles(t),
		SigningOptions: txsigning.Options{
			AddressCodec:          address.NewBech32Codec("cosmos"),
			ValidatorAddressCodec: address.NewBech32Codec("cosmosvaloper"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	cryptocodec.RegisterInterfaces(registry)
	banktypes.RegisterInterfaces(registry)
	cdc := codec.NewProtoCodec(registry)
	config, err := authtx.NewTxConfigWithOptions(cdc, authtx.ConfigOptions{
		EnabledSignModes: append([]signing.SignMode{signing.SignMode_SIGN_MODE_TEXTUAL}, authtx.DefaultSignModes...),
		TextualCoinMetadataQueryFn: func(context.Context, string) (*bankv1beta1.Metadata, error) {
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return cdc, config
}

func TestSigns(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *bridgetest.Bridge{
		"software": bridgetest.Software, "SoftHSM2": bridgetest.SoftHSM,
	} {
		t.Run(name, func(t *testing.T) {
			start(t).Generate("ops")
			cdc, config := chain(t)
			transactions := &hsm.Transactions{}
			config = transactions.TxConfig(config)
			keys, err := hsm.New(cdc, hsm.WithTransactions(transactions))
			if err != nil {
				t.Fatal(err)
			}
			defer keys.(*hsm.Keyring).Close()
			for _, mode := range []signing.SignMode{
				signing.SignMode_SIGN_MODE_DIRECT, signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON, signing.SignMode_SIGN_MODE_TEXTUAL,
			} {
				signAndVerify(t, keys, config, mode)
			}
			// A transaction that nobody made sign bytes of here is not known.
			if err := third(keys.Sign("ops", []byte("screens"), signing.SignMode_SIGN_MODE_TEXTUAL)); !errors.Is(err, sdkerrors.ErrNotSupported) {
				t.Fatal(err)
			}
		})
	}
}

// signAndVerify signs as the SDK's commands do.
func signAndVerify(t *testing.T, keys keyring.Keyring, config sdkclient.TxConfig, mode signing.SignMode) {
	t.Helper()
	record, err := keys.Key("ops")
	if err != nil {
		t.Fatal(err)
	}
	key, err := record.GetPubKey()
	if err != nil {
		t.Fatal(err)
	}
	sender := sdk.AccAddress(key.Address())
	builder := config.NewTxBuilder()
	coins := sdk.NewCoins(sdk.NewCoin("uve", math.NewInt(1234567)))
	if err := builder.SetMsgs(banktypes.NewMsgSend(sender, sender, coins)); err != nil {
		t.Fatal(err)
	}
	builder.SetGasLimit(200000)
	builder.SetFeeAmount(coins)
	factory := clienttx.Factory{}.WithTxConfig(config).WithKeybase(keys).WithSignMode(mode).
		WithChainID(bridgetest.Chain).WithAccountNumber(7).WithSequence(3)
	if err := clienttx.Sign(context.Background(), factory, "ops", builder, true); err != nil {
		t.Fatalf("%s: %v", mode, err)
	}
	signatures, err := builder.GetTx().GetSignaturesV2()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := codectypes.NewAnyWithValue(key)
	if err != nil {
		t.Fatal(err)
	}
	signer := txsigning.SignerData{
		Address: sender.String(), ChainID: bridgetest.Chain, AccountNumber: 7, Sequence: 3,
		PubKey: &anypb.Any{TypeUrl: packed.TypeUrl, Value: packed.Value},
	}
	adaptable := builder.GetTx().(authsigning.V2AdaptableTx)
	err = authsigning.VerifySignature(context.Background(), key, signer, signatures[0].Data, config.SignModeHandler(), adaptable.GetSigningTxData())
	if err != nil {
		t.Fatalf("%s: %v", mode, err)
	}
}

func TestHandlersOfTheChainStayAsTheyAre(t *testing.T) {
	_, config := chain(t)
	own := (&hsm.Transactions{}).TxConfig(config)
	if own.SignModeHandler().DefaultMode() != config.SignModeHandler().DefaultMode() {
		t.Error(own.SignModeHandler().DefaultMode())
	}
	if got, want := len(own.SignModeHandler().SupportedModes()), len(config.SignModeHandler().SupportedModes()); got != want {
		t.Error(got, want)
	}
}

func TestManyGoroutines(t *testing.T) {
	bridgetest.Software(t).Generate("ops")
	keys := open(t)
	var group sync.WaitGroup
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for range 5 {
				if _, err := keys.Key("ops"); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
}

func TestWithdrawnByItsContext(t *testing.T) {
	bridgetest.Software(t)
	ctx, cancel := context.WithCancel(context.Background())
	keys := open(t, hsm.WithContext(ctx))
	if _, err := keys.List(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := keys.List(); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestRecordsOfEveryType(t *testing.T) {
	bridgetest.Software(t)
	keys := open(t)
	s := subject{keys, "k"}
	local := s.account("a")
	offline, err := keys.SaveOfflineKey("offline", s.private("b").PubKey())
	if err != nil {
		t.Fatal(err)
	}
	multi, err := keys.SaveMultisig("multi", s.multisig())
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range []*keyring.Record{local, offline, multi} {
		read, err := keys.Key(made.Name)
		if err != nil {
			t.Fatal(err)
		}
		if read.String() != made.String() {
			t.Errorf("%v is not %v", read, made)
		}
		// As the SDK's own keyring stores them.
		written, err := newCodec().Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		var again keyring.Record
		if err := newCodec().Unmarshal(written, &again); err != nil || again.GetType() != made.GetType() {
			t.Fatal(err)
		}
	}
}

// A plugin of a later release, which has records of Ledger devices and keys of other chains.
func TestRecordsOfLaterReleases(t *testing.T) {
	plugin := client.New(client.Options{Plugin: laterPlugin(t), Timeout: 10 * time.Second})
	keys := open(t, hsm.WithClient(plugin))
	record, err := keys.Key("ledger")
	if err != nil {
		t.Fatal(err)
	}
	if record.GetType() != keyring.TypeLedger || record.GetLedger().GetPath().String() != "m/44'/118'/3'/0/7" {
		t.Fatal(record)
	}
	// The rest of a list that has a key which the chain does not know.
	records, err := keys.List()
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	if _, err := keys.Key("foreign"); err == nil || !strings.Contains(err.Error(), "public key of foreign") {
		t.Fatal(err)
	}
	// Signatures of other keys, or over something else, are not passed on.
	err = third(keys.Sign("ledger", []byte("hello"), signing.SignMode_SIGN_MODE_DIRECT))
	if !errors.Is(err, client.ErrMalformed) {
		t.Fatal(err)
	}
}
