package media

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"

	"github.com/natproof/natproof/internal/text"
)

// Direction is who sends, seen from the one who wrote the description.
type Direction uint8

// The four directions of RFC 8866 §6.7.
const (
	SendRecv Direction = iota // the default
	SendOnly
	RecvOnly
	Inactive
)

var directionNames = [...]string{"sendrecv", "sendonly", "recvonly", "inactive"}

// String is the attribute's name.
func (d Direction) String() string {
	if int(d) < len(directionNames) {
		return directionNames[d]
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// Sends says whether the writer sends.
func (d Direction) Sends() bool { return d == SendRecv || d == SendOnly }

// Receives says whether the writer receives.
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }

func directionOf(sends, receives bool) Direction {
	switch {
	case sends && receives:
		return SendRecv
	case sends:
		return SendOnly
	case receives:
		return RecvOnly
	}
	return Inactive
}

// Codec is one payload type of the audio line.
type Codec struct {
	PayloadType uint8
	Name        string // PCMU, PCMA, telephone-event, ...
	ClockRate   uint32
	Params      string // of a=fmtp, may be empty
}

// same says whether two ends mean the same codec, whatever number each uses.
func (c Codec) same(o Codec) bool {
	return strings.EqualFold(c.Name, o.Name) && c.ClockRate == o.ClockRate
}

const telephoneEvent = "telephone-event"

// isAudio tells voice from the events that go along with it.
func (c Codec) isAudio() bool { return !strings.EqualFold(c.Name, telephoneEvent) }

// DefaultCodecs are PCMU, PCMA and telephone events (RFC 4733).
func DefaultCodecs() []Codec {
	return []Codec{
		{PayloadType: PCMU, Name: "PCMU", ClockRate: 8000},
		{PayloadType: PCMA, Name: "PCMA", ClockRate: 8000},
		{PayloadType: 101, Name: telephoneEvent, ClockRate: 8000, Params: "0-15"},
	}
}

// Description is a session description with one audio stream, the part of it
// that a phone call needs.
type Description struct {
	// RTP is where audio is wanted: c= and the port of m=audio. 0.0.0.0 is
	// the old way to say hold.
	RTP netip.AddrPort
	// RTCP is where RTCP is wanted when it is not multiplexed: a=rtcp, or the
	// RTP port + 1 when there is none (RFC 3605 §2.1). The zero value means
	// the default to Marshal, and after Parse that there is no such port.
	RTCP netip.AddrPort
	// NameRTCP makes Marshal write RTCP, with its address, also where it is the default.
	NameRTCP bool
	// Mux offers or accepts RTCP on the RTP port (RFC 5761).
	Mux bool

	Codecs    []Codec // in order of preference; none means DefaultCodecs to Marshal
	Direction Direction
	PTime     time.Duration // a=ptime, zero when absent

	// Origin is the o= address; the zero value means the RTP address to
	// Marshal, and after Parse that o= is not an IP address.
	Origin         netip.Addr
	Username       string // of o=, "-" when empty
	SessionID      uint64
	SessionVersion uint64

	// Others are the media lines that are not this audio stream, in order, and
	// AudioIndex how many of them come before it. Marshal rejects them all
	// with port 0 (RFC 3264 §6).
	Others     []MediaLine
	AudioIndex int
}

// MediaLine is an m= line as it was written, less its port.
type MediaLine struct {
	Media   string // audio, video, image, ...
	Proto   string // RTP/AVP, udptl, ...
	Formats string // the rest of the line
}

// Hold says whether the writer wants nothing sent to it.
func (d Description) Hold() bool {
	return !d.Direction.Receives() || d.RTP.Addr().IsUnspecified() // RFC 3264 §8.4
}

// Codec is the first voice codec, the one to send with; false if there is none.
func (d Description) Codec() (Codec, bool) {
	for _, c := range d.Codecs {
		if c.isAudio() {
			return c, true
		}
	}
	return Codec{}, false
}

// rtcpOrDefault is RFC 3605 §2.1, and RFC 3550 §11 for the default. A hold by 0.0.0.0 is one of
// RTCP too (RFC 3264 §8.4), whatever a=rtcp says.
func (d Description) rtcpOrDefault() netip.AddrPort {
	if d.RTP.Addr().IsUnspecified() && d.RTCP.IsValid() {
		return netip.AddrPortFrom(d.RTP.Addr(), d.RTCP.Port())
	}
	if d.RTCP.IsValid() {
		return d.RTCP
	}
	return portAbove(d.RTP)
}

func portAbove(rtp netip.AddrPort) netip.AddrPort {
	if !rtp.IsValid() || rtp.Port() == 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(rtp.Addr(), rtp.Port()+1)
}

// Marshal writes d as application/sdp. What a value cannot have is left out, so that
// Parse reads back the same: control characters everywhere, blanks in Username, Name,
// Media and Proto, a slash in Name. A word of which nothing is left is "-".
func Marshal(d Description) []byte {
	if len(d.Codecs) == 0 {
		d.Codecs = DefaultCodecs()
	}
	addr := d.RTP.Addr()
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
	}
	origin := d.Origin
	if !origin.IsValid() {
		origin = addr
	}
	username := word(d.Username)
	out := sdp.SessionDescription{
		Origin: sdp.Origin{
			Username: username, SessionID: d.SessionID, SessionVersion: d.SessionVersion,
			NetworkType: "IN", AddressType: addressType(origin), UnicastAddress: origin.String(),
		},
		SessionName:           "-",
		ConnectionInformation: connection(addr),
		TimeDescriptions:      []sdp.TimeDescription{{}},
	}
	for i, o := range d.Others {
		if i == d.AudioIndex {
			out.MediaDescriptions = append(out.MediaDescriptions, d.audioLine())
		}
		out.MediaDescriptions = append(out.MediaDescriptions, &sdp.MediaDescription{
			MediaName: sdp.MediaName{Media: word(o.Media), Protos: []string{word(o.Proto)}, Formats: []string{words(o.Formats, " ")}},
		})
	}
	if d.AudioIndex >= len(d.Others) {
		out.MediaDescriptions = append(out.MediaDescriptions, d.audioLine())
	}
	b, err := out.Marshal()
	if err != nil {
		panic("media: pion/sdp cannot fail to marshal, and did: " + err.Error())
	}
	return b
}

