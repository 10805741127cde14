package hsm

import (
	"errors"
	"strings"

	errorsmod "cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"keyring-bridge/plugin/go/client"
)

// Error is an error of the bridge that the SDK has a name for: errors.Is finds the SDK's error as well as the bridge's,
// and the text is the SDK's wherever chain tools match on it.
type Error struct {
	// Remote is the bridge's error.
	Remote *client.Error
	// SDK is the SDK's error.
	SDK error
}

func (e *Error) Error() string {
	if strings.Contains(e.Remote.Message, e.SDK.Error()) || e.Remote.Code == "invalid_mnemonic" {
		return e.Remote.Message
	}
	return e.Remote.Error()
}

// Unwrap returns both errors.
func (e *Error) Unwrap() []error {
	return []error{e.SDK, e.Remote}
}

// None of these is ErrIO: `keys show` takes that for "perhaps it is an address" and hides what was wrong.
var sdkErrors = map[string]error{
	"key_not_found":         sdkerrors.ErrKeyNotFound,
	"key_exists":            keyring.ErrKeyAlreadyExists,
	"duplicate_address":     keyring.ErrDuplicatedAddress,
	"cannot_sign":           keyring.ErrOfflineSign,
	"export_refused":        keyring.ErrPrivKeyExtr,
	"unsupported_algorithm": keyring.ErrUnsupportedSigningAlgo,
	"invalid_key":           sdkerrors.ErrInvalidPubKey,
	"invalid_address":       sdkerrors.ErrInvalidAddress,
	"invalid_mnemonic":      sdkerrors.ErrInvalidRequest,
	"passphrase_incorrect":  sdkerrors.ErrWrongPassword,
	"invalid_name":          sdkerrors.ErrInvalidRequest,
	"invalid_request":       sdkerrors.ErrInvalidRequest,
	"invalid_path":          sdkerrors.ErrInvalidRequest,
	"invalid_armor":         sdkerrors.ErrInvalidRequest,
	"sign_doc_invalid":      sdkerrors.ErrInvalidRequest,
	"not_available":         sdkerrors.ErrNotSupported,
	"capability_missing":    sdkerrors.ErrNotSupported,
	"no_policy":             sdkerrors.ErrUnauthorized,
	"policy_denied":         sdkerrors.ErrUnauthorized,
	"auth_failed":           sdkerrors.ErrUnauthorized,
	"pin_required":          sdkerrors.ErrUnauthorized,
	"pin_incorrect":         sdkerrors.ErrUnauthorized,
	"pin_blocked":           sdkerrors.ErrUnauthorized,
	"pin_locked":            sdkerrors.ErrUnauthorized,
}

// Errors of one code that the SDK tells apart, by their text.
var byText = []error{
	keyring.ErrOverwriteKey,
	keyring.ErrUnsupportedLanguage,
	keyring.ErrLedgerGenerateKey,
	keyring.ErrLedgerInvalidSignature,
	keyring.ErrInvalidSignMode,
}

// translate makes the SDK's error of one of the bridge, and leaves every other as it is.
func translate(err error) error {
	var remote *client.Error
	if !errors.As(err, &remote) {
		return err
	}
	for _, known := range byText {
		if strings.Contains(remote.Message, known.Error()) {
			return &Error{Remote: remote, SDK: known}
		}
	}
	if known, found := sdkErrors[remote.Code]; found {
		return &Error{Remote: remote, SDK: known}
	}
	return err
}

// hasCode tells whether the bridge answered with this code.
func hasCode(err error, code string) bool {
	var remote *client.Error
	return errors.As(err, &remote) && remote.Code == code
}

// notFound says of an address what the SDK says, which prints it in the address's own way.
func notFound(err error, address string) error {
	if !hasCode(err, "key_not_found") {
		return err
	}
	return errorsmod.Wrapf(sdkerrors.ErrKeyNotFound, "key with address %s not found", address)
}
