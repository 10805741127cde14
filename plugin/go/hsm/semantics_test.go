package hsm_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cosmos/go-bip39"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	"github.com/cosmos/cosmos-sdk/crypto/keys/multisig"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"

	"keyring-bridge/plugin/go/hsm"
	"keyring-bridge/plugin/go/internal/bridgetest"
)

var update = flag.Bool("update", false, "write testdata/differences.md anew; the reasons are kept")

const path = "m/44'/118'/0'/0/0"

func newCodec() codec.Codec {
	registry := codectypes.NewInterfaceRegistry()
	cryptocodec.RegisterInterfaces(registry)
	return codec.NewProtoCodec(registry)
}

// subject is a keyring and names in it that only one behaviour uses.
type subject struct {
	keyring.Keyring
	name string
}

func (s subject) uid(part string) string { return s.name + part }

// words returns a mnemonic that is the same for every keyring and another one for every part.
func (s subject) words(part string) string {
	entropy := sha256.Sum256([]byte(s.name + part))
	words, err := bip39.NewMnemonic(entropy[:])
	if err != nil {
		panic(err)
	}
	return words
}

func (s subject) private(part string) *secp256k1.PrivKey {
	derived, err := hd.Secp256k1.Derive()(s.words(part), "", path)
	if err != nil {
		panic(err)
	}
	return &secp256k1.PrivKey{Key: derived}
}

func (s subject) address(part string) sdk.AccAddress {
	return sdk.AccAddress(s.private(part).PubKey().Address())
}

// account makes a key from the words of a part.
func (s subject) account(part string) *keyring.Record {
	record, err := s.NewAccount(s.uid(part), s.words(part), "", path, hd.Secp256k1)
	if err != nil {
		panic(err)
	}
	return record
}

func (s subject) armor(part, passphrase string) string {
	return crypto.EncryptArmorPrivKey(s.private(part), passphrase, "secp256k1")
}

func record(got *keyring.Record, err error) string {
	if err != nil {
		return failed(err)
	}
	address, err := got.GetAddress()
	if err != nil {
		return failed(err)
	}
	return fmt.Sprintf("%s %s %s", got.GetType(), got.Name, address)
}

func failed(err error) string {
	if err == nil {
		return "done"
	}
	return "error: " + err.Error()
}

func both(first, second string) string { return first + "; then " + second }

func names(records []*keyring.Record, err error, prefix string) string {
	if err != nil {
		return failed(err)
	}
	var found []string
	for _, one := range records {
		if name, ok := strings.CutPrefix(one.Name, prefix); ok {
			found = append(found, name)
		}
	}
	return strings.Join(found, " ")
}

type behaviour struct {
	what string
	run  func(s subject) string
}

var otherAlgo = keyring.SignatureAlgo(unknownAlgo{hd.Secp256k1})

type unknownAlgo struct{ keyring.SignatureAlgo }

func (unknownAlgo) Name() hd.PubKeyType { return "sr25519" }

