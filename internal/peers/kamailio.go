package peers

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// Kamailio is Kamailio 5.6 and its like as a registrar and proxy, without a password. The zero value is plain RFC 3261:
// it calls users at the Contact that they wrote.
type Kamailio struct {
	// Received has it call users where their REGISTER came from (nathelper's fix_nated_register).
	Received bool
	// Alias has it send what is in a dialog to where messages of the peer came from (add_contact_alias,
	// handle_ruri_alias).
	Alias bool
	// ForceRport sends responses to the source of requests also where they do not ask for it (RFC 3581).
	ForceRport bool
	// Modules is the directory of its modules; empty is Debian's.
	Modules string
}

const kamailioModules = "/usr/lib/x86_64-linux-gnu/kamailio/modules/"

//go:embed kamailio.cfg.tmpl
var kamailioText string

var kamailioConfig = template.Must(template.New("kamailio.cfg").Parse(kamailioText))

type kamailioRoute struct {
	User string
	To   netip.AddrPort
}

// config is what it is started with.
func (k Kamailio) config(at netip.AddrPort) ([]byte, error) {
	if k.Modules == "" {
		k.Modules = kamailioModules
	}
	var text bytes.Buffer
	err := kamailioConfig.Execute(&text, struct {
		Kamailio
		Domain string
		Listen netip.AddrPort
		Routes []kamailioRoute
	}{k, cell.Domain, at, []kamailioRoute{{cell.PhoneNumber, netip.AddrPortFrom(cell.GatewayAddr, cell.GatewayPort)}}})
	return text.Bytes(), err
}

// Serve runs it at the seat until stop is called. It is for scenarios.RunOptions.Proxy.
func (k Kamailio) Serve(seat stage.Seat) (stop func() error, err error) {
	dir, err := os.MkdirTemp("", "natproof-kamailio-")
	if err != nil {
		return nil, fmt.Errorf("peers: kamailio: %w", err)
	}
	ns, err := emulator.Attach(seat.Site, seat.Name, emulator.Config{Addrs: []netip.Addr{seat.Addr}})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	leave := func() error { return errors.Join(ns.Close(), os.RemoveAll(dir)) }
	at := netip.AddrPortFrom(seat.Addr, cell.ProxyPort)
	text, err := k.config(at)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "kamailio.cfg"), text, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("peers: kamailio: %w", err), leave())
	}
	var said bytes.Buffer // not to be read before it has ended
	c := ns.Command("kamailio", "-DD", "-f", filepath.Join(dir, "kamailio.cfg"), "-Y", dir, "-P", filepath.Join(dir, "pid"), "-m", "16", "-M", "4")
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("peers: kamailio: %w", err), leave())
	}
	stop = func() error {
		err := leave()
		_ = c.Wait() // it was killed
		return err
	}
	if err := serves(ns, at, c.Ended()); err != nil {
		stopped := stop()
		return nil, errors.Join(fmt.Errorf("peers: kamailio: %w: %s", err, said.String()), stopped)
	}
	return stop, nil
}

// startTime is how long a server may take until it answers.
const startTime = 30 * time.Second

// serves waits until a SIP server on the machine answers OPTIONS (RFC 3261 section 11), with whatever code.
func serves(ns *emulator.Namespace, at netip.AddrPort, ended <-chan struct{}) error {
	conn, err := ns.ListenUDP(netip.AddrPortFrom(at.Addr(), 0))
	if err != nil {
		return err
	}
	defer conn.Close()
	answer := make([]byte, 2000)
	for begun := time.Now(); time.Since(begun) < startTime; {
		request := fmt.Sprintf("OPTIONS sip:nobody@%v SIP/2.0\r\nVia: SIP/2.0/UDP %v;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <sip:ready@%v>;tag=1\r\nTo: <sip:nobody@%v>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
			at, conn.LocalAddr(), time.Since(begun), at.Addr(), at)
		if _, err := conn.WriteToUDPAddrPort([]byte(request), at); err != nil {
			return err
		}
		conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, _, err := conn.ReadFromUDPAddrPort(answer); err == nil && bytes.HasPrefix(answer[:n], []byte("SIP/2.0 ")) {
			return nil
		}
		select {
		case <-ended:
			return errors.New("it ended")
		default:
		}
	}
	return errors.New("it does not answer")
}
