package hsm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	errorsmod "cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"

	"keyring-bridge/plugin/go/client"
)

// personTimeout is how long a call may take that may make the bridge ask a person for a PIN.
const personTimeout = 2 * time.Minute

// Keyring is the SDK's keyring over the bridge. It is safe for concurrent use.
type Keyring struct {
	// Methods that later versions of the SDK add find an empty keyring instead of a program that doesn't compile.
	keyring.Keyring

	cdc          codec.Codec
	client       *client.Client
	context      context.Context
	transactions *Transactions
	checkFee     func(fee sdk.Coins) error // of the command's transactions; nil for none
}

var _ keyring.Keyring = (*Keyring)(nil)

// New returns a keyring of the bridge. Nothing is started before its first method that needs the bridge.
//
// cdc must know the chain's public keys; nil is a codec that knows the SDK's. What is returned is a [*Keyring].
func New(cdc codec.Codec, options ...Option) (keyring.Keyring, error) {
	if cdc == nil {
		registry := codectypes.NewInterfaceRegistry()
		cryptocodec.RegisterInterfaces(registry)
		cdc = codec.NewProtoCodec(registry)
	}
	given := apply(options)
	return &Keyring{
		Keyring:      keyring.NewInMemory(cdc, given.keyring...),
		cdc:          cdc,
		client:       given.client,
		context:      given.context,
		transactions: given.transactions,
	}, nil
}

// Close ends the connection to the bridge, also that of other keyrings with the same client.
func (k *Keyring) Close() error {
	return k.client.Close()
}

// Backend returns "hsm".
func (k *Keyring) Backend() string {
	return Backend
}

// SupportedAlgorithms returns what the chain knows. What the bridge makes of it is decided when a key is made.
func (k *Keyring) SupportedAlgorithms() (keyring.SigningAlgoList, keyring.SigningAlgoList) {
	return k.Keyring.SupportedAlgorithms()
}

// --- reading ----------------------------------------------------------------------------------------------------

// List returns all keys, in the SDK's order. Keys of types that the chain does not know are left out with a line on
// standard error, as the SDK does.
func (k *Keyring) List() ([]*keyring.Record, error) {
	return k.list("keyring.list")
}

// MigrateAll is List: there is nothing to migrate.
func (k *Keyring) MigrateAll() ([]*keyring.Record, error) {
	return k.list("keyring.migrateAll")
}

func (k *Keyring) list(method string) ([]*keyring.Record, error) {
	var entries []entry
	if err := k.call(method, nil, &entries); err != nil {
		return nil, err
	}
	var records []*keyring.Record
	for _, entry := range entries {
		record, err := entry.record(k.cdc)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		records = append(records, record)
	}
	return records, nil
}

// Key returns the key with this name.
func (k *Keyring) Key(uid string) (*keyring.Record, error) {
	return k.record("keyring.key", map[string]any{"uid": uid})
}

// KeyByAddress returns the key with this address.
func (k *Keyring) KeyByAddress(address sdk.Address) (*keyring.Record, error) {
	text, err := bech32(address)
	if err != nil {
		return nil, err
	}
	record, err := k.record("keyring.keyByAddress", map[string]any{"address": text})
	return record, notFound(err, address.String())
}

// --- signing ----------------------------------------------------------------------------------------------------

// Sign asks the bridge to sign the sign bytes of a transaction; its policy decides about what they say. Unlike in the
// SDK the mode matters: the bytes must be a document of that mode.
//
// Of a record that cannot sign the public key is returned beside the error, as the SDK does.
func (k *Keyring) Sign(uid string, msg []byte, mode signing.SignMode) ([]byte, cryptotypes.PubKey, error) {
	find := func() (*keyring.Record, error) { return k.Key(uid) }
	return k.sign("keyring.sign", map[string]any{"uid": uid}, msg, mode, find)
}

// SignByAddress is Sign for the key with this address.
func (k *Keyring) SignByAddress(address sdk.Address, msg []byte, mode signing.SignMode) ([]byte, cryptotypes.PubKey, error) {
	text, err := bech32(address)
	if err != nil {
		return nil, nil, err
	}
	find := func() (*keyring.Record, error) { return k.KeyByAddress(address) }
	signature, key, err := k.sign("keyring.signByAddress", map[string]any{"address": text}, msg, mode, find)
	return signature, key, notFound(err, address.String())
}

