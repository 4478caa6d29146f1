package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The second signal is heard, the first is not.
func TestSecondSignal(t *testing.T) {
	heard := make(chan struct{})
	end := secondSignal(func() { close(heard) })
	defer end()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} { // two of one kind may be delivered as one
		select {
		case <-heard:
			t.Error("heard the first")
		default:
		}
		if err := self.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	<-heard
}

// A server on a file has after a restart what it had before.
func TestServeKeepsBindings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registrar.db")
	serving := func(f func(ask func(method, fields string) string)) {
		t.Helper()
		out, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		code := make(chan int, 1)
		go func() {
			code <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--domain", "example.com", "--store", file, "--agents", "presence"}, streams{out: w, err: os.Stderr})
			w.Close()
		}()
		r := bufio.NewReader(out)
		line, err := r.ReadString('\n')
		at, ok := strings.CutPrefix(strings.TrimSpace(line), "sip:example.com on ")
		if err != nil || !ok {
			t.Fatalf("%q %v", line, err)
		}
		conn, err := net.Dial("udp4", at)
		if err != nil {
			t.Fatal(err)
		}
		f(func(method, fields string) string {
			fmt.Fprintf(conn, "%[1]s sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK%[1]s%[2]d;rport\r\n"+
				"From: <sip:bob@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: c\r\nCSeq: 1 %[1]s\r\n%[3]sContent-Length: 0\r\n\r\n", method, len(fields), fields)
			b := make([]byte, 2048)
			n, err := conn.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			return string(b[:n])
		})
		conn.Close()
		stop()
		if got := <-code; got != exitOK {
			t.Errorf("exit %d", got)
		}
		if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
			t.Errorf("%q %v", rest, err)
		}
		out.Close()
	}
	serving(func(ask func(string, string) string) {
		if a := ask("OPTIONS", ""); !strings.Contains(a, "\r\nAllow-Events: presence\r\n") {
			t.Error(a)
		}
		if a := ask("REGISTER", "Contact: <sip:bob@192.0.2.1>\r\n"); !strings.HasPrefix(a, "SIP/2.0 200 ") {
			t.Error(a)
		}
		code, out, errs := capture(t, context.Background(), "serve", "--listen", "127.0.0.1:0", "--store", file)
		if code != exitCannotRun || out != "" || !strings.Contains(errs, "in use by another server") {
			t.Error(code, out, errs)
		}
	})
	serving(func(ask func(string, string) string) {
		if a := ask("REGISTER", ""); !strings.Contains(a, "Contact: <sip:bob@192.0.2.1>;expires=") {
			t.Error(a)
		}
	})
}
