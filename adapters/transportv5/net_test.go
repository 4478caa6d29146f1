package transportv5_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	v3 "github.com/pion/transport/v3"
	"github.com/pion/transport/v3/stdnet"
	"github.com/pion/transport/v5"

	"github.com/natproof/natproof/adapters/transportv5"
)

// bindingRequest is the smallest question a STUN server answers (RFC 8489 section 5).
const bindingRequest = "\x00\x01\x00\x00\x21\x12\xa4\x42123456789012"

// Every way to open a UDP socket opens one of the host's.
func TestSockets(t *testing.T) {
	server := net.UDPAddrFromAddrPort(stunAddr)
	none := &net.ListenConfig{}
	for _, c := range []struct {
		name string
		open func(transport.Net) (net.PacketConn, error)
	}{
		{"ListenPacket", func(n transport.Net) (net.PacketConn, error) { return n.ListenPacket("udp4", ":5060") }},
		{"ListenUDP", func(n transport.Net) (net.PacketConn, error) { return n.ListenUDP("udp4", &net.UDPAddr{Port: 5060}) }},
		{"ListenConfig", func(n transport.Net) (net.PacketConn, error) {
			return n.CreateListenConfig(none).ListenPacket(context.Background(), "udp4", ":5060")
		}},
		{"Dial", func(n transport.Net) (net.PacketConn, error) {
			return packets(n.Dial("udp4", server.String()))
		}},
		{"DialUDP", func(n transport.Net) (net.PacketConn, error) { return packets(n.DialUDP("udp4", nil, server)) }},
		{"Dialer", func(n transport.Net) (net.PacketConn, error) {
			return packets(n.CreateDialer(&net.Dialer{}).Dial("udp4", server.String()))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := inWorld("symmetric", "full-cone", func(w *world) error {
				conn, err := c.open(transportv5.Net(w.a))
				if err != nil {
					return err
				}
				return ask(conn, server)
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// packets makes a net.PacketConn of a socket that has a peer already.
func packets[C net.Conn](c C, err error) (net.PacketConn, error) {
	if err != nil {
		return nil, err
	}
	return connected{c}, nil
}

type connected struct{ net.Conn }

func (c connected) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }
func (c connected) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, c.RemoteAddr(), err
}

func ask(conn net.PacketConn, server net.Addr) error {
	if _, err := conn.WriteTo([]byte(bindingRequest), server); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	answer := make([]byte, 1500)
	n, from, err := conn.ReadFrom(answer)
	if err != nil {
		return err
	}
	if n < 20 || answer[0] != 1 || answer[1] != 1 || from.String() != server.String() {
		return fmt.Errorf("%v answers % x", from, answer[:n])
	}
	if _, _, err = conn.ReadFrom(answer); !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("a read after the deadline: %v", err)
	}
	return conn.Close()
}

// What a host refuses is refused in v5's words, and in v3's as before.
func TestErrors(t *testing.T) {
	background := context.Background()
	gone, cancel := context.WithCancel(background)
	cancel()
	control := &net.ListenConfig{Control: func(string, string, syscall.RawConn) error { return nil }}
	keepAlive := &net.ListenConfig{KeepAlive: time.Minute}
	for _, c := range []struct {
		name string
		want error
		old  error // v3's, where the host is who refuses
		call func(transport.Net) (any, error)
	}{
		{"ListenTCP", transport.ErrNotSupported, v3.ErrNotSupported, func(n transport.Net) (any, error) { return n.ListenTCP("tcp4", nil) }},
		{"DialTCP", transport.ErrNotSupported, v3.ErrNotSupported, func(n transport.Net) (any, error) { return n.DialTCP("tcp4", nil, nil) }},
		{"Dial", transport.ErrNotSupported, v3.ErrNotSupported, func(n transport.Net) (any, error) { return n.Dial("tcp4", "203.0.113.20:80") }},
		{"Dialer", transport.ErrNotSupported, v3.ErrNotSupported, func(n transport.Net) (any, error) {
			return n.CreateDialer(&net.Dialer{}).Dial("tcp4", "203.0.113.20:80")
		}},
		{"ListenConfig", transport.ErrNotSupported, v3.ErrNotSupported, func(n transport.Net) (any, error) {
			return n.CreateListenConfig(&net.ListenConfig{}).Listen(background, "tcp4", "10.0.0.2:80")
		}},
		{"Control", transport.ErrNotSupported, nil, func(n transport.Net) (any, error) {
			return n.CreateListenConfig(control).ListenPacket(background, "udp4", ":0")
		}},
		{"KeepAlive", transport.ErrNotSupported, nil, func(n transport.Net) (any, error) {
			return n.CreateListenConfig(keepAlive).Listen(background, "tcp4", "10.0.0.2:80")
		}},
		{"canceled", context.Canceled, nil, func(n transport.Net) (any, error) {
			return n.CreateListenConfig(nil).ListenPacket(gone, "udp4", ":0")
		}},
		{"unknown network", net.UnknownNetworkError("udp5"), nil, func(n transport.Net) (any, error) { return n.ListenUDP("udp5", nil) }},
		{"somebody else's address", syscall.EADDRNOTAVAIL, nil, func(n transport.Net) (any, error) { return n.ListenPacket("udp4", "10.0.0.3:0") }},
		{"InterfaceByName", transport.ErrInterfaceNotFound, v3.ErrInterfaceNotFound, func(n transport.Net) (any, error) { return n.InterfaceByName("wlan0") }},
		{"InterfaceByIndex", transport.ErrInterfaceNotFound, v3.ErrInterfaceNotFound, func(n transport.Net) (any, error) { return n.InterfaceByIndex(99) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got error
			if err := inWorld("full-cone", "full-cone", func(w *world) error {
				_, got = c.call(transportv5.Net(w.a))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if !errors.Is(got, c.want) || c.old != nil && !errors.Is(got, c.old) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// Nothing that fails may look like something that is there.
func TestFailureIsNil(t *testing.T) {
	if err := inWorld("full-cone", "full-cone", func(w *world) error {
		n := transportv5.Net(w.a)
		udp, _ := n.ListenUDP("udp6", nil)
		dialled, _ := n.DialUDP("udp6", nil, nil)
		packet, _ := n.ListenPacket("udp6", ":0")
		tcp, _ := n.ListenTCP("tcp4", nil)
		stream, _ := n.DialTCP("tcp4", nil, nil)
		listener, _ := n.CreateListenConfig(nil).Listen(context.Background(), "tcp4", "10.0.0.2:80")
		byName, _ := n.InterfaceByName("wlan0")
		if udp != nil || dialled != nil || packet != nil || tcp != nil || stream != nil || listener != nil || byName != nil {
			return fmt.Errorf("%v %v %v %v %v %v %v", udp, dialled, packet, tcp, stream, listener, byName)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestInterfaces(t *testing.T) {
	if err := inWorld("full-cone", "full-cone", func(w *world) error {
		n := transportv5.Net(w.a)
		all, err := n.Interfaces()
		if err != nil {
			return err
		}
		var got []string
		for _, i := range all {
			addrs, err := i.Addrs()
			same, err2 := n.InterfaceByIndex(i.Index)
			named, err3 := n.InterfaceByName(i.Name)
			if err := errors.Join(err, err2, err3); err != nil {
				return err
			}
			if same.Name != i.Name || named.Index != i.Index {
				return fmt.Errorf("%v is %v by its index and %v by its name", i, same, named)
			}
			got = append(got, fmt.Sprint(addrs))
		}
		if want := []string{"[127.0.0.1/8]", "[10.0.0.2/24]"}; !slices.Equal(got, want) {
			return fmt.Errorf("got %v, want %v", got, want)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// bare has an interface that is down.
type bare struct{ v3.Net }

func (bare) InterfaceByIndex(int) (*v3.Interface, error) {
	return v3.NewInterface(net.Interface{Name: "eth1"}), nil
}

func TestInterfaceWithoutAddresses(t *testing.T) {
	i, err := transportv5.Net(bare{}).InterfaceByIndex(1)
	if err != nil || i.Name != "eth1" {
		t.Fatalf("%v, %v", i, err)
	}
	if addrs, err := i.Addrs(); !errors.Is(err, transport.ErrNoAddressAssigned) {
		t.Errorf("%v, %v", addrs, err)
	}
}

// A network that has TCP keeps it. No virtual host has, so this one is the machine's own.
func TestTCP(t *testing.T) {
	std, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	n := transportv5.Net(std)
	for name, listen := range map[string]func() (net.Listener, error){
		"ListenTCP": func() (net.Listener, error) { return n.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}) },
		"ListenConfig": func() (net.Listener, error) {
			return n.CreateListenConfig(nil).Listen(context.Background(), "tcp4", "127.0.0.1:0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := listen()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			client, err := n.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			server, err := l.(transport.TCPListener).AcceptTCP()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			_, err = client.Write([]byte("hello"))
			err = errors.Join(err, client.CloseWrite())
			got, err2 := io.ReadAll(server)
			if err := errors.Join(err, err2); err != nil || string(got) != "hello" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
