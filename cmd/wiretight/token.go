package main

import "github.com/spf13/cobra"

func tokenCommand() *cobra.Command {
	return &cobra.Command{Use: "token", Short: "Looks at tokens"}
}