func (k *Keyring) sign(
	method string, params map[string]any, msg []byte, mode signing.SignMode, find func() (*keyring.Record, error),
) ([]byte, cryptotypes.PubKey, error) {
	params["msg"] = base64.StdEncoding.EncodeToString(msg)
	params["mode"] = int32(mode)
	var authInfo []byte
	if mode == signing.SignMode_SIGN_MODE_TEXTUAL {
		found, known := k.transactions.find(msg)
		if !known {
			return nil, nil, errTextual
		}
		authInfo = found.authInfo
		k.transactions.describe(k.context, found, params)
	}
	if fee, found := feeOf(msg, mode, authInfo); found && k.checkFee != nil {
		if err := k.checkFee(fee); err != nil {
			return nil, nil, err
		}
	}
	var answer struct {
		Signature string          `json:"signature"`
		PubKey    json.RawMessage `json:"pub_key"`
	}
	if err := k.call(method, params, &answer); err != nil {
		if hasCode(err, "cannot_sign") {
			if record, failure := find(); failure == nil {
				key, _ := record.GetPubKey()
				return nil, key, err
			}
		}
		return nil, nil, err
	}
	signature, err := base64.StdEncoding.DecodeString(answer.Signature)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: the signature is not base64", client.ErrMalformed)
	}
	var key cryptotypes.PubKey
	if err := k.cdc.UnmarshalInterfaceJSON(answer.PubKey, &key); err != nil {
		return nil, nil, fmt.Errorf("%w: the signature's public key cannot be read: %w", client.ErrMalformed, err)
	}
	if !key.VerifySignature(msg, signature) {
		return nil, nil, fmt.Errorf("%w: the signature is not one of this key over this transaction", client.ErrMalformed)
	}
	return signature, key, nil
}

// --- new keys ---------------------------------------------------------------------------------------------------

// NewMnemonic makes a mnemonic of 24 words and a key from it, in the bridge's default provider.
func (k *Keyring) NewMnemonic(
	uid string, language keyring.Language, hdPath, bip39Passphrase string, algo keyring.SignatureAlgo,
) (*keyring.Record, string, error) {
	if language != keyring.English {
		return nil, "", keyring.ErrUnsupportedLanguage
	}
	params, err := k.derivation(uid, hdPath, bip39Passphrase, algo)
	if err != nil {
		return nil, "", err
	}
	params["language"] = "english"
	var answer struct {
		Key      entry  `json:"key"`
		Mnemonic string `json:"mnemonic"`
	}
	if err := k.call("keyring.newMnemonic", params, &answer); err != nil {
		return nil, "", err
	}
	record, err := answer.Key.record(k.cdc)
	return record, answer.Mnemonic, err
}

// NewAccount makes a key from a mnemonic, in the bridge's default provider.
func (k *Keyring) NewAccount(
	uid, mnemonic, bip39Passphrase, hdPath string, algo keyring.SignatureAlgo,
) (*keyring.Record, error) {
	params, err := k.derivation(uid, hdPath, bip39Passphrase, algo)
	if err != nil {
		return nil, err
	}
	params["mnemonic"] = mnemonic
	return k.record("keyring.newAccount", params)
}

func (k *Keyring) derivation(uid, hdPath, passphrase string, algo keyring.SignatureAlgo) (map[string]any, error) {
	if known, _ := k.SupportedAlgorithms(); !known.Contains(algo) {
		return nil, keyring.ErrUnsupportedSigningAlgo
	}
	params := map[string]any{"uid": uid, "hd_path": hdPath, "algo": string(algo.Name())}
	if passphrase != "" {
		params["passphrase"] = passphrase
	}
	return params, nil
}

// SaveLedgerKey keeps a reference to a key on a Ledger device.
func (k *Keyring) SaveLedgerKey(
	uid string, algo keyring.SignatureAlgo, hrp string, coinType, account, index uint32,
) (*keyring.Record, error) {
	if _, known := k.SupportedAlgorithms(); !known.Contains(algo) {
		return nil, errorsmod.Wrapf(keyring.ErrUnsupportedSigningAlgo,
			"signature algo %s is not defined in the keyring options", algo.Name())
	}
	return k.record("keyring.saveLedgerKey", map[string]any{
		"uid": uid, "algo": string(algo.Name()), "hrp": hrp, "coin_type": coinType, "account": account, "index": index,
	})
}

// SaveOfflineKey keeps a public key under a name. It signs nothing.
func (k *Keyring) SaveOfflineKey(uid string, key cryptotypes.PubKey) (*keyring.Record, error) {
	return k.save("keyring.saveOfflineKey", uid, key)
}

// SaveMultisig keeps a multisig public key under a name.
func (k *Keyring) SaveMultisig(uid string, key cryptotypes.PubKey) (*keyring.Record, error) {
	return k.save("keyring.saveMultisig", uid, key)
}

func (k *Keyring) save(method, uid string, key cryptotypes.PubKey) (*keyring.Record, error) {
	written, err := k.cdc.MarshalInterfaceJSON(key)
	if err != nil {
		return nil, err
	}
	return k.record(method, map[string]any{"uid": uid, "pub_key": json.RawMessage(written)})
}

// ImportPrivKey imports an armored private key into the bridge's default provider.
func (k *Keyring) ImportPrivKey(uid, armor, passphrase string) error {
	return k.call("keyring.importPrivKey", map[string]any{"uid": uid, "armor": armor, "passphrase": passphrase}, nil)
}

