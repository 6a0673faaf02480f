package config

import (
	_ "embed"
	"slices"
)

//go:generate go test -run ^TestSchemaIsFresh$ -update .

//go:embed schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of the configuration file, for
// editors. It is generated from File and its comments. The caller owns it.
func Schema() []byte { return slices.Clone(schema) }
