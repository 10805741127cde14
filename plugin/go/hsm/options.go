package hsm

import (
	"context"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	"keyring-bridge/plugin/go/client"
	"keyring-bridge/plugin/go/internal/early"
)

// Backend is the value of --keyring-backend, and what [Keyring.Backend] returns.
const Backend = "hsm"

type settings struct {
	client       *client.Client
	context      context.Context
	keyring      []keyring.Option
	transactions *Transactions
	prefixes     []string
}

// Option changes what [New] or [Wrap] do.
type Option func(*settings)

// WithClient asks the bridge through this client. Without it the environment says where the bridge is.
func WithClient(client *client.Client) Option {
	return func(s *settings) { s.client = client }
}

// WithContext withdraws calls when ctx ends. The methods of the SDK's interface take no context of their own.
func WithContext(ctx context.Context) Option {
	return func(s *settings) { s.context = ctx }
}

// WithKeyringOptions gives the options that the chain makes its keyrings with: they say which algorithms it knows.
func WithKeyringOptions(options ...keyring.Option) Option {
	return func(s *settings) { s.keyring = append(s.keyring, options...) }
}

// WithTransactions lets the keyring sign in SIGN_MODE_TEXTUAL (see [Transactions]). [Wrap] does so by itself.
func WithTransactions(transactions *Transactions) Option {
	return func(s *settings) { s.transactions = transactions }
}

// WithEnvPrefix names the prefix of the chain's environment variables (VE for VE_KEYRING_BACKEND), for [Wrap]. It is
// only needed where it is neither the program's name nor what the chain gives to svrcmd.Execute.
func WithEnvPrefix(prefix string) Option {
	return func(s *settings) { s.prefixes = append(s.prefixes, prefix) }
}

func apply(options []Option) settings {
	result := settings{context: context.Background()}
	for _, option := range options {
		option(&result)
	}
	if result.client == nil {
		result.client = early.Client()
	}
	if result.client == nil {
		result.client = client.New(client.Options{})
	}
	if result.context == nil {
		result.context = context.Background()
	}
	return result
}
