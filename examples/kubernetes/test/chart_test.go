package test_test

import (
	"flag"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

const chart = "../chart"

// render is `helm template guard chart -f testdata/NAME.values.yaml`, with the
// values of more.
func render(t *testing.T, name string, more map[string]any) (string, error) {
	t.Helper()
	values := valuesOf(t, name)
	for k, v := range more {
		values[k] = v
	}
	c, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	options := chartutil.ReleaseOptions{Name: "guard", Namespace: "edge", IsInstall: true, Revision: 1}
	all, err := chartutil.ToRenderValues(c, values, options, chartutil.DefaultCapabilities)
	if err != nil {
		return "", err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return "", err
	}
	names := make([]string, 0, len(files))
	for n := range files {
		if strings.HasSuffix(n, ".yaml") && strings.TrimSpace(files[n]) != "" {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	var out strings.Builder
	for _, n := range names {
		out.WriteString("---\n# Source: " + n + "\n" + strings.TrimSpace(files[n]) + "\n")
	}
	return out.String(), nil
}

func valuesOf(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// TestChart renders the chart with one replica and with all that it has, and
// compares what comes out with what came before.
func TestChart(t *testing.T) {
	for _, name := range []string{"one", "several"} {
		t.Run(name, func(t *testing.T) {
			got, err := render(t, name, nil)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the chart renders something else than %s (go test -update writes it anew):\n%s", golden, got)
			}
			objects := decode(t, got)
			check(t, objects)
			checkConfigs(t, objects)
		})
	}
}

// TestChartRefuses holds the chart to refusing with words that help.
func TestChartRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		with  map[string]any
		wants string
	}{
		{"replicas without a store", map[string]any{"replicas": 2}, "set store.secret"},
		{"autoscaling without a store", map[string]any{"autoscaling": map[string]any{"enabled": true}}, "set store.secret"},
		{"no image", map[string]any{"image": map[string]any{}}, "repository"},
		{"an image that moves", map[string]any{"image": map[string]any{"repository": "r", "tag": "latest"}}, "tag"},
		{"no tag", map[string]any{"image": map[string]any{"repository": "r"}}, "image"},
		{"no certificate", map[string]any{"tls": map[string]any{"secret": ""}}, "secret"},
		{"no configuration", map[string]any{"config": map[string]any{}}, "hosts"},
		{"a store in the configuration", map[string]any{"config": map[string]any{
			"hosts": []any{"a.example"}, "upstreams": []any{}, "tokens": map[string]any{}, "store": "redis://:secret@r",
		}}, "store"},
		{"an unknown value", map[string]any{"replica": 2}, "replica"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := render(t, "one", c.with)
			if err == nil || !strings.Contains(err.Error(), c.wants) {
				t.Errorf("got %v and %d bytes, want an error with %q", err, len(out), c.wants)
			}
		})
	}
}

func TestChartLints(t *testing.T) {
	for _, m := range lint.All(chart, valuesOf(t, "several"), "edge", true).Messages {
		if m.Severity > support.InfoSev {
			t.Errorf("helm lint: %v", m)
		}
	}
}
