package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/emulator/doctor"
)

func newDoctor(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say whether real programs can be run here, and what mends it if not",
		Long: `doctor tries what 'natproof exec' needs of this machine: namespaces, as root or in a
user namespace, a TUN device or a packet ring, pid and mount namespaces for programs.
For what is missing it prints the command that mends it. It changes nothing.

Exit codes: 0 programs can be run, perhaps not at full speed; 1 they cannot; 2 usage.`,
		Example: "  natproof doctor",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			here, code, err := emulator.Enter()
			if !here && err == nil {
				return exitWith(code)
			}
			return diagnose(doctor.Examine(doctor.Machine(err)), s)
		},
	}
}

// diagnose prints the findings.
func diagnose(all []doctor.Finding, s streams) error {
	var b strings.Builder
	for _, f := range all {
		word := "ok"
		switch {
		case !f.OK && f.Needed:
			word = "MISSING"
		case !f.OK:
			word = "missing"
		}
		fmt.Fprintf(&b, "%-8s %-17s %s\n", word, f.Name, f.Detail)
		if f.Mend != "" {
			fmt.Fprintf(&b, "%-8s %-17s mend: %s\n", "", "", f.Mend)
		}
	}
	healthy := doctor.Healthy(all)
	if healthy {
		b.WriteString("\nreal programs can be run here: natproof exec -- PROGRAM\n")
	} else {
		b.WriteString("\nreal programs cannot be run here\n")
	}
	if _, err := s.out.WriteString(b.String()); err != nil {
		return orCannotRun(err)
	}
	if !healthy {
		return &exitError{code: exitUnexpected}
	}
	return nil
}
