package issuer_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/store"
	"github.com/wiretight/wiretight/issuer"
)

// childMain is the process that the kill test kills: it refreshes without end
// and says each token that it was given, after it was given it.
func childMain() bool {
	file := os.Getenv("WIRETIGHT_TEST_CHILD")
	if file == "" {
		return false
	}
	is, closeAll, err := openOnDisk(file)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	defer closeAll()
	refresh := os.Getenv("WIRETIGHT_TEST_TOKEN")
	fmt.Println("ready")
	for {
		a, err := tokenCall(is, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		refresh = a
		fmt.Println("got", refresh)
	}
}

// openOnDisk opens an issuer whose state lies in a bolt file, with its key
// encryption file beside it.
func openOnDisk(file string) (*issuer.Issuer, func(), error) {
	s, err := store.OpenBolt(file, nil)
	if err != nil {
		return nil, nil, err
	}
	key, err := issuer.LoadKeyEncryption(filepath.Join(filepath.Dir(file), "key"))
	if err != nil {
		return nil, nil, err
	}
	is, err := issuer.New(issuer.Config{URL: testURL, Audience: testAudience, RefreshGrace: time.Minute, Store: s, KeyEncryption: key})
	if err != nil {
		return nil, nil, err
	}
	return is, func() { _ = is.Close(); _ = s.Close() }, nil
}

// tokenCall asks the token endpoint without a network and returns the refresh
// token.
func tokenCall(is *issuer.Issuer, form url.Values) (string, error) {
	r := httptest.NewRequest("POST", testURL+"/auth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	is.Handler().ServeHTTP(w, r)
	var a struct {
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
		return "", fmt.Errorf("status %d: %s", w.Code, w.Body)
	}
	return a.Refresh, nil
}

// TestKilledProcessLosesNoToken kills a refreshing process at any moment. The
// last token that a client was given must be good afterwards, and of the tokens
// before it none but the one that a repeat is allowed of.
func TestKilledProcessLosesNoToken(t *testing.T) {
	t.Parallel()
	rounds := 10
	if n, err := strconv.Atoi(os.Getenv("WIRETIGHT_KILL_ROUNDS")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "state.db")
	is, closeAll, err := openOnDisk(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := is.Users().Add(t.Context(), "alice", testPassword, nil); err != nil {
		t.Fatal(err)
	}
	login := url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {testPassword}}
	refresh, err := tokenCall(is, login)
	if err != nil {
		t.Fatal(err)
	}
	closeAll()
	for round := range rounds {
		got := killWhileRefreshing(t, file, refresh, time.Duration(round*7%50)*time.Millisecond)
		is, closeAll, err := openOnDisk(file)
		if err != nil {
			t.Fatalf("round %d: open again: %v", round, err)
		}
		last := got[len(got)-1]
		next, err := tokenCall(is, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {last}})
		if err != nil {
			t.Fatalf("round %d: the last token of %d is lost: %v", round, len(got), err)
		}
		// The process may have died after its commit and before its word: then
		// the answer above was a repeat, and next is the one to go on with.
		if refresh, err = tokenCall(is, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {next}}); err != nil {
			t.Fatalf("round %d: the successor is not good: %v", round, err)
		}
		if len(got) > 1 {
			if _, err := tokenCall(is, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got[len(got)-2]}}); err == nil {
				t.Fatalf("round %d: a token was accepted twice", round)
			}
			// That was reuse, and ended the session.
			if refresh, err = tokenCall(is, login); err != nil {
				t.Fatal(err)
			}
		}
		closeAll()
	}
}

// killWhileRefreshing returns the tokens that the process said, the first being
// the one that it began with.
func killWhileRefreshing(t *testing.T, file, refresh string, after time.Duration) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "WIRETIGHT_TEST_CHILD="+file, "WIRETIGHT_TEST_TOKEN="+refresh)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got := []string{refresh}
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "ready":
			timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		case "got":
			if strings.HasPrefix(rest, "wtr_") && len(rest) == len(refresh) {
				got = append(got, rest) // a line cut short was never said
			}
		default:
			_ = cmd.Process.Kill()
			t.Fatalf("the process says: %s", lines.Text())
		}
	}
	if timer == nil {
		t.Fatal("the process ended before it began")
	}
	timer.Stop()
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the process ended by itself: %v", err)
	}
	return got
}
