package main

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/natproof/natproof/scenarios/cell"
)

// shells are those that can complete the commands, each with what writes its script.
var shells = []struct {
	name  string
	write func(*cobra.Command, io.Writer) error
}{
	{"bash", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
	{"fish", func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }},
	{"powershell", (*cobra.Command).GenPowerShellCompletionWithDesc},
	{"zsh", (*cobra.Command).GenZshCompletion},
}

// newCompletion stands for the command of that name that cobra would add.
func newCompletion(s streams) *cobra.Command {
	var names []string
	for _, x := range shells {
		names = append(names, x.name)
	}
	cmd := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the script by which a shell completes commands, flags and their values",
		Long: `completion prints a script for a shell, which then completes commands, flags, and
the names of flows, NATs and everything else that flags take. The one for bash wants
the package bash-completion.

SHELL is one of ` + strings.Join(names, ", ") + `.`,
		Example: `  source <(natproof completion bash)      # for this session
  natproof completion bash > ~/.local/share/bash-completion/completions/natproof
  natproof completion zsh > "${fpath[1]}/_natproof"
  natproof completion fish > ~/.config/fish/completions/natproof.fish
  natproof completion powershell | Out-String | Invoke-Expression`,
		Args:      one("shell", strings.Join(names, ", ")),
		ValidArgs: names,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i := slices.Index(names, args[0])
		if i < 0 {
			return &cell.ValueError{Axis: "shell", Value: args[0], Valid: names}
		}
		if err := shells[i].write(cmd.Root(), s.out); err != nil {
			return &exitError{exitCannotRun, err}
		}
		return nil
	}
	return cmd
}
