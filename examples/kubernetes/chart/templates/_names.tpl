{{- define "wiretight.name" -}}
{{- printf "%s-wiretight" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "wiretight.selector" -}}
app.kubernetes.io/name: wiretight
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "wiretight.labels" -}}
{{ include "wiretight.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* several is "yes" where more than one guard can run at a time. */ -}}
{{- define "wiretight.several" -}}
{{- if or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled -}}yes{{- end -}}
{{- end -}}

{{- /* The configuration, with what the pod's shape decides. */ -}}
{{- define "wiretight.config" -}}
{{- if and (include "wiretight.several" .) (not .Values.store.secret) -}}
{{- fail "several replicas must share their state, or a token that is good once is good once on each: set store.secret to the name of a Secret whose key url is redis:// or rediss://, or replicas to 1 and autoscaling.enabled to false" -}}
{{- end -}}
{{- $config := deepCopy .Values.config -}}
{{- $pair := dict "cert" "/etc/wiretight/tls/tls.crt" "key" "/etc/wiretight/tls/tls.key" -}}
{{- $tls := mergeOverwrite (default (dict) $config.tls) (dict "certificates" (list $pair)) -}}
{{- $_ := set $config "tls" $tls -}}
{{- $_ := set $config "listen" ":8443" -}}
{{- $_ := set $config "admin" ":9090" -}}
{{- if not (hasKey $config "redirect_port") -}}
{{- $_ := set $config "redirect_port" (int .Values.service.port) -}}
{{- end -}}
{{- if not .Values.store.secret -}}
{{- $_ := set $config "store" "bolt:///var/lib/wiretight/state.db" -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}