var behaviours = []behaviour{
	{"`Backend`", func(s subject) string { return s.Backend() }},
	{"`SupportedAlgorithms`", func(s subject) string {
		keys, ledger := s.SupportedAlgorithms()
		return fmt.Sprint(keys.String(), ledger.String())
	}},

	{"`Key` of a name that is not there", func(s subject) string { return record(s.Key(s.uid("none"))) }},
	{"`Key` of no name", func(s subject) string { return record(s.Key("")) }},
	{"`Key` with `.info` at the end", func(s subject) string {
		s.account("a")
		return record(s.Key(s.uid("a.info")))
	}},
	{"`KeyByAddress`", func(s subject) string {
		s.account("a")
		return record(s.KeyByAddress(s.address("a")))
	}},
	{"`KeyByAddress` of an operator's address", func(s subject) string {
		s.account("a")
		return record(s.KeyByAddress(sdk.ValAddress(s.address("a"))))
	}},
	{"`KeyByAddress` of an address that is not there", func(s subject) string { return record(s.KeyByAddress(s.address("none"))) }},
	{"`KeyByAddress` of an operator's address that is not there", func(s subject) string {
		return record(s.KeyByAddress(sdk.ValAddress(s.address("none"))))
	}},
	{"`KeyByAddress` of no address", func(s subject) string { return record(s.KeyByAddress(sdk.AccAddress{})) }},
	{"order of `List`", func(s subject) string {
		for _, part := range []string{"val", "val-2", "Ops", "a/b", "ä", "val 3"} {
			s.account(part)
		}
		records, err := s.List()
		return names(records, err, s.name)
	}},
	{"`MigrateAll`", func(s subject) string {
		s.account("b")
		s.account("a")
		records, err := s.MigrateAll()
		return names(records, err, s.name)
	}},

	{"`NewAccount`", func(s subject) string {
		return record(s.NewAccount(s.uid("a"), s.words("a"), "", path, hd.Secp256k1))
	}},
	{"`NewAccount` with a BIP-39 passphrase", func(s subject) string {
		return record(s.NewAccount(s.uid("a"), s.words("a"), "grüße", path, hd.Secp256k1))
	}},
	{"the private key in the record of a new account", func(s subject) string {
		return fmt.Sprint("is there: ", s.account("a").GetLocal().PrivKey != nil)
	}},
	{"`NewAccount` over a name that is taken", func(s subject) string {
		s.account("a")
		made := record(s.NewAccount(s.uid("a"), s.words("b"), "", path, hd.Secp256k1))
		return both(made, record(s.Key(s.uid("a"))))
	}},
	{"`NewAccount` of an address that is there", func(s subject) string {
		s.account("a")
		return record(s.NewAccount(s.uid("b"), s.words("a"), "", path, hd.Secp256k1))
	}},
	{"`NewAccount` with words that are no mnemonic", func(s subject) string {
		return record(s.NewAccount(s.uid("a"), "abandon abandon", "", path, hd.Secp256k1))
	}},
	{"`NewAccount` with two spaces between words", func(s subject) string {
		return record(s.NewAccount(s.uid("a"), strings.Replace(s.words("a"), " ", "  ", 1), "", path, hd.Secp256k1))
	}},
	{"`NewAccount` with no path", func(s subject) string {
		return record(s.NewAccount(s.uid("a"), s.words("a"), "", "", hd.Secp256k1))
	}},
	{"`NewAccount` with a path that is not hardened", func(s subject) string {
		return record(s.NewAccount(s.uid("a"), s.words("a"), "", "m/44/118/0/0/0", hd.Secp256k1))
	}},
	{"`NewAccount` with a path that is none", func(s subject) string {
		return record(s.NewAccount(s.uid("a"), s.words("a"), "", "m/44h/118", hd.Secp256k1))
	}},
	{"`NewAccount` with an algorithm of another chain", func(s subject) string {
		return record(s.NewAccount(s.uid("a"), s.words("a"), "", path, otherAlgo))
	}},
	{"`NewMnemonic`", func(s subject) string {
		made, words, err := s.NewMnemonic(s.uid("a"), keyring.English, path, "", hd.Secp256k1)
		if err != nil {
			return failed(err)
		}
		return fmt.Sprintf("%s %s, %d words, valid: %t", made.GetType(), made.Name, len(strings.Fields(words)), bip39.IsMnemonicValid(words))
	}},
	{"`NewMnemonic` in Japanese", func(s subject) string {
		_, _, err := s.NewMnemonic(s.uid("a"), keyring.Japanese, path, "", hd.Secp256k1)
		return failed(err)
	}},

	{"a name with a slash, spaces and umlauts", func(s subject) string { return record(s.account("ä /b"), nil) }},
	{"a name that is blank", func(s subject) string {
		return record(s.NewAccount(" ", s.words("a"), "", path, hd.Secp256k1))
	}},
	{"a name that ends with a space", func(s subject) string {
		return record(s.NewAccount(s.uid(" "), s.words("a"), "", path, hd.Secp256k1))
	}},
	{"a name that ends with `.info`", func(s subject) string {
		return record(s.NewAccount(s.uid("a.info"), s.words("a"), "", path, hd.Secp256k1))
	}},
	{"a name that is not in normal form C", func(s subject) string {
		return record(s.NewAccount(s.uid("a\u0308"), s.words("a"), "", path, hd.Secp256k1))
	}},
	{"a name with an invisible character", func(s subject) string {
		return record(s.NewAccount(s.uid("a\u200b"), s.words("a"), "", path, hd.Secp256k1))
	}},
	{"a name of 300 bytes", func(s subject) string {
		return record(s.NewAccount(s.uid(strings.Repeat("a", 300)), s.words("a"), "", path, hd.Secp256k1))
	}},

	{"`SaveOfflineKey`", func(s subject) string {
		return record(s.SaveOfflineKey(s.uid("a"), s.private("a").PubKey()))
	}},
	{"`SaveOfflineKey` of an ed25519 key", func(s subject) string {
		key := ed25519.GenPrivKeyFromSecret([]byte(s.name)).PubKey()
		return record(s.SaveOfflineKey(s.uid("a"), key))
	}},
	{"`SaveOfflineKey` over a name that is taken", func(s subject) string {
		s.account("a")
		saved := record(s.SaveOfflineKey(s.uid("a"), s.private("b").PubKey()))
		return both(saved, record(s.Key(s.uid("a"))))
	}},
	{"`SaveOfflineKey` of an address that is there", func(s subject) string {
		s.account("a")
		saved := record(s.SaveOfflineKey(s.uid("b"), s.private("a").PubKey()))
		return both(saved, record(s.KeyByAddress(s.address("a"))))
	}},
	{"`SaveMultisig`", func(s subject) string { return record(s.SaveMultisig(s.uid("m"), s.multisig())) }},
	{"`SaveMultisig` of a plain key", func(s subject) string {
		return record(s.SaveMultisig(s.uid("m"), s.private("a").PubKey()))
	}},
	{"`SaveLedgerKey` without a device", func(s subject) string {
		_, err := s.SaveLedgerKey(s.uid("l"), hd.Secp256k1, "cosmos", 118, 0, 0)
		return fmt.Sprint("is ErrLedgerGenerateKey: ", errors.Is(err, keyring.ErrLedgerGenerateKey))
	}},
	{"`SaveLedgerKey` with an algorithm of another chain", func(s subject) string {
		return record(s.SaveLedgerKey(s.uid("l"), otherAlgo, "cosmos", 118, 0, 0))
	}},

	{"`Delete`", func(s subject) string {
		s.account("a")
		deleted := failed(s.Delete(s.uid("a")))
		return both(both(deleted, record(s.Key(s.uid("a")))), record(s.KeyByAddress(s.address("a"))))
	}},
	{"`Delete` of a name that is not there", func(s subject) string { return failed(s.Delete(s.uid("none"))) }},
	{"`Delete`, then the same account again", func(s subject) string {
		s.account("a")
		deleted := failed(s.Delete(s.uid("a")))
		return both(deleted, record(s.NewAccount(s.uid("a"), s.words("a"), "", path, hd.Secp256k1)))
	}},
	{"`DeleteByAddress`", func(s subject) string {
		s.account("a")
		return both(failed(s.DeleteByAddress(s.address("a"))), record(s.Key(s.uid("a"))))
	}},
	{"`DeleteByAddress` of an address that is not there", func(s subject) string {
		return failed(s.DeleteByAddress(s.address("none")))
	}},
	{"`Rename`", func(s subject) string {
		s.account("a")
		renamed := failed(s.Rename(s.uid("a"), s.uid("b")))
		return both(both(renamed, record(s.Key(s.uid("b")))), record(s.Key(s.uid("a"))))
	}},
	{"`Rename` to a name that is taken", func(s subject) string {
		s.account("a")
		s.account("b")
		return failed(s.Rename(s.uid("a"), s.uid("b")))
	}},
	{"`Rename` of a name that is not there", func(s subject) string { return failed(s.Rename(s.uid("a"), s.uid("b"))) }},
	{"`Rename` of an offline key", func(s subject) string {
		_, _ = s.SaveOfflineKey(s.uid("a"), s.private("a").PubKey())
		return failed(s.Rename(s.uid("a"), s.uid("b")))
	}},
	{"`Rename` of a multisig key", func(s subject) string {
		_, _ = s.SaveMultisig(s.uid("a"), s.multisig())
		return failed(s.Rename(s.uid("a"), s.uid("b")))
	}},

	{"`ImportPrivKey`", func(s subject) string {
		imported := failed(s.ImportPrivKey(s.uid("a"), s.armor("a", "secret12"), "secret12"))
		return both(imported, record(s.Key(s.uid("a"))))
	}},
	{"`ImportPrivKey` with another passphrase", func(s subject) string {
		return failed(s.ImportPrivKey(s.uid("a"), s.armor("a", "secret12"), "secret21"))
	}},
	{"`ImportPrivKey` of text that is no armor", func(s subject) string {
		return failed(s.ImportPrivKey(s.uid("a"), "hello", "secret12"))
	}},
	{"`ImportPrivKey` over a name that is taken", func(s subject) string {
		s.account("a")
		return failed(s.ImportPrivKey(s.uid("a"), s.armor("b", "secret12"), "secret12"))
	}},
	{"`ImportPrivKey` of an address that is there", func(s subject) string {
		s.account("a")
		return failed(s.ImportPrivKey(s.uid("b"), s.armor("a", "secret12"), "secret12"))
	}},
	{"`ImportPrivKeyHex`", func(s subject) string {
		imported := failed(s.ImportPrivKeyHex(s.uid("a"), fmt.Sprintf("%x", s.private("a").Key), "secp256k1"))
		return both(imported, record(s.Key(s.uid("a"))))
	}},
	{"`ImportPrivKeyHex` with `0x`", func(s subject) string {
		return failed(s.ImportPrivKeyHex(s.uid("a"), fmt.Sprintf("0x%X", s.private("a").Key), "secp256k1"))
	}},
	{"`ImportPrivKeyHex` of 31 bytes", func(s subject) string {
		return failed(s.ImportPrivKeyHex(s.uid("a"), fmt.Sprintf("%x", s.private("a").Key[:31]), "secp256k1"))
	}},
	{"`ImportPrivKeyHex` of 33 bytes", func(s subject) string {
		return failed(s.ImportPrivKeyHex(s.uid("a"), fmt.Sprintf("%x01", s.private("a").Key), "secp256k1"))
	}},
	{"`ImportPrivKeyHex` of one digit", func(s subject) string {
		return failed(s.ImportPrivKeyHex(s.uid("a"), "1", "secp256k1"))
	}},
	{"`ImportPrivKeyHex` of what are no digits", func(s subject) string {
		return failed(s.ImportPrivKeyHex(s.uid("a"), strings.Repeat("z", 64), "secp256k1"))
	}},
	{"`ImportPrivKeyHex` with an algorithm of another chain", func(s subject) string {
		return failed(s.ImportPrivKeyHex(s.uid("a"), fmt.Sprintf("%x", s.private("a").Key), "sr25519"))
	}},
	{"`ImportPrivKeyHex` over a name that is taken", func(s subject) string {
		s.account("a")
		return failed(s.ImportPrivKeyHex(s.uid("a"), fmt.Sprintf("%x", s.private("b").Key), "secp256k1"))
	}},
	{"`ImportPubKey`", func(s subject) string {
		s.account("a")
		armor, err := s.ExportPubKeyArmor(s.uid("a"))
		if err == nil {
			err = s.Delete(s.uid("a"))
		}
		if err == nil {
			err = s.ImportPubKey(s.uid("b"), armor)
		}
		return both(failed(err), record(s.Key(s.uid("b"))))
	}},
	{"`ImportPubKey` of text that is no armor", func(s subject) string { return failed(s.ImportPubKey(s.uid("a"), "hello")) }},
	{"`ImportPubKey` over a name that is taken", func(s subject) string {
		s.account("a")
		s.account("b")
		armor, _ := s.ExportPubKeyArmor(s.uid("b"))
		return failed(s.ImportPubKey(s.uid("a"), armor))
	}},

	{"`ExportPubKeyArmor`", func(s subject) string {
		s.account("a")
		return public(s.ExportPubKeyArmor(s.uid("a")))
	}},
	{"`ExportPubKeyArmor` of a multisig key", func(s subject) string {
		_, _ = s.SaveMultisig(s.uid("a"), s.multisig())
		return public(s.ExportPubKeyArmor(s.uid("a")))
	}},
	{"`ExportPubKeyArmor` of a name that is not there", func(s subject) string { return public(s.ExportPubKeyArmor(s.uid("a"))) }},
	{"`ExportPubKeyArmorByAddress`", func(s subject) string {
		s.account("a")
		return public(s.ExportPubKeyArmorByAddress(s.address("a")))
	}},
	{"`ExportPubKeyArmorByAddress` of an address that is not there", func(s subject) string {
		return public(s.ExportPubKeyArmorByAddress(s.address("a")))
	}},
	{"`ExportPrivKeyArmor`", func(s subject) string {
		s.account("a")
		return private(s.ExportPrivKeyArmor(s.uid("a"), "secret12"))
	}},
	{"`ExportPrivKeyArmor` of an offline key", func(s subject) string {
		_, _ = s.SaveOfflineKey(s.uid("a"), s.private("a").PubKey())
		return private(s.ExportPrivKeyArmor(s.uid("a"), "secret12"))
	}},
	{"`ExportPrivKeyArmor` of a name that is not there", func(s subject) string {
		return private(s.ExportPrivKeyArmor(s.uid("a"), "secret12"))
	}},
	{"`ExportPrivKeyArmorByAddress`", func(s subject) string {
		s.account("a")
		return private(s.ExportPrivKeyArmorByAddress(s.address("a"), "secret12"))
	}},
	{"`ExportPrivKeyArmorByAddress` of an address that is not there", func(s subject) string {
		return private(s.ExportPrivKeyArmorByAddress(s.address("a"), "secret12"))
	}},
	{"`ExportPrivateKeyObject` of an offline key", func(s subject) string {
		_, _ = s.SaveOfflineKey(s.uid("a"), s.private("a").PubKey())
		_, err := s.Keyring.(interface {
			ExportPrivateKeyObject(string) (cryptotypes.PrivKey, error)
		}).ExportPrivateKeyObject(s.uid("a"))
		return failed(err)
	}},

	{"`Sign` of bytes that are no transaction", func(s subject) string {
		s.account("a")
		signature, _, err := s.Sign(s.uid("a"), []byte("hello"), signing.SignMode_SIGN_MODE_DIRECT)
		if err != nil {
			return failed(err)
		}
		return fmt.Sprint("a signature of ", len(signature), " bytes")
	}},
	{"`Sign` with an offline key", func(s subject) string {
		_, _ = s.SaveOfflineKey(s.uid("a"), s.private("a").PubKey())
		return s.unsigned(s.Sign(s.uid("a"), []byte("hello"), signing.SignMode_SIGN_MODE_DIRECT))
	}},
	{"`SignByAddress` with an offline key", func(s subject) string {
		_, _ = s.SaveOfflineKey(s.uid("a"), s.private("a").PubKey())
		return s.unsigned(s.SignByAddress(s.address("a"), []byte("hello"), signing.SignMode_SIGN_MODE_DIRECT))
	}},
	{"`Sign` with a multisig key", func(s subject) string {
		_, _ = s.SaveMultisig(s.uid("a"), s.multisig())
		return s.unsigned(s.Sign(s.uid("a"), []byte("hello"), signing.SignMode_SIGN_MODE_LEGACY_AMINO_JSON))
	}},
	{"`Sign` with a name that is not there", func(s subject) string {
		return s.unsigned(s.Sign(s.uid("a"), []byte("hello"), signing.SignMode_SIGN_MODE_DIRECT))
	}},
	{"`SignByAddress` with an address that is not there", func(s subject) string {
		return s.unsigned(s.SignByAddress(s.address("a"), []byte("hello"), signing.SignMode_SIGN_MODE_DIRECT))
	}},
}

