package phones_test

import (
	"os"
	"testing"

	"github.com/natproof/natproof/emulator"
)

func TestMain(m *testing.M) { os.Exit(emulator.Main(m)) }
