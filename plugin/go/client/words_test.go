package client

import (
	"slices"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                            nil,
		" \t\n":                       nil,
		"keyring-plugin":              {"keyring-plugin"},
		" a  b ":                      {"a", "b"},
		`a "b c" 'd "e'`:              {"a", "b c", `d "e`},
		`a\ b "c\"d" "e\f" 'g\h'`:     {"a b", `c"d`, `e\f`, `g\h`},
		`'' ""`:                       {"", ""},
		`--config='/my files'/"x y"z`: {"--config=/my files/x yz"},
		"ä ö":                         {"ä", "ö"},
	} {
		if got, err := SplitWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q %v", line, got, err)
		}
	}
	for _, line := range []string{`a "b`, `'`, `a\`} {
		if got, err := SplitWords(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}
