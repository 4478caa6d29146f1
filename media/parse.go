package media

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"

	"github.com/natproof/natproof/internal/text"
)

// Parse reads application/sdp. It takes the first m=audio line with RTP/AVP
// and a port, and remembers the others so that an answer can reject them. A
// control character where none may be is ErrSyntax: a line that one reader ends
// there and another does not would be two descriptions.
func Parse(b []byte) (Description, error) {
	if err := plainLines(string(b)); err != nil {
		return Description{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	audio, lines := audioOnly(string(b))
	var raw sdp.SessionDescription
	if err := raw.UnmarshalString(audio); err != nil {
		return Description{}, fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	d := Description{
		Username:       raw.Origin.Username,
		SessionID:      raw.Origin.SessionID,
		SessionVersion: raw.Origin.SessionVersion,
	}
	d.Origin, _ = netip.ParseAddr(raw.Origin.UnicastAddress)
	d.Others, d.AudioIndex = append(lines.before, lines.after...), len(lines.before)
	if len(raw.MediaDescriptions) != 1 || !usable(raw.MediaDescriptions[0].MediaName) {
		return d, ErrNoAudio
	}
	return d, d.readAudio(&raw, raw.MediaDescriptions[0])
}

// plainLines holds lines that end in CRLF or LF (RFC 8866 §5) to byte-string
// (§9), and those of which a Description keeps words to the rule of all values.
func plainLines(s string) error {
	for line := range strings.Lines(s) {
		value, ok := strings.CutSuffix(line, "\n")
		if ok {
			value = strings.TrimSuffix(value, "\r")
		}
		check := text.Bytes
		for _, kept := range []string{"o=", "m=", "a=rtpmap:", "a=fmtp:"} {
			if strings.HasPrefix(value, kept) {
				check = text.Value
			}
		}
		if err := check(value); err != nil {
			return fmt.Errorf("line %q: %w", value, err)
		}
	}
	return nil
}

func usable(m sdp.MediaName) bool {
	return m.Media == "audio" && strings.Join(m.Protos, "/") == "RTP/AVP" && m.Port.Value > 0
}

func (d *Description) readAudio(raw *sdp.SessionDescription, line *sdp.MediaDescription) error {
	at, err := connectionAddress(raw, line)
	if err != nil {
		return err
	}
	d.RTP = netip.AddrPortFrom(at, uint16(line.MediaName.Port.Value))
	d.RTCP = portAbove(d.RTP)
	if d.Codecs, err = codecs(line); err != nil {
		return err
	}
	d.Direction = direction(raw.Attributes, d.Direction)
	d.Direction = direction(line.Attributes, d.Direction)
	for _, a := range line.Attributes {
		switch a.Key {
		case "rtcp":
			if d.RTCP, err = rtcpAddress(a.Value, at); err != nil {
				return err
			}
		case "rtcp-mux":
			d.Mux = true
		case "ptime":
			if d.PTime, err = packetTime(a.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// connectionAddress: the media's c= line wins over the session's (RFC 8866 §5.7).
func connectionAddress(raw *sdp.SessionDescription, line *sdp.MediaDescription) (netip.Addr, error) {
	c := line.ConnectionInformation
	if c == nil {
		c = raw.ConnectionInformation
	}
	if c == nil {
		return netip.Addr{}, ErrNoConnection
	}
	if c.Address == nil {
		return netip.Addr{}, fmt.Errorf("%w: empty c= line", ErrBadAddress)
	}
	return unicast(c.AddressType, c.Address.Address)
}

// unicast refuses what RTP cannot be sent to: names, multicast, the wrong family.
func unicast(addressType, address string) (netip.Addr, error) {
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil || a.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%w: %q is not an IP address", ErrBadAddress, address)
	case a.Is4() != (addressType == "IP4"):
		return netip.Addr{}, fmt.Errorf("%w: %q is not %s", ErrBadAddress, address, addressType)
	case a.IsMulticast():
		return netip.Addr{}, fmt.Errorf("%w: %q is multicast", ErrBadAddress, address)
	}
	return a, nil
}

// rtcpAddress reads the value of a=rtcp: "port" or "port IN IP4 address"
// (RFC 3605 §2.1).
func rtcpAddress(value string, at netip.Addr) (netip.AddrPort, error) {
	f := fields(value)
	if len(f) != 1 && len(f) != 4 {
		return netip.AddrPort{}, fmt.Errorf("%w: a=rtcp:%s", ErrBadAddress, value)
	}
	port, err := strconv.ParseUint(f[0], 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}, fmt.Errorf("%w: a=rtcp port %q", ErrBadAddress, f[0])
	}
	if len(f) == 4 {
		if f[1] != "IN" || f[2] != "IP4" && f[2] != "IP6" {
			return netip.AddrPort{}, fmt.Errorf("%w: a=rtcp:%s", ErrBadAddress, value)
		}
		if at, err = unicast(f[2], f[3]); err != nil {
			return netip.AddrPort{}, err
		}
	}
	return netip.AddrPortFrom(at, uint16(port)), nil
}

// packetTime reads a=ptime: milliseconds, a fraction allowed (RFC 8866 §6.4).
func packetTime(value string) (time.Duration, error) {
	ms, err := strconv.ParseFloat(strings.Trim(value, blanks), 64)
	if err != nil || !(ms > 0 && ms < 60_000) {
		return 0, fmt.Errorf("%w: a=ptime:%s", ErrSyntax, value)
	}
	return time.Duration(ms * float64(time.Millisecond)), nil
}

func direction(attributes []sdp.Attribute, d Direction) Direction {
	for _, a := range attributes {
		for i, name := range directionNames {
			if a.Key == name {
				d = Direction(i)
			}
		}
	}
	return d
}

// staticCodecs need no a=rtpmap (RFC 3551 §6).
var staticCodecs = map[uint8]Codec{
	PCMU: {PayloadType: PCMU, Name: "PCMU", ClockRate: 8000},
	3:    {PayloadType: 3, Name: "GSM", ClockRate: 8000},
	4:    {PayloadType: 4, Name: "G723", ClockRate: 8000},
	PCMA: {PayloadType: PCMA, Name: "PCMA", ClockRate: 8000},
	9:    {PayloadType: 9, Name: "G722", ClockRate: 8000},
	13:   {PayloadType: 13, Name: "CN", ClockRate: 8000},
	18:   {PayloadType: 18, Name: "G729", ClockRate: 8000},
}

// codecs reads the formats of m=audio in their order, which is the order of
// preference. A dynamic number without a=rtpmap means nothing and is left out.
func codecs(line *sdp.MediaDescription) ([]Codec, error) {
	var list []Codec
	for _, f := range line.MediaName.Formats {
		number, err := strconv.ParseUint(f, 10, 7)
		if err != nil {
			return nil, fmt.Errorf("%w: payload type %q", ErrSyntax, f)
		}
		c := staticCodecs[uint8(number)]
		c.PayloadType = uint8(number)
		if c, err = described(c, f, line.Attributes); err != nil {
			return nil, err
		}
		if c.Name != "" {
			list = append(list, c)
		}
	}
	return list, nil
}

// described adds what a=rtpmap and a=fmtp say about one payload type.
func described(c Codec, number string, attributes []sdp.Attribute) (Codec, error) {
	for _, a := range attributes {
		of, rest, ok := strings.Cut(a.Value, " ")
		if !ok || of != number {
			continue
		}
		switch a.Key {
		case "rtpmap":
			name, rates, _ := strings.Cut(strings.Trim(rest, blanks), "/")
			rate, _, _ := strings.Cut(rates, "/") // a channel count may follow
			hz, err := strconv.ParseUint(rate, 10, 32)
			if err != nil || name == "" || word(name) != name {
				return Codec{}, fmt.Errorf("%w: a=rtpmap:%s", ErrSyntax, a.Value)
			}
			c.Name, c.ClockRate = name, uint32(hz)
		case "fmtp":
			c.Params = strings.Trim(rest, blanks)
		}
	}
	return c, nil
}

// otherLines are the m= lines around the audio line.
type otherLines struct{ before, after []MediaLine }

// audioOnly cuts out every media section but the audio stream we can take, and
// the b= lines. pion/sdp refuses a whole description for one media, transport
// or bandwidth name it does not know (m=image ... udptl), where RFC 3264 §6
// wants that line rejected alone and RFC 8866 §5.8 that bandwidth ignored.
func audioOnly(all string) (string, otherLines) {
	var keep strings.Builder
	var others otherLines
	taken, keeping := false, true
	for line := range strings.Lines(all) {
		value, isMedia := strings.CutPrefix(line, "m=")
		if isMedia {
			m, port, ok := mediaLine(strings.TrimRight(value, "\r\n"))
			keeping = !ok || !taken && m.Media == "audio" && m.Proto == "RTP/AVP" && port != "0"
			switch {
			case !ok: // for pion/sdp to refuse
			case keeping:
				taken = true
			case taken:
				others.after = append(others.after, m)
			default:
				others.before = append(others.before, m)
			}
		}
		if keeping && !strings.HasPrefix(line, "b=") {
			keep.WriteString(line)
		}
	}
	return keep.String(), others
}

// mediaLine reads "audio 4000 RTP/AVP 0 8".
func mediaLine(value string) (m MediaLine, port string, ok bool) {
	f := fields(value)
	if len(f) < 4 {
		return m, "", false
	}
	return MediaLine{Media: f[0], Proto: f[2], Formats: strings.Join(f[3:], " ")}, f[1], true
}
