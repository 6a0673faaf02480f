package scan_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/wiretight/wiretight/scan"
	"github.com/wiretight/wiretight/scan/checks"
)

// A scan of an API that says too much of itself. Without Only all checks run.
func ExampleRun() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "Werkzeug/2.2.2 Python/3.10.6")
		fmt.Fprint(w, `{"items":[]}`)
	}))
	defer api.Close()
	report, err := scan.Run(context.Background(), scan.Config{URL: api.URL, Only: []string{"leak.server-version"}}, checks.All())
	if err != nil {
		log.Fatal(err) // not reached, or not begun
	}
	for _, f := range report.Findings {
		fmt.Println(f.ID, f.Severity)
		fmt.Println(f.Evidence)
	}
	// Output:
	// leak.server-version low
	// Server: "Werkzeug/2.2.2 Python/3.10.6"
}
