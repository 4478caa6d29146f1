package certify

// Finding is what was learned of one trait.
type Finding struct {
	Trait string `json:"trait"`
	Value string `json:"value"` // in words; empty if it was not learned
	// Seen is the packet that shows it; nil where it is the absence of one.
	Seen *Seen `json:"seen,omitempty"`
	// Why is how it was told where no single packet shows it, or why it was not.
	Why string `json:"why,omitempty"`
	// Assumed is what predictions go by if it was not learned.
	Assumed string `json:"assumed,omitempty"`
	// Beyond is what there is no theory of.
	Beyond string `json:"beyond,omitempty"`
}

// Learned says whether it was.
func (f Finding) Learned() bool { return f.Value != "" }

// The traits, in the order in which they are shown.
const (
	TraitVia        = "address in Via"
	TraitContact    = "address in Contact"
	TraitSDP        = "address in session descriptions"
	TraitRport      = "asks for rport"
	TraitSymmetric  = "sends and receives SIP at one port"
	TraitSymMedia   = "sends and receives media at one port"
	TraitForeignVia = "discards responses with a foreign Via"
	TraitStranger   = "answers requests of strangers"
	TraitSTUN       = "asks a STUN server"
	TraitKeepAlive  = "keepalive"
	TraitInterval   = "keepalive interval"
	TraitRefresh    = "refreshes its registration"
	TraitChallenge  = "answers a challenge"
	TraitTimer      = "session timers"
	TraitSilent     = "sends media"
	TraitEarly      = "sends media before the 200"
	TraitLatch      = "sends media to where media comes from"
	TraitStrict     = "drops media from elsewhere"
	TraitRTCP       = "sends RTCP"
	TraitNamesRTCP  = "writes a=rtcp"
	TraitMux        = "offers or takes rtcp-mux"
	TraitHold       = "when it is put on hold"
)

// Words of values.
const (
	yes = "yes"
	no  = "no"

	wordBound     = "bound"     // of its socket
	wordAsked     = "asked"     // of a STUN server
	wordForwarded = "forwarded" // to it by the NAT
	wordTold      = "told"      // by the registrar, in received and rport
	wordName      = "a name"
)

func seen(value string, s *Seen) Finding { return Finding{Value: value, Seen: s} }

func told(value, why string) Finding { return Finding{Value: value, Why: why} }

func unknown(assumed, why string) Finding { return Finding{Assumed: assumed, Why: why} }
