package sipmsg

import (
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Fault is what makes a request unfit, as the response that says so.
type Fault struct {
	Code   int // 400 or 505
	Reason string
}

// judge says what makes a request unacceptable to every element: a proxy (RFC 3261 §16.3)
// as well as a user agent server (§8.2). why is what the parser said.
func (r *Request) judge(start StartLine, why string) *Fault {
	if start.Version != "" && !isVersion2(start.Version) { // what follows may be of another syntax
		return &Fault{505, "Version Not Supported"} // §21.5.6
	}
	if why == "" {
		why = r.defect()
	}
	if why == "" {
		return nil
	}
	return &Fault{400, why}
}

// defect names what is missing or malformed, or nothing. A From without a tag is none:
// elements must be prepared for it (RFC 3261 §12.1.1).
func (r *Request) defect() string {
	if m := r.missing(); m != "" {
		return "Missing " + m
	}
	switch {
	case r.torn:
		return "Bare Line Feed"
	case r.emptyVia:
		return "Empty Via"
	case r.repeated != "":
		return "Repeated " + r.repeated
	case r.CSeq.Method == "":
		return "Bad CSeq"
	case r.CSeq.Method != string(r.Method): // §8.1.1.5; both are case-sensitive (§7.1)
		return "CSeq Names Another Method"
	}
	if _, ok := ParseAddress(r.From); !ok {
		return "Bad From"
	}
	if _, ok := ParseAddress(r.To); !ok {
		return "Bad To"
	}
	for _, v := range r.Vias[1:] { // the first is Top
		if _, ok := ParseVia(v); !ok {
			return "Bad Via"
		}
	}
	if mf, ok := r.Value("max-forwards"); ok {
		if _, err := strconv.ParseUint(mf, 10, 8); err != nil { // §20.22: 0 to 255
			return "Bad Max-Forwards"
		}
	}
	return ""
}

// Answerable is false for an ACK, which is never answered (RFC 3261 §17), also where only
// its CSeq can be read.
func (r *Request) Answerable() bool {
	return r.Method != sip.ACK && (r.URI != "" || r.CSeq.Method != string(sip.ACK))
}

// Malformed names the first of the header fields that does not hold a list of addresses as
// it should, or nothing. A lone "*" is one for Contact only (RFC 3261 §20.10).
func (r *Request) Malformed(names ...string) string {
	for _, name := range names {
		list := r.Values(name)
		if name == "contact" && slices.Equal(list, []string{"*"}) {
			continue
		}
		for _, v := range list {
			if _, ok := ParseAddress(v); !ok {
				return name
			}
		}
	}
	return ""
}

// Repeats names the first of the header fields that occurs more than once, or nothing
// (RFC 3261 §7.3.1). Names are canonical.
func (r *Request) Repeats(names ...string) string {
	for _, name := range names {
		n := 0
		for _, h := range r.Headers() {
			if Canonical(h.Name()) == name {
				n++
			}
		}
		if n > 1 {
			return name
		}
	}
	return ""
}

// Unsupported are the option tags of a Require or Proxy-Require field that are not among
// the supported ones (RFC 3261 §8.2.2.3, §16.3).
func (r *Request) Unsupported(field string, supported ...string) []string {
	return slices.DeleteFunc(r.Values(field), func(tag string) bool {
		return slices.ContainsFunc(supported, func(s string) bool { return strings.EqualFold(s, tag) })
	})
}

// Accepts says whether the sender accepts a response with a body of the media type, such
// as "application/sdp". Without an Accept field it accepts SDP; an empty one accepts
// nothing (RFC 3261 §20.1).
func (r *Request) Accepts(mediaType string) bool {
	if _, ok := r.Value("accept"); !ok {
		return strings.EqualFold(mediaType, "application/sdp")
	}
	main, _, _ := strings.Cut(mediaType, "/")
	for _, v := range r.Values("accept") {
		kind, params, _ := Cut(v, ';')
		kind = trim(kind)
		if q, ok := Param(params, "q"); ok {
			if n, err := strconv.ParseFloat(q, 64); err == nil && n == 0 {
				continue
			}
		}
		if kind == "*/*" || strings.EqualFold(kind, main+"/*") || strings.EqualFold(kind, mediaType) {
			return true
		}
	}
	return false
}

// MediaType is the type of the body in lower case without parameters, empty if it is not
// given or cannot be read.
func (r *Request) MediaType() string {
	v, ok := r.Value("content-type")
	if !ok {
		return ""
	}
	t, _, err := mime.ParseMediaType(v)
	if err != nil {
		return ""
	}
	return t
}

// Encoded says whether the body has an encoding other than identity (RFC 3261 §20.12).
func (r *Request) Encoded() bool {
	return slices.ContainsFunc(r.Values("content-encoding"), func(e string) bool { return !strings.EqualFold(e, "identity") })
}
