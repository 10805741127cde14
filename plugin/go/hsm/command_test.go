package hsm

import (
	"slices"
	"strings"
	"testing"
)

func TestWordsBehindTheCommand(t *testing.T) {
	for line, want := range map[string]string{
		"hsm status":                    "status",
		"--home DIR hsm status -o json": "status -o json",
		"hsm keygen --label hsm":        "keygen --label hsm",
	} {
		all := strings.Fields(line)
		at := slices.Index(all, "hsm")
		if got := behind("hsm", all, slices.Concat(all[:at], all[at+1:])); strings.Join(got, " ") != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestFlagsOfTheChainAreNoneOfTheBridges(t *testing.T) {
	for line, want := range map[string]string{
		"status": "status",
		"status --home DIR --keyring-backend hsm -o json": "status -o json",
		"status --home=DIR --trace --log_level=debug":     "status",
		"keygen --label --home":                           "keygen --label",
		"keys show -- --home":                             "keys show -- --home",
	} {
		if got := withoutForeign(strings.Fields(line)); strings.Join(got, " ") != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}
