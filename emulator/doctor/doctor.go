package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// System is a machine as the checks see it. Each function tries something and says what is wrong.
type System struct {
	Root       bool                              // whether this is root, and not of a user namespace
	Namespace  func() error                      // makes a network namespace, in a user namespace if need be
	TUN        func() (together bool, err error) // makes a TUN device; whether it takes datagrams that are several in one
	Veth       func() error                      // makes a veth pair
	Ring       func() error                      // reads one through a packet ring
	Init       func() error                      // runs a program in pid and mount namespaces
	PrivateFS  func() (own bool, err error)      // whether that program sees a /proc of its own
	Timer      func() error                      // makes a timerfd
	Processors int
	Read       func(file string) (string, error)
}

// Finding is what a check has found.
type Finding struct {
	Name   string
	OK     bool
	Needed bool   // nothing works without
	Detail string // what works, or what is wrong
	Mend   string // a command that mends it, where there is one
}

// Healthy says whether real programs can be run.
func Healthy(all []Finding) bool {
	for _, f := range all {
		if f.Needed && !f.OK {
			return false
		}
	}
	return len(all) > 0
}

// Examine makes all checks. Where no namespace can be made, nothing else can be tried.
func Examine(s System) []Finding {
	first := namespaces(s)
	all := []Finding{first}
	if !first.OK {
		return all
	}
	all = append(all, devices(s)...)
	all = append(all, programs(s)...)
	return append(all, clock(s), processors(s))
}

func namespaces(s System) Finding {
	f := Finding{Name: "namespaces", Needed: true}
	if err := s.Namespace(); err != nil {
		f.Detail = err.Error()
		f.Mend = mendNamespaces(s)
		return f
	}
	f.OK, f.Detail = true, "network namespaces can be made, in a user namespace: no root is needed"
	if s.Root {
		f.Detail = "network namespaces can be made, by root"
	}
	return f
}

// mendNamespaces finds what keeps others than root from user namespaces.
func mendNamespaces(s System) string {
	for _, x := range []struct{ file, bad, mend string }{
		{"/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"/proc/sys/user/max_net_namespaces", "0", "sudo sysctl -w user.max_net_namespaces=15000"},
	} {
		if text, err := s.Read(x.file); err == nil && strings.TrimSpace(text) == x.bad {
			return x.mend
		}
	}
	if s.Root {
		return "give the container more: docker run --privileged ..."
	}
	return "run natproof as root: sudo natproof ...; in a container: docker run --privileged ..."
}

// devices: one of TUN and ring is needed.
func devices(s System) []Finding {
	tun := Finding{Name: "tun"}
	together, tunErr := s.TUN()
	tun.OK = tunErr == nil
	switch {
	case tunErr != nil:
		tun.Detail = tunErr.Error()
		tun.Mend = mendTUN(tunErr)
	case together:
		tun.Detail = "TUN devices, with datagrams that are several in one"
	default:
		tun.Detail = "TUN devices; a kernel before 6.2 takes small datagrams one by one, which is slower"
	}
	veth := Finding{Name: "veth"}
	if err := s.Veth(); err != nil {
		veth.Detail, veth.Mend = err.Error(), "sudo modprobe veth"
	} else {
		veth.OK, veth.Detail = true, "veth pairs"
	}
	ring := Finding{Name: "ring"}
	if err := s.Ring(); err != nil {
		ring.Detail, ring.Mend = err.Error(), "sudo modprobe af_packet"
		if !veth.OK {
			ring.Detail, ring.Mend = "needs a veth pair", ""
		}
	} else {
		ring.OK, ring.Detail = true, "packet rings, for where there is no TUN"
	}
	if !tun.OK && !ring.OK {
		tun.Needed = true
	}
	if !tun.OK && ring.OK {
		tun.Detail += "; a packet ring is taken in its place, which is slower with TCP"
	}
	return []Finding{tun, veth, ring}
}

func mendTUN(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "sudo modprobe tun; in a container: docker run --device /dev/net/tun ..."
	case errors.Is(err, fs.ErrPermission):
		return "sudo chmod 666 /dev/net/tun"
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return "sudo modprobe tun"
	}
	return ""
}

func programs(s System) []Finding {
	init := Finding{Name: "programs", Needed: true}
	if err := s.Init(); err != nil {
		init.Detail = err.Error()
		init.Mend = "allow pid and mount namespaces; in a container: docker run --privileged ..."
		return []Finding{init}
	}
	init.OK, init.Detail = true, "programs run in pid and mount namespaces: nothing of them is left behind"
	all := []Finding{init}
	proc := Finding{Name: "proc"}
	switch own, err := s.PrivateFS(); {
	case err != nil:
		proc.Detail = err.Error()
	case own:
		proc.OK, proc.Detail = true, "programs see a /proc of their own"
	default:
		proc.Detail = "programs see the /proc of the host, as parts of it are covered"
		proc.Mend = "in a container: docker run --security-opt systempaths=unconfined ..."
	}
	all = append(all, proc)
	for _, file := range []string{"/etc/hosts", "/etc/resolv.conf"} {
		f := Finding{Name: file}
		if _, err := s.Read(file); err != nil {
			f.Detail, f.Mend = fmt.Sprintf("%v: programs do not find the names of the lab in it", err), "sudo touch "+file
		} else {
			f.OK, f.Detail = true, "is the lab's to programs"
		}
		all = append(all, f)
	}
	return all
}

func clock(s System) Finding {
	if err := s.Timer(); err != nil {
		return Finding{Name: "timerfd", Detail: err.Error() + ": what links hold is up to a millisecond late"}
	}
	return Finding{Name: "timerfd", OK: true, Detail: "what links hold is released in time"}
}

func processors(s System) Finding {
	f := Finding{Name: "processors", OK: s.Processors > 1, Detail: fmt.Sprintf("%d", s.Processors)}
	if !f.OK {
		f.Detail = "1: the network and the program take turns, and figures of speed mean little"
	}
	return f
}
