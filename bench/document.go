package main

import (
	"fmt"
	"os"
	"strings"
)

// What is between these lines of a document belongs to this program.
const (
	beginMark = "<!-- bench: begin -->"
	endMark   = "<!-- bench: end -->"
)

// updateDocument puts text between the marks of a file, of which there must be
// one pair. On any error the file stays as it was.
func updateDocument(file, text string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("update document: %w", err)
	}
	old := string(raw)
	before, rest, ok := strings.Cut(old, beginMark)
	_, after, closed := strings.Cut(rest, endMark)
	if !ok || !closed || strings.Count(old, beginMark) != 1 || strings.Count(old, endMark) != 1 {
		return fmt.Errorf("update document %q: it must hold one line %q and below it one line %q", file, beginMark, endMark)
	}
	next := file + ".new"
	if err := os.WriteFile(next, []byte(before+beginMark+"\n\n"+strings.TrimSpace(text)+"\n\n"+endMark+after), 0o644); err != nil {
		return fmt.Errorf("update document: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("update document: %w", err)
	}
	return nil
}