// ImportPrivKeyHex imports a private key of 64 hexadecimal digits into the bridge's default provider.
func (k *Keyring) ImportPrivKeyHex(uid, privKey, algo string) error {
	return k.call("keyring.importPrivKeyHex", map[string]any{"uid": uid, "hex": privKey, "algo": algo}, nil)
}

// ImportPubKey keeps an armored public key under a name.
func (k *Keyring) ImportPubKey(uid, armor string) error {
	return k.call("keyring.importPubKey", map[string]any{"uid": uid, "armor": armor}, nil)
}

// --- changing and exporting -------------------------------------------------------------------------------------

// Delete removes the record with this name. A key in a token stays there.
func (k *Keyring) Delete(uid string) error {
	return k.call("keyring.delete", map[string]any{"uid": uid}, nil)
}

// DeleteByAddress removes the record with this address. A key in a token stays there.
func (k *Keyring) DeleteByAddress(address sdk.Address) error {
	text, err := bech32(address)
	if err != nil {
		return err
	}
	return notFound(k.call("keyring.deleteByAddress", map[string]any{"address": text}, nil), address.String())
}

// Rename gives a key another name; unlike in the SDK, keys of every record type can be renamed.
func (k *Keyring) Rename(from, to string) error {
	return k.call("keyring.rename", map[string]any{"old": from, "new": to}, nil)
}

// ExportPubKeyArmor returns the armored public key.
func (k *Keyring) ExportPubKeyArmor(uid string) (string, error) {
	var armor string
	err := k.call("keyring.exportPubKeyArmor", map[string]any{"uid": uid}, &armor)
	return armor, err
}

// ExportPubKeyArmorByAddress is ExportPubKeyArmor for the key with this address.
func (k *Keyring) ExportPubKeyArmorByAddress(address sdk.Address) (string, error) {
	record, err := k.KeyByAddress(address)
	if err != nil {
		return "", err
	}
	return k.ExportPubKeyArmor(record.Name)
}

// ExportPrivateKeyObject refuses, as no record has a private key. It is not in the SDK's interface, but `keys export
// --unsafe` takes it for granted.
func (k *Keyring) ExportPrivateKeyObject(uid string) (cryptotypes.PrivKey, error) {
	record, err := k.Key(uid)
	if err != nil {
		return nil, err
	}
	return nil, exportRefused(record)
}

// ExportPrivKeyArmor refuses. The passphrase goes nowhere.
func (k *Keyring) ExportPrivKeyArmor(uid, _ string) (string, error) {
	_, err := k.ExportPrivateKeyObject(uid)
	return "", err
}

// ExportPrivKeyArmorByAddress refuses.
func (k *Keyring) ExportPrivKeyArmorByAddress(address sdk.Address, _ string) (string, error) {
	record, err := k.KeyByAddress(address)
	if err != nil {
		return "", err
	}
	return "", exportRefused(record)
}

func exportRefused(record *keyring.Record) error {
	if record.GetType() == keyring.TypeLocal {
		return keyring.ErrPrivKeyNotAvailable
	}
	return keyring.ErrPrivKeyExtr
}

// --- the bridge -------------------------------------------------------------------------------------------------

// unlocking are the methods for which a provider is opened, so that a person may be asked for its PIN.
var unlocking = map[string]bool{
	"keyring.sign": true, "keyring.signByAddress": true, "keyring.newMnemonic": true, "keyring.newAccount": true,
	"keyring.importPrivKey": true, "keyring.importPrivKeyHex": true, "keyring.saveLedgerKey": true, "keyring.rename": true,
}

func (k *Keyring) call(method string, params map[string]any, result any) error {
	ctx := k.context
	if unlocking[method] && !k.client.HasTimeout() && hasTerminal() {
		patient, cancel := context.WithTimeout(ctx, personTimeout)
		defer cancel()
		ctx = patient
	}
	return translate(k.client.Call(ctx, method, params, result))
}

func (k *Keyring) record(method string, params map[string]any) (*keyring.Record, error) {
	var answer entry
	if err := k.call(method, params, &answer); err != nil {
		return nil, err
	}
	return answer.record(k.cdc)
}

// hasTerminal tells whether there is a terminal that the bridge could ask on; its standard input is the protocol's.
func hasTerminal() bool {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	terminal.Close()
	return true
}

// bech32 writes any kind of address as an account's; the bridge does not mind the prefix.
func bech32(address sdk.Address) (string, error) {
	if address == nil || address.Empty() {
		return "", errorsmod.Wrap(sdkerrors.ErrKeyNotFound, "key with address  not found")
	}
	text := sdk.AccAddress(address.Bytes()).String()
	if text == "" {
		return "", errors.New("the address cannot be written")
	}
	return text, nil
}
