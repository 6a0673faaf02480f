package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// columns is the width that help is laid out for.
const columns = 80

// polish gives every command below root the same manners: help that fits a
// terminal, and for a word or flag that does not exist a hint and an error.
func polish(root *cobra.Command) {
	root.SetUsageFunc(usage)
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		describeCompletion(completion)
	}
	each(root, func(cmd *cobra.Command) {
		cmd.Long = wrapped(cmd.Long)
		if cmd.HasSubCommands() {
			cmd.Args = onlyVerbs
			if !cmd.Runnable() {
				cmd.RunE = func(cmd *cobra.Command, _ []string) error {
					return errors.New("say what to do: " + strings.Join(verbs(cmd), ", or "))
				}
			}
			return
		}
		cmd.Args = nameExtra(cmd.Args)
	})
}

func each(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		each(c, do)
	}
}

// wrapped breaks what is wider than a terminal, paragraph by paragraph.
func wrapped(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		for line := range strings.Lines(p) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > columns {
				paragraphs[i] = strings.TrimSuffix(fill(p, ""), "\n")
				break
			}
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

func verbs(cmd *cobra.Command) (all []string) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, c.CommandPath())
		}
	}
	return all
}

// onlyVerbs refuses a word that is no verb of cmd, and says which may be meant.
func onlyVerbs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q of %s%s", args[0], cmd.CommandPath(), hint)
}

// nameExtra makes cobra's complaint about a superfluous argument a true one.
func nameExtra(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		return nil
	}
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err != nil && strings.HasPrefix(err.Error(), "unknown command") {
			return fmt.Errorf("unexpected argument %q; %s takes none", args[0], cmd.CommandPath())
		}
		return err
	}
}

// helpCommand is cobra's own, but for the exit code of an unknown topic.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about any command",
		Example: "  wiretight help guard",
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range root.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return onlyVerbs(cmd, rest)
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

func describeCompletion(completion *cobra.Command) {
	completion.Short = "Completion script for a shell"
	completion.Long = "Prints a script that makes a shell complete commands and flags."
	completion.Example = "  wiretight completion bash > /etc/bash_completion.d/wiretight"
	load := map[string]string{
		"bash":       "  source <(wiretight completion bash)",
		"zsh":        "  wiretight completion zsh > \"${fpath[1]}/_wiretight\"",
		"fish":       "  wiretight completion fish > ~/.config/fish/completions/wiretight.fish",
		"powershell": "  wiretight completion powershell | Out-String | Invoke-Expression",
	}
	for _, c := range completion.Commands() {
		c.Short = "Completion script for " + c.Name()
		c.Long = c.Short + "; the example loads it."
		c.Example = load[c.Name()]
	}
}

// usage lays out what --help shows below the description.
func usage(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if !cmd.HasSubCommands() || !cmd.HasParent() {
		fmt.Fprintf(&b, "  %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND\n", cmd.CommandPath())
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				fmt.Fprintf(&b, "  %-*s %s\n", c.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	flags(&b, "Flags", cmd.LocalFlags())
	flags(&b, "Global flags", cmd.InheritedFlags())
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s COMMAND --help says more about a command.\n", cmd.CommandPath())
	}
	_, err := io.WriteString(cmd.OutOrStderr(), b.String())
	return err
}

func flags(b *strings.Builder, title string, set *pflag.FlagSet) {
	if set.HasAvailableFlags() {
		fmt.Fprintf(b, "\n%s:\n%s", title, set.FlagUsagesWrapped(columns))
	}
}
