package hsm

import (
	"encoding/json"
	"fmt"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"

	"keyring-bridge/plugin/go/client"
)

// entry is a key as the protocol has it; of what the bridge tells besides the record nothing fits into the SDK's.
type entry struct {
	Record struct {
		Name    string           `json:"name"`
		PubKey  json.RawMessage  `json:"pub_key"`
		Local   *json.RawMessage `json:"local"`
		Multi   *json.RawMessage `json:"multi"`
		Offline *json.RawMessage `json:"offline"`
		Ledger  *struct {
			Path *hd.BIP44Params `json:"path"`
		} `json:"ledger"`
	} `json:"record"`
}

// record makes the SDK's record of an entry. The key of a local one stays in its token, so the record has none, and
// the SDK says of it that the private key is not available.
func (e entry) record(cdc codec.Codec) (*keyring.Record, error) {
	var key cryptotypes.PubKey
	if err := cdc.UnmarshalInterfaceJSON(e.Record.PubKey, &key); err != nil {
		return nil, fmt.Errorf("this chain cannot read the public key of %s: %w", e.Record.Name, err)
	}
	switch {
	case e.Record.Local != nil:
		packed, err := codectypes.NewAnyWithValue(key)
		if err != nil {
			return nil, err
		}
		item := &keyring.Record_Local_{Local: &keyring.Record_Local{}}
		return &keyring.Record{Name: e.Record.Name, PubKey: packed, Item: item}, nil
	case e.Record.Ledger != nil:
		return keyring.NewLedgerRecord(e.Record.Name, key, e.Record.Ledger.Path)
	case e.Record.Multi != nil:
		return keyring.NewMultiRecord(e.Record.Name, key)
	case e.Record.Offline != nil:
		return keyring.NewOfflineRecord(e.Record.Name, key)
	}
	return nil, fmt.Errorf("%w: the record of %s is of no known type", client.ErrMalformed, e.Record.Name)
}
