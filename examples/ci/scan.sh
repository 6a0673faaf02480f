#!/usr/bin/env bash
# scan.sh WIRETIGHT: runs a scan from WT_* variables and hands its outcome to
# the build: reports as files, score and grade as outputs, the exit code as it is.
#
# Secrets go through files of mode 0600, never through arguments, which every
# process of the machine could read.
set -euo pipefail
wiretight=$1
: "${WT_TARGET:?say what to scan}"

private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT
chmod 700 "$private"

args=("$WT_TARGET" --format text --output - --format json --output "$private/report.json")
args+=(--fail-on "${WT_FAIL_ON:-medium}" --fail-under "${WT_FAIL_UNDER:-0}")
[ -z "${WT_SARIF:-}" ] || args+=(--format sarif --output "$WT_SARIF")
[ -z "${WT_HTML:-}" ] || args+=(--format html --output "$WT_HTML")
[ -z "${WT_JUNIT:-}" ] || args+=(--format junit --output "$WT_JUNIT")
[ -z "${WT_OPENAPI:-}" ] || args+=(--openapi "$WT_OPENAPI")
[ -z "${WT_BASELINE:-}" ] || args+=(--baseline "$WT_BASELINE")
[ -z "${WT_ONLY:-}" ] || args+=(--only "$WT_ONLY")
[ -z "${WT_SKIP:-}" ] || args+=(--skip "$WT_SKIP")
[ -z "${WT_LOGIN_URL:-}" ] || args+=(--login-url "$WT_LOGIN_URL")
secret() { # secret FLAG NAME VALUE PREFIX
	[ -n "$3" ] || return 0
	(umask 077 && printf '%s' "$3" >"$private/$2")
	args+=("$1" "$4$private/$2")
}
secret --token-file token "${WT_TOKEN:-}" ""
secret --login-data data "${WT_LOGIN_DATA:-}" "@"
secret --login-json json "${WT_LOGIN_JSON:-}" "@"
while IFS= read -r path; do
	[ -z "$path" ] || args+=(--protected "$path")
done <<<"${WT_PROTECTED:-}"
# shellcheck disable=SC2206 # the user's own flags, split as a shell would
args+=(${WT_ARGS:-})

code=0
"$wiretight" scan "${args[@]}" || code=$?

if [ -n "${GITHUB_OUTPUT:-}" ]; then
	number() { sed -nE "s/^  \"$1\": \"?([A-F0-9]+)\"?,?\$/\\1/p" "$private/report.json" 2>/dev/null | head -n 1; }
	{
		echo "score=$(number score)"
		echo "grade=$(number grade)"
		echo "findings=$(grep -cE '^      "fingerprint": ' "$private/report.json" 2>/dev/null || true)"
		echo "exit-code=$code"
	} >>"$GITHUB_OUTPUT"
fi
exit "$code"
