package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// The part of SARIF 2.1.0 that code scanning services read. A URL is no
// location to them: each result points into a file, and the URL stands in the
// message and the logical location.

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
	ColumnKind  string            `json:"columnKind"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID            string        `json:"id"`
	Name          string        `json:"name"`
	Short         sarifText     `json:"shortDescription"`
	Full          sarifText     `json:"fullDescription"`
	Help          sarifMarkdown `json:"help"`
	HelpURI       string        `json:"helpUri"`
	Configuration sarifLevel    `json:"defaultConfiguration"`
	Properties    sarifTags     `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifMarkdown struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown"`
}

type sarifLevel struct {
	Level string `json:"level"`
}

type sarifTags struct {
	Tags      []string `json:"tags"`
	Precision string   `json:"precision"`
	Severity  string   `json:"security-severity"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	StartTime     string              `json:"startTimeUtc"`
	Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotification struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification,omitempty"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}

var (
	sarifLevels   = map[catalog.Severity]string{catalog.Critical: "error", catalog.High: "error", catalog.Medium: "warning", catalog.Low: "note", catalog.Info: "note"}
	sarifSeverity = map[catalog.Severity]string{catalog.Critical: "9.5", catalog.High: "8.0", catalog.Medium: "5.5", catalog.Low: "2.0", catalog.Info: "0.0"}
	precisions    = map[string]string{"low": "low", "medium": "medium"}
)

const projectURL = "https://github.com/wiretight/wiretight"

func writeSARIF(w io.Writer, r *scan.Report, o Options) error {
	run := sarifRun{ColumnKind: "utf16CodeUnits", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "Wiretight", Version: o.ToolVersion, InformationURI: projectURL, Rules: []sarifRule{}}
	run.Invocations = []sarifInvocation{{Successful: r.Incomplete == "", StartTime: r.Started.UTC().Format("2006-01-02T15:04:05.000Z")}}
	if r.Incomplete != "" {
		run.Invocations[0].Notifications = []sarifNotification{{Level: "error", Message: sarifText{orDash(printable(r.Incomplete, false))}}}
	}
	index := map[string]int{}
	add := func(f *scan.Finding, s []sarifSuppression) {
		i, ok := index[f.ID]
		if !ok {
			i = len(run.Tool.Driver.Rules)
			index[f.ID] = i
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, ruleOf(f))
		}
		res := resultOf(f, o)
		res.RuleIndex, res.Suppressions = i, s
		run.Results = append(run.Results, res)
	}
	for i := range r.Findings {
		add(&r.Findings[i], nil)
	}
	for i := range r.Suppressed {
		s := &r.Suppressed[i]
		add(&s.Finding, []sarifSuppression{{Kind: "external", Status: "accepted", Justification: printable(s.Reason, false)}})
	}
	return encodeJSON(w, sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func ruleOf(f *scan.Finding) sarifRule {
	entry, _ := catalog.Lookup(f.ID) // an unknown id describes itself by its finding
	title, why := orDash(entry.Title), entry.Why
	if entry.Title == "" {
		title = orDash(f.Title)
	}
	if why == "" {
		why = title
	}
	tags := []string{"security", area(f.ID)}
	for _, c := range f.CWE {
		tags = append(tags, "external/cwe/"+strings.ToLower(c))
	}
	severity := f.Severity
	if entry.Severity != "" {
		severity = entry.Severity
	}
	precision := "high"
	if p, ok := precisions[f.Confidence]; ok {
		precision = p
	}
	return sarifRule{
		ID: f.ID, Name: ruleName(f.ID), Short: sarifText{title}, Full: sarifText{why},
		Help:    sarifMarkdown{Text: helpText(f, why), Markdown: helpMarkdown(f, why)},
		HelpURI: projectURL + "/blob/main/docs/checks/" + f.ID + ".md", Configuration: sarifLevel{sarifLevels[severity]},
		Properties: sarifTags{Tags: tags, Precision: precision, Severity: sarifSeverity[severity]},
	}
}

// ruleName is the id as one word: jwt.alg-none is JwtAlgNone.
func ruleName(id string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(id, func(r rune) bool { return r == '.' || r == '-' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

func helpText(f *scan.Finding, why string) string {
	s := why + "\n\nFix: " + orDash(f.Remediation.Text)
	if f.Guard != "" {
		s += "\nGuard: " + f.Guard
	}
	return s
}

func helpMarkdown(f *scan.Finding, why string) string {
	s := why + "\n\n**Fix.** " + orDash(f.Remediation.Text)
	if f.Remediation.Code != "" {
		s += "\n\n```" + f.Remediation.Language + "\n" + f.Remediation.Code + "\n```"
	}
	if f.Guard != "" {
		s += "\n\n**Guard.** `" + f.Guard + "`"
	}
	return s
}

func resultOf(f *scan.Finding, o Options) sarifResult {
	at := places(f)[0]
	line := 1
	if o.Line != nil {
		line = max(1, o.Line(at.Method, at.URL))
	}
	where := strings.TrimSpace(printable(at.Method+" "+at.URL, false))
	message := f.Title + "."
	if where != "" {
		message += " At " + where + "."
	}
	if n := len(places(f)); n > 1 {
		message += fmt.Sprintf(" And at %d more.", n-1)
	}
	if f.Evidence != "" {
		message += "\n\n" + printable(f.Evidence, true)
	}
	sum := sha256.Sum256([]byte(f.Fingerprint))
	return sarifResult{
		RuleID: f.ID, Level: sarifLevels[f.Severity], Message: sarifText{message},
		Locations: []sarifLocation{{
			Physical: sarifPhysical{Artifact: sarifArtifact{URI: o.Anchor}, Region: sarifRegion{StartLine: line}},
			Logical:  []sarifLogical{{FullyQualifiedName: orDash(where), Kind: "resource"}},
		}},
		Fingerprints: map[string]string{
			"primaryLocationLineHash": hex.EncodeToString(sum[:8]) + ":1",
			"wiretight/v1":            orDash(f.Fingerprint),
		},
	}
}

// orDash stands in for an empty text, which readers of SARIF refuse.
func orDash(s string) string {
	if strings.TrimSpace(s) == "" {
		return "-"
	}
	return s
}
