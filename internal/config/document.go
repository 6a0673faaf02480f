package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// The bounds of a configuration file.
const (
	maxFile  = 1 << 20
	maxDepth = 32
	// maxNodes counts values after aliases are followed, so that a small file
	// cannot grow without end.
	maxNodes = 20_000
)

// readDocument parses the one document of a file into nodes. The node is nil if
// the file is empty.
func readDocument(name string, data []byte) (*yaml.Node, *Problem) {
	at := func(line, column int, what, instead string) *Problem {
		return &Problem{Position: Position{File: name, Line: line, Column: column}, What: what, Instead: instead}
	}
	if len(data) > maxFile {
		return nil, at(0, 0, fmt.Sprintf("the file has more than %d bytes", maxFile), "write a smaller one")
	}
	if i := invalidText(data); i >= 0 {
		line, column := lineColumn(data, i)
		return nil, at(line, column, "the file is not UTF-8 text", "save it as UTF-8")
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data),
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		return nil, at(0, 0, fmt.Sprintf("cannot be parsed: %v", err), "")
	}
	var first, second yaml.Node
	if err := loader.Load(&first); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxProblem(name, err)
	}
	if err := loader.Load(&second); err == nil {
		return nil, at(second.Line, second.Column, "a second YAML document begins here", "write one document, without --- between parts")
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxProblem(name, err)
	}
	root := &first
	if root.Kind == yaml.DocumentNode {
		if len(root.Content) != 1 {
			return nil, nil
		}
		root = root.Content[0]
	}
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" && root.Value == "" {
		return nil, nil
	}
	return root, nil
}

// syntaxProblem gives YAML's own complaint its position.
func syntaxProblem(name string, err error) *Problem {
	p := &Problem{Position: Position{File: name, Line: 1, Column: 1}, What: "is not YAML: " + err.Error()}
	var le *yaml.LoadError
	if errors.As(err, &le) {
		p.What = "is not YAML: " + le.Message
		p.Instead = "mend the syntax first, other mistakes show after it"
		if strings.HasPrefix(le.Message, "mapping values are not allowed") { // as in store: memory:
			p.Instead = `put a value that has a colon into quotes, as in store: "memory:"; ` + p.Instead
		}
		mark := le.Mark
		if mark.Line == 0 {
			mark = le.ContextMark
		}
		p.Position.Line, p.Position.Column = max(1, mark.Line), max(1, mark.Column)
	}
	return p
}

// invalidText gives the index of the first byte that is no text, or -1. The
// YAML reader would take UTF-16 too, in which keys could hide from a reader
// of this file.
func invalidText(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n <= 1 || r == 0 {
			return i
		}
		i += n
	}
	return -1
}

func lineColumn(data []byte, i int) (line, column int) {
	before := data[:i]
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte{'\n'}), 1 + utf8.RuneCount(before[start:])
}
