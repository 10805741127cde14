package early

import (
	"strings"
	"testing"
)

func TestNeedsKey(t *testing.T) {
	for line, want := range map[string]bool{
		"tx bank send a b 1uve --keyring-backend hsm":                 true,
		"tx bank send a b 1uve --keyring-backend=hsm -y":              true,
		"--home x keys list --keyring-backend hsm":                    true,
		"tx bank send a b 1uve --keyring-backend test":                false,
		"tx bank send a b 1uve --keyring-backend":                     false,
		"tx bank send a b 1uve":                                       false,
		"tx bank send a b 1uve --keyring-backend hsm --generate-only": false,
		"query bank balances a --keyring-backend hsm":                 false,
		"tx bank send --keyring-backend hsm --help":                   false,
		"SIMD_KEYRING_BACKEND=hsm tx bank send a b 1uve":              true,
		"SIMD_KEYRING_BACKEND=hsm keys list --keyring-backend=file":   false,
		"SIMD_KEYRING_BACKEND=file keys list":                         false,
		"start":                                                       false,
	} {
		words := strings.Fields(line)
		var environment []string
		if strings.Contains(words[0], "=") {
			environment, words = words[:1], words[1:]
		}
		if got := needsKey(words, environment); got != want {
			t.Errorf("%s: %t", line, got)
		}
	}
}