func (s subject) multisig() cryptotypes.PubKey {
	return multisig.NewLegacyAminoPubKey(2, []cryptotypes.PubKey{
		s.private("a").PubKey(), s.private("b").PubKey(), s.private("c").PubKey(),
	})
}

func (s subject) unsigned(signature []byte, key cryptotypes.PubKey, err error) string {
	given := "no public key"
	if key != nil {
		given = "the public key of " + sdk.AccAddress(key.Address()).String()
	}
	return fmt.Sprintf("%d bytes, %s, %s", len(signature), given, failed(err))
}

func public(armor string, err error) string {
	if err != nil {
		return failed(err)
	}
	decoded, algorithm, err := crypto.UnarmorPubKeyBytes(armor)
	if err != nil {
		return failed(err)
	}
	return fmt.Sprintf("%s %x", algorithm, sha256.Sum256(decoded))
}

func private(_ string, err error) string {
	if err != nil {
		return failed(err)
	}
	return "an armored key"
}

// observe runs a behaviour; a panic is one of the things that can be seen.
func observe(one behaviour, keys keyring.Keyring, number int) (seen string) {
	defer func() {
		if reason := recover(); reason != nil {
			seen = fmt.Sprint("panics: ", reason)
		}
	}()
	return one.run(subject{keys, fmt.Sprintf("k%d-", number)})
}

