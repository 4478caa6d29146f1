package lab

import (
	"slices"
	"strconv"

	"github.com/natproof/natproof/scenarios/stage"
)

func underIndex(path string, i int) string { return path + "." + strconv.Itoa(i) }

// leftToRight are the boxes of the lab as they are drawn: the sites behind NATs of the first half, each
// with the NATs outwards, the internet and what is on it, and the other half the other way round.
func (p *play) leftToRight() []stage.Box {
	find := func(name string) stage.Box {
		i := slices.IndexFunc(p.boxes, func(b stage.Box) bool { return b.Name == name })
		return p.boxes[i]
	}
	servers := map[string]bool{}
	for i := range p.file.Servers {
		servers[p.file.Servers[i].Value.host()] = true
	}
	seen := map[string]bool{}
	var private [][]string // each from the host outwards
	middle := []stage.Box{{Name: boxInternet, Role: stage.RoleInternet}}
	for i := range p.file.Sites {
		s := &p.file.Sites[i].Value
		var way []string
		for _, h := range s.Hosts.Names() {
			b := find(h)
			if servers[h] {
				b.Role = stage.RoleServer
			}
			if s.Behind == "" {
				middle = append(middle, b)
			} else {
				way = append(way, h)
			}
		}
		for nat := s.Behind; nat != "" && !seen[nat]; nat = p.file.NATs.Find(nat).Behind {
			seen[nat] = true
			way = append(way, nat)
		}
		if len(way) > 0 {
			private = append(private, way)
		}
	}
	half := (len(private) + 1) / 2
	var left, right []stage.Box
	for i, way := range private {
		var boxes []stage.Box
		for _, name := range way {
			boxes = append(boxes, find(name))
		}
		if i < half {
			left = append(left, boxes...)
		} else {
			slices.Reverse(boxes)
			right = append(right, boxes...)
		}
	}
	return slices.Concat(left, middle, right)
}
