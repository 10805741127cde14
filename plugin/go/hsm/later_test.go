package hsm_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"strconv"
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/cosmos/gogoproto/proto"
)

const laterVariable = "LATER_PLUGIN"

func TestMain(m *testing.M) {
	if os.Getenv(laterVariable) != "" {
		answerAsLater()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// laterPlugin returns the command line of this test binary as a plugin with records that today's does not have.
func laterPlugin(t *testing.T) []string {
	t.Setenv(laterVariable, "yes")
	return []string{os.Args[0]}
}

const (
	ledgerEntry = `{"record":{"name":"ledger","pub_key":{"@type":"/cosmos.crypto.secp256k1.PubKey","key":"Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY"},"ledger":{"path":{"purpose":44,"coin_type":118,"account":3,"change":false,"address_index":7}}}}`
	foreign     = `{"record":{"name":"foreign","pub_key":{"@type":"/cosmos.evm.crypto.v1.ethsecp256k1.PubKey","key":"Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY"},"local":{"priv_key":null}}}`
	signature   = `{"signature":"wJcL6HaqOPMmBBS5PcZq0sYVVxHU/lkDxfxGpuPJlRxYeU+e6cNiIZvtSQiNs5bOcNSTtyT1SgL1470FtpF+zw==","pub_key":{"@type":"/cosmos.crypto.secp256k1.PubKey","key":"Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY"}}`
)

func answerAsLater() {
	input := bufio.NewReader(os.Stdin)
	for {
		header, err := textproto.NewReader(input).ReadMIMEHeader()
		if err != nil {
			return
		}
		length, _ := strconv.Atoi(header.Get("Content-Length"))
		body := make([]byte, length)
		if _, err := io.ReadFull(input, body); err != nil {
			return
		}
		var request struct {
			ID     int    `json:"id"`
			Method string `json:"method"`
			Params struct {
				UID string `json:"uid"`
			} `json:"params"`
		}
		_ = json.Unmarshal(body, &request)
		result := `{"protocol_version":1}`
		switch {
		case request.Method == "keyring.list":
			result = "[" + foreign + "," + ledgerEntry + "]"
		case request.Method == "keyring.sign":
			result = signature
		case request.Params.UID == "foreign":
			result = foreign
		case request.Params.UID != "":
			result = ledgerEntry
		}
		answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":%s}`, request.ID, result)
		fmt.Printf("Content-Length: %d\r\n\r\n%s", len(answer), answer)
	}
}

func mergedFiles(t *testing.T) *protoregistry.Files {
	t.Helper()
	files, err := proto.MergedRegistry()
	if err != nil {
		t.Fatal(err)
	}
	return files
}
