package vnet_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/natproof/natproof/vnet"
)

// hosts is what the hosts of all tests are made of. What a lab does with a packet, and what a
// socket promises, is the same whatever it is.
var hosts vnet.HostKind

func TestMain(m *testing.M) {
	for _, hosts = range []vnet.HostKind{vnet.Native, vnet.Pion} {
		if code := m.Run(); code != 0 {
			fmt.Printf("with %v hosts\n", hosts)
			os.Exit(code)
		}
	}
}
