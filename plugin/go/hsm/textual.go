package hsm

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"

	signingv1beta1 "cosmossdk.io/api/cosmos/tx/signing/v1beta1"
	txsigning "cosmossdk.io/x/tx/signing"
	"github.com/cosmos/gogoproto/proto"
	protov2 "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	sdkclient "github.com/cosmos/cosmos-sdk/client"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
)

// remembered is how many transactions are kept. Sign bytes are signed right after they are made.
const remembered = 16

var errTextual = sdkerrors.ErrNotSupported.Wrap(
	"SIGN_MODE_TEXTUAL needs the whole transaction, which this program does not pass on; " +
		"sign with --sign-mode direct or amino-json")

// Transactions remembers the transactions that sign bytes of SIGN_MODE_TEXTUAL were made of. These bytes are screens of
// text, from which no transaction can be read back, and a keyring is given nothing else; the bridge signs them only if
// it can make them again from the transaction.
//
// Use what [Transactions.TxConfig] returns in place of the chain's, and give the same value to [WithTransactions].
type Transactions struct {
	// Coins answers what the bank knows of these denominations, as JSON of its query; nil if nobody can be asked.
	Coins func(ctx context.Context, denoms []string) ([]json.RawMessage, error)

	guard sync.Mutex
	known [remembered]transaction
	next  int
}

type transaction struct {
	hash     [sha256.Size]byte
	body     []byte
	authInfo []byte
	denoms   []string
}

// TxConfig returns a TxConfig that is the given one, except that transactions are remembered.
func (t *Transactions) TxConfig(config sdkclient.TxConfig) sdkclient.TxConfig {
	return txConfig{config, t}
}

type txConfig struct {
	sdkclient.TxConfig
	transactions *Transactions
}

// SignModeHandler returns the chain's handlers, with the default one first, as txsigning.NewHandlerMap wants it.
func (c txConfig) SignModeHandler() *txsigning.HandlerMap {
	inner := c.TxConfig.SignModeHandler()
	handlers := []txsigning.SignModeHandler{handler{inner, inner.DefaultMode(), c.transactions}}
	for _, mode := range inner.SupportedModes() {
		if mode != inner.DefaultMode() {
			handlers = append(handlers, handler{inner, mode, c.transactions})
		}
	}
	return txsigning.NewHandlerMap(handlers...)
}

type handler struct {
	inner        *txsigning.HandlerMap
	mode         signingv1beta1.SignMode
	transactions *Transactions
}

func (h handler) Mode() signingv1beta1.SignMode { return h.mode }

func (h handler) GetSignBytes(ctx context.Context, signer txsigning.SignerData, tx txsigning.TxData) ([]byte, error) {
	signBytes, err := h.inner.GetSignBytes(ctx, h.mode, signer, tx)
	if err == nil && h.mode == signingv1beta1.SignMode_SIGN_MODE_TEXTUAL {
		h.transactions.remember(signBytes, tx)
	}
	return signBytes, err
}

func (t *Transactions) remember(signBytes []byte, tx txsigning.TxData) {
	made := transaction{sha256.Sum256(signBytes), tx.BodyBytes, tx.AuthInfoBytes, denoms(tx.Body, tx.AuthInfo)}
	t.guard.Lock()
	defer t.guard.Unlock()
	t.known[t.next] = made
	t.next = (t.next + 1) % remembered
}

// describe adds to a request what the bridge needs to read a transaction's sign bytes.
func (t *Transactions) describe(ctx context.Context, found transaction, params map[string]any) {
	params["transaction"] = map[string]string{
		"body_bytes":      base64.StdEncoding.EncodeToString(found.body),
		"auth_info_bytes": base64.StdEncoding.EncodeToString(found.authInfo),
	}
	if t.Coins != nil && len(found.denoms) > 0 {
		// Where nobody can be asked, the bridge knows the coins of the chain from `hsm chain add`.
		if metadata, err := t.Coins(ctx, found.denoms); err == nil && len(metadata) > 0 {
			params["coin_metadata"] = metadata
		}
	}
}

// find returns the transaction that sign bytes were made of; false if it is not known.
func (t *Transactions) find(signBytes []byte) (transaction, bool) {
	if t == nil {
		return transaction{}, false
	}
	hash := sha256.Sum256(signBytes)
	t.guard.Lock()
	defer t.guard.Unlock()
	for _, one := range t.known {
		if one.hash == hash {
			return one, true
		}
	}
	return transaction{}, false
}

// denoms returns the denominations of all coins in messages, those inside of others included.
func denoms(messages ...protov2.Message) []string {
	var (
		found []string
		seen  = map[string]bool{}
	)
	visit := func(path protopath.Values) error {
		message, ok := path.Index(-1).Value.Interface().(protoreflect.Message)
		if !ok || message.Descriptor().FullName() != "cosmos.base.v1beta1.Coin" {
			return nil
		}
		denom := message.Get(message.Descriptor().Fields().ByName("denom")).String()
		if denom != "" && !seen[denom] {
			seen[denom] = true
			found = append(found, denom)
		}
		return nil
	}
	for _, message := range messages {
		// A message that cannot be walked through has no coins that could be asked for; the bridge reads it anyway.
		_ = protorange.Options{Resolver: &chainTypes{}}.Range(message.ProtoReflect(), visit, nil)
	}
	return found
}

// chainTypes finds the chain's message types for what is inside an Any.
type chainTypes struct{ protoregistry.Types }

func (*chainTypes) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	descriptor, err := proto.HybridResolver.FindDescriptorByName(name)
	if err != nil {
		return nil, err
	}
	message, ok := descriptor.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, protoregistry.NotFound
	}
	return dynamicpb.NewMessageType(message), nil
}

func (t *chainTypes) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	return t.FindMessageByName((&anypb.Any{TypeUrl: url}).MessageName())
}

// queryCoins asks the node of a client context.
func queryCoins(node func() (sdkclient.Context, error)) func(context.Context, []string) ([]json.RawMessage, error) {
	return func(ctx context.Context, denoms []string) ([]json.RawMessage, error) {
		clientCtx, err := node()
		if err != nil {
			return nil, err
		}
		if clientCtx.Offline {
			return nil, fmt.Errorf("offline: %w", sdkerrors.ErrNotSupported)
		}
		bank := banktypes.NewQueryClient(clientCtx)
		var metadata []json.RawMessage
		for _, denom := range denoms {
			answer, err := bank.DenomMetadata(ctx, &banktypes.QueryDenomMetadataRequest{Denom: denom})
			if err != nil {
				continue // most coins have none
			}
			written, err := clientCtx.Codec.MarshalJSON(&answer.Metadata)
			if err != nil {
				return nil, err
			}
			metadata = append(metadata, written)
		}
		return metadata, nil
	}
}
