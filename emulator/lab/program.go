package lab

import "context"

// Programs runs real programs on hosts of a lab.
type Programs interface{}

type running struct{}

func (p *play) startPrograms(context.Context) error { return nil }

func (s *Start) begin(p *play) (string, work) { return "is started", nil }
func (s *Stop) begin(p *play) (string, work)  { return "is told to end", nil }

// Peeks is what can be looked at while a lab plays.
type Peeks interface{}
