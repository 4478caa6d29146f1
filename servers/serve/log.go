package serve

import (
	"context"
	"io"
	"log/slog"

	"github.com/natproof/natproof/servers/registrar"
)

// NewLogger makes the logger that a configuration asks for.
func NewLogger(w io.Writer, cfg Config) *slog.Logger {
	opts := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// levels of events; all others are for debugging, one for each message.
var levels = map[registrar.EventKind]slog.Level{
	registrar.Registered: slog.LevelInfo, registrar.Unregistered: slog.LevelInfo, registrar.Expired: slog.LevelInfo,
	registrar.Unreachable: slog.LevelInfo, registrar.Subscribed: slog.LevelInfo, registrar.Unsubscribed: slog.LevelInfo,
	registrar.Published: slog.LevelInfo, registrar.TimedOut: slog.LevelInfo, registrar.Dropped: slog.LevelInfo,
}

// event is what the registrar tells its events: next, and the log if it wants any.
func (s *Server) event(next func(registrar.Event)) func(registrar.Event) {
	if !s.log.Enabled(context.Background(), slog.LevelInfo) {
		return next
	}
	log := s.log.With("server", "registrar")
	return func(e registrar.Event) {
		if next != nil {
			next(e)
		}
		level, ok := levels[e.Kind]
		if !ok {
			level = slog.LevelDebug
		}
		if log.Enabled(context.Background(), level) {
			log.LogAttrs(context.Background(), level, e.Kind.String(), attributes(e)...)
		}
	}
}

// attributes are what an event has.
func attributes(e registrar.Event) []slog.Attr {
	var list []slog.Attr
	add := func(has bool, a slog.Attr) {
		if has {
			list = append(list, a)
		}
	}
	add(e.Method != "", slog.String("method", e.Method))
	add(e.Code != 0, slog.Int("code", e.Code))
	add(e.User != "", slog.String("user", e.User))
	add(e.CallID != "", slog.String("call-id", e.CallID))
	add(e.Source.IsValid(), slog.Any("source", e.Source))
	add(e.Target.IsValid(), slog.Any("target", e.Target))
	add(e.By != 0, slog.String("by", e.By.String()))
	add(e.URI != "", slog.String("uri", e.URI))
	add(e.Detail != "", slog.String("detail", e.Detail))
	return list
}