// blanks are what separates words: those of ASCII and no others, so that bytes that are
// not UTF-8 stay what they are.
const blanks = " \t"

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(blanks, r) })
}

// word is s as one word, words as some with a separator between them.
func word(s string) string { return words(s, "") }

func words(s, separator string) string {
	return cmp.Or(strings.Join(fields(text.Strip(s)), separator), "-")
}

func (d Description) audioLine() *sdp.MediaDescription {
	line := &sdp.MediaDescription{MediaName: sdp.MediaName{
		Media: "audio", Port: sdp.RangedPort{Value: int(d.RTP.Port())}, Protos: []string{"RTP", "AVP"},
	}}
	for _, c := range d.Codecs {
		number := strconv.Itoa(int(c.PayloadType))
		line.MediaName.Formats = append(line.MediaName.Formats, number)
		line.Attributes = append(line.Attributes, sdp.NewAttribute("rtpmap", fmt.Sprintf("%s %s/%d", number, word(strings.ReplaceAll(c.Name, "/", "")), c.ClockRate)))
		if params := strings.Trim(text.Strip(c.Params), blanks); params != "" {
			line.Attributes = append(line.Attributes, sdp.NewAttribute("fmtp", number+" "+params))
		}
	}
	if d.PTime > 0 {
		line.Attributes = append(line.Attributes, sdp.NewAttribute("ptime", strconv.FormatFloat(float64(d.PTime)/float64(time.Millisecond), 'f', -1, 64)))
	}
	if a := d.rtcpAttribute(); a != "" {
		line.Attributes = append(line.Attributes, sdp.NewAttribute("rtcp", a))
	}
	if d.Mux {
		line.Attributes = append(line.Attributes, sdp.NewPropertyAttribute("rtcp-mux"))
	}
	line.Attributes = append(line.Attributes, sdp.NewPropertyAttribute(d.Direction.String()))
	return line
}

// rtcpAttribute is needed when RTCP is not one port above RTP; the address is
// left out when it is RTP's (RFC 3605 §2.1).
func (d Description) rtcpAttribute() string {
	switch {
	case !d.RTCP.IsValid() || d.RTCP == portAbove(d.RTP) && !d.NameRTCP:
		return ""
	case d.RTCP.Addr() == d.RTP.Addr() && !d.NameRTCP:
		return strconv.Itoa(int(d.RTCP.Port()))
	}
	a := d.RTCP.Addr()
	return fmt.Sprintf("%d IN %s %s", d.RTCP.Port(), addressType(a), a)
}

func connection(a netip.Addr) *sdp.ConnectionInformation {
	return &sdp.ConnectionInformation{
		NetworkType: "IN", AddressType: addressType(a), Address: &sdp.Address{Address: a.String()},
	}
}

func addressType(a netip.Addr) string {
	if a.Is4() {
		return "IP4"
	}
	return "IP6"
}
