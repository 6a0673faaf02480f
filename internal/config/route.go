package config

import (
	"fmt"
	"strings"

	"github.com/wiretight/wiretight/guard"
)

func (b *builder) routes() {
	for i, r := range b.file.Routes {
		if strings.HasSuffix(r.Path, "//*") {
			b.wrong(index("routes", i)+".path", fmt.Sprintf("%s has an empty segment and could never match", quoted(r.Path)), "write a single slash before the star")
		}
		b.out.Guard.Routes = append(b.out.Guard.Routes, guard.Route{
			Path: r.Path, Methods: r.Methods, Public: r.Public, Scopes: r.Scopes, Issuers: r.Issuers,
			Binding: guard.Binding(r.Binding), Once: r.Once, Upstream: r.Upstream,
		})
	}
}
