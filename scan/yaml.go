package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

const (
	maxYAML      = 2 << 20
	maxYAMLMarks = 100_000 // each may begin a node, and a node takes half a KiB
	maxYAMLDepth = 64
)

// described is how the YAML of a description begins a line.
var described = regexp.MustCompile(`(?m)^["']?(openapi|swagger)["']?[ \t]*:`)

// yamlToJSON writes the first document of a YAML text as JSON. Aliases are
// written out, as long as the result is within the bounds of a description.
func yamlToJSON(data []byte) ([]byte, error) {
	if len(data) > maxYAML {
		return nil, fmt.Errorf("the API description is YAML of over %d MiB; convert it to JSON", maxYAML>>20)
	}
	if !described.Match(data) {
		return nil, errors.New("the document is no API description: no line begins with openapi or swagger and a colon")
	}
	marks := 0
	for _, c := range data {
		switch c {
		case '{', '[', ',', '\n':
			marks++
		}
	}
	if marks > maxYAMLMarks {
		return nil, errors.New("the API description is YAML of too many values; convert it to JSON")
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxYAMLDepth))))
	if err != nil {
		return nil, fmt.Errorf("read the API description: %w", err)
	}
	var n yaml.Node
	if err := loader.Load(&n); err != nil {
		return nil, fmt.Errorf("read the API description as YAML: %w", err)
	}
	w := &yamlWriter{}
	if err := w.node(&n, 0); err != nil {
		return nil, fmt.Errorf("read the API description as YAML: %w", err)
	}
	return w.out.Bytes(), nil
}

type yamlWriter struct {
	out   bytes.Buffer
	nodes int // aliases followed
}

func (w *yamlWriter) node(n *yaml.Node, depth int) error {
	if depth > maxYAMLDepth {
		return errors.New("it is nested too deeply")
	}
	if w.nodes++; w.nodes > 2*maxYAMLMarks || w.out.Len() > maxSpec {
		return errors.New("its aliases make it too large")
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 1 {
			return w.node(n.Content[0], depth)
		}
	case yaml.AliasNode:
		if n.Alias != nil {
			return w.node(n.Alias, depth+1)
		}
	case yaml.MappingNode:
		return w.mapping(n, depth)
	case yaml.SequenceNode:
		w.out.WriteByte('[')
		for i, e := range n.Content {
			if i > 0 {
				w.out.WriteByte(',')
			}
			if err := w.node(e, depth+1); err != nil {
				return err
			}
		}
		w.out.WriteByte(']')
		return nil
	case yaml.ScalarNode:
		return w.scalar(n)
	}
	w.out.WriteString("null")
	return nil
}

func (w *yamlWriter) mapping(n *yaml.Node, depth int) error {
	w.out.WriteByte('{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		if i > 0 {
			w.out.WriteByte(',')
		}
		key, err := json.Marshal(n.Content[i].Value)
		if err != nil {
			return err
		}
		w.out.Write(key)
		w.out.WriteByte(':')
		if err := w.node(n.Content[i+1], depth+1); err != nil {
			return err
		}
	}
	w.out.WriteByte('}')
	return nil
}

func (w *yamlWriter) scalar(n *yaml.Node) error {
	var v any = n.Value
	switch n.ShortTag() {
	case "!!null":
		v = nil
	case "!!bool":
		v = strings.EqualFold(n.Value, "true") || strings.EqualFold(n.Value, "yes") || strings.EqualFold(n.Value, "on")
	case "!!int", "!!float":
		var f float64
		if err := n.Decode(&f); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			v = f
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.out.Write(text)
	return nil
}