// readable takes out what is only there to keep the behaviours apart: names and addresses become `a`, `b`, …
func readable(seen string, number int, folder string) string {
	s := subject{name: fmt.Sprintf("k%d-", number)}
	for _, part := range []string{"a", "b", "c", "none"} {
		seen = strings.ReplaceAll(seen, s.address(part).String(), "(address of "+part+")")
		seen = strings.ReplaceAll(seen, sdk.ValAddress(s.address(part)).String(), "(operator address of "+part+")")
	}
	seen = strings.ReplaceAll(seen, strings.Repeat("a", 300), "aaa…")
	return strings.NewReplacer(s.name, "", folder, "…", "\u200b", "(U+200B)", "\u0308", "(U+0308)").Replace(seen)
}

// TestSideBySide does the same with the SDK's own keyring and with ours. What differs is what the table says, and no
// more; -update writes the table anew, where each reason is then to be given by hand.
func TestSideBySide(t *testing.T) {
	bridgetest.Software(t)
	folder := t.TempDir()
	sdks, err := keyring.New("sdk", keyring.BackendTest, folder, nil, newCodec())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := hsm.New(newCodec())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.(*hsm.Keyring).Close()

	var table bytes.Buffer
	fmt.Fprintln(&table, "| what | the SDK's `test` keyring | this keyring | reason |\n| --- | --- | --- | --- |")
	file := filepath.Join("testdata", "differences.md")
	old, _ := os.ReadFile(file)
	for number, one := range behaviours {
		theirs, own := observe(one, sdks, number), observe(one, ours, number)
		if theirs == own {
			continue
		}
		theirs, own = readable(theirs, number, folder), readable(own, number, folder)
		row := fmt.Sprintf("| %s | %s | %s |", one.what, cell(theirs), cell(own))
		fmt.Fprintln(&table, row+reason(old, one.what))
	}
	if *update {
		if err := os.WriteFile(file, table.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table.String() != string(old) {
		t.Errorf("the differences are not those of %s but\n%s", file, &table)
	}
	if strings.Contains(string(old), "| ? |") {
		t.Error("a difference has no reason")
	}
}

func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ").Replace(text)
}

// reason finds the last cell of a row of the table.
func reason(table []byte, what string) string {
	for _, line := range strings.Split(string(table), "\n") {
		if strings.HasPrefix(line, "| "+what+" |") {
			cells := strings.Split(strings.TrimSuffix(line, " |"), " | ")
			return " " + cells[len(cells)-1] + " |"
		}
	}
	return " ? |"
}
