package sqlite_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/registrar/sqlite"
)

var (
	kills    = flag.Int("kills", 5, "how often TestKilled kills the server")
	killSeed = flag.Uint64("kill-seed", 1, "what TestKilled draws its moments from")
)

// serveFile in the environment makes the test binary the server that is killed.
const serveFile = "NATPROOF_TEST_SERVE"

func TestMain(m *testing.M) {
	if file := os.Getenv(serveFile); file != "" {
		if err := serve(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// serve runs a registrar on a port that it prints.
func serve(file string) error {
	store, err := sqlite.Open(file)
	if err != nil {
		return err
	}
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv, err := registrar.New(conn, registrar.Config{Domain: "example.com", Store: store})
	if err != nil {
		return err
	}
	fmt.Println(conn.LocalAddr())
	return srv.Serve()
}

// startServer runs the server in a process of its own and says where it listens.
func startServer(t *testing.T, file string) (*exec.Cmd, net.Conn) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serveFile+"="+file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	at, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not start: %v", err)
	}
	conn, err := net.Dial("udp4", strings.TrimSpace(at))
	if err != nil {
		t.Fatal(err)
	}
	return cmd, conn
}

// An account is what a user may expect of the server. A version is the CSeq of a REGISTER:
// odd ones bind a Contact that names the version, even ones unbind it.
type account struct {
	cseq    int
	acked   int // the last version that got a 200
	pending int // the version under way, or 0
}

// bound is the version that a server shows after this one.
func bound(version int) int {
	if version%2 == 0 {
		return 0
	}
	return version
}

// A client has one request under way for each of its users.
type client struct {
	*testing.T
	conn     net.Conn
	accounts [40]account
}

func (c *client) register(user int) {
	a := &c.accounts[user]
	a.cseq++
	a.pending = a.cseq
	expires := 3600
	if a.cseq%2 == 0 {
		expires = 0
	}
	c.send(user, fmt.Sprintf("Contact: <sip:u@127.0.0.1:9>;expires=%d;+sip.instance=\"<urn:x:%d>\"\r\n", expires, a.cseq))
}

func (c *client) send(user int, contact string) {
	cseq := c.accounts[user].cseq
	fmt.Fprintf(c.conn, "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK%d.%d;rport\r\n"+
		"From: <sip:u%d@example.com>;tag=1\r\nTo: <sip:u%d@example.com>\r\nCall-ID: c%d\r\nCSeq: %d REGISTER\r\n%sContent-Length: 0\r\n\r\n",
		user, cseq, user, user, user, cseq, contact)
}

const over = "over"

// receive reads one answer: whose, to which CSeq, and which version is bound. It returns
// false when there are no more.
func (c *client) receive() (user, cseq, version int, ok bool) {
	b := make([]byte, 2048)
	n, err := c.conn.Read(b)
	if err != nil {
		c.Fatal(err)
	}
	text := string(b[:n])
	if text == over {
		return 0, 0, 0, false
	}
	if !strings.HasPrefix(text, "SIP/2.0 200 ") {
		c.Fatalf("refused:\n%s", text)
	}
	number := func(after, before string) int {
		_, v, found := strings.Cut(text, after)
		v, _, _ = strings.Cut(v, before)
		i, err := strconv.Atoi(v)
		if found && err != nil {
			c.Fatalf("%q in\n%s", v, text)
		}
		return i
	}
	return number("\nCall-ID: c", "\r"), number("\nCSeq: ", " "), number("<urn:x:", ">"), true
}

// check asks for every binding: it is the one of the last 200, or what the request under
// way made of it.
func (c *client) check() {
	c.Helper()
	for u := range c.accounts {
		a := &c.accounts[u]
		a.cseq += 2
		c.send(u, "")
		_, _, got, _ := c.receive()
		if got != bound(a.acked) && (a.pending == 0 || got != bound(a.pending)) {
			c.Errorf("u%d: version %d is bound; %d got the last 200, %d was under way", u, got, a.acked, a.pending)
		}
		a.acked, a.pending = got, 0
	}
}

// strike kills the server and, once it is dead, says over in its place.
func strike(cmd *exec.Cmd, conn net.Conn) error {
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	cmd.Wait() // an error it is: killed
	place, err := net.ListenUDP("udp4", conn.RemoteAddr().(*net.UDPAddr))
	if err != nil {
		return err
	}
	defer place.Close()
	_, err = place.WriteTo([]byte(over), conn.LocalAddr())
	return err
}

// TestKilled kills a registrar with SIGKILL again and again while it has as much to do as
// it can: what got a 200 is there afterwards, and what was taken back with a 200 is not.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.db")
	c := &client{T: t}
	random := rand.New(rand.NewPCG(*killSeed, 0))
	answered, inFlight := 0, 0
	for range *kills {
		cmd, conn := startServer(t, file)
		c.conn = conn
		c.check()
		for u := range c.accounts {
			c.register(u)
		}
		answers, pause := 1+random.IntN(400), time.Duration(random.IntN(3000))*time.Microsecond
		struck := make(chan error, 1)
		for n := 1; ; n++ {
			user, cseq, _, ok := c.receive()
			if !ok {
				break
			}
			answered++
			a := &c.accounts[user]
			if cseq != a.pending {
				t.Fatalf("u%d: answer to %d, %d is under way", user, cseq, a.pending)
			}
			a.acked = cseq
			c.register(user)
			if n == answers { // the moment is somewhere in what comes next
				time.AfterFunc(pause, func() { struck <- strike(cmd, conn) })
			}
		}
		if err := <-struck; err != nil {
			t.Fatal(err)
		}
		inFlight += len(c.accounts)
		conn.Close()
	}
	cmd, conn := startServer(t, file)
	defer conn.Close()
	c.conn = conn
	c.check()
	if err := strike(cmd, conn); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills, %d times 200, %d requests under way at a kill", *kills, answered, inFlight)
}
