package phones_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/natproof/natproof/emulator/phones"
	"github.com/natproof/natproof/scenarios/stage"
)

// Programs in cells, on the real clock: what becomes of them is as predicted.
func TestInCells(t *testing.T) {
	for _, x := range []struct {
		program, id string
		phone       func() (stage.Phone, error)
	}{
		{"baresip", "call/local[a=symmetric,b=none,registrar=received,rport=true,latch=b]", func() (stage.Phone, error) {
			return traits(true, false)(phones.Baresip(phones.Config{}))
		}},
		{"linphone-daemon", "called/local[a=symmetric,b=none,registrar=received,rport=true,latch=b]", func() (stage.Phone, error) {
			return traits(true, false)(phones.Linphone(phones.Config{}))
		}},
		{"sipp", "call/local[a=symmetric,b=none,registrar=received,rport=true,latch=b]", func() (stage.Phone, error) {
			return traits(true, true)(phones.SIPp(phones.Config{}))
		}},
		{"sipp", "called/local[a=port-restricted,b=none,registrar=received,rport=true]", func() (stage.Phone, error) {
			return traits(true, true)(phones.SIPp(phones.Config{}))
		}},
		{"sipp", "register/local[a=symmetric,registrar=received]", func() (stage.Phone, error) {
			return traits(false, true)(phones.SIPp(phones.Config{Set: map[string]string{"rport": "false"}}))
		}},
		{"baresip", "register/local[a=symmetric,registrar=received,rport=true]", func() (stage.Phone, error) {
			return traits(true, false)(phones.Program(started(t)))
		}},
	} {
		t.Run(x.program+" "+x.id, func(t *testing.T) {
			t.Parallel()
			needs(t, x.program)
			phone, err := x.phone()
			if err != nil {
				t.Fatal(err)
			}
			inACell(t, x.id, phone)
		})
	}
}

func traits(rport, noRTCP bool) func(stage.Phone, error) (stage.Phone, error) {
	return func(p stage.Phone, err error) (stage.Phone, error) { return withTraits(p, rport, noRTCP), err }
}

// started is baresip as a program that nobody has a driver for: it registers when it is started, and
// answers by itself.
func started(t *testing.T) phones.Config {
	dir := t.TempDir()
	config := "poll_method epoll\nsip_listen 0.0.0.0:5060\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\nmodule ausine.so\nmodule aubridge.so\n" +
		"audio_player aubridge,nil\naudio_source ausine,440\naudio_alert aubridge,nil\nausrc_srate 48000\nausrc_channels 2\nmodule_app account.so\nmodule_app menu.so\n"
	for name, text := range map[string]string{"config": config, "accounts": "", "contacts": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return phones.Config{Path: "baresip", Args: []string{"-f", dir, "-e",
		`/uanew <{uri}>;outbound="sip:{proxy}";auth_pass=secret;answermode=auto`}}
}

// A program that ends at once, or is not there, is told of, and of settings that mean nothing.
func TestProgramsThatDoNotRun(t *testing.T) {
	for name, c := range map[string]phones.Config{
		"no setting of that name": {Path: "sh", Set: map[string]string{"rport": "true"}},
		"no time":                 {Path: "sh", Set: map[string]string{"ready": "soon"}},
		"no program":              {},
	} {
		if _, err := phones.Program(c); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Log(err)
		}
	}
	if _, err := phones.SIPp(phones.Config{Set: map[string]string{"rport": "maybe"}}); err == nil {
		t.Error("rport=maybe: no error")
	}
	for path, want := range map[string]string{"/usr/bin/baresip": "baresip", "sipp": "sipp", "linphone-daemon": "linphone-daemon", "./my-phone": "program"} {
		if got := phones.For(path).Name; got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	for _, d := range phones.Known() {
		if d.Help == "" || len(d.Sets) == 0 {
			t.Error(fmt.Sprint(d.Name, " says nothing of itself"))
		}
	}
}
