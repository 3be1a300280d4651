{{- define "weir.labels" -}}
app.kubernetes.io/name: weir
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "weir.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}

{{/* What Pod Security `restricted` asks for. */}}
{{- define "weir.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsGroup: 1337
runAsNonRoot: true
runAsUser: 1337
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Name of the Secret with the webhook's certificate. */}}
{{- define "weir.tlsSecret" -}}
{{- if eq .Values.tls.mode "secret" }}{{ .Values.tls.secretName }}{{ else }}weir-webhook-tls{{ end }}
{{- end }}

{{/* Fails over values that cannot be meant. */}}
{{- define "weir.check" -}}
{{- $v := .Values }}
{{- if not (or $v.webhook.enabled $v.daemonset.enabled) }}
{{- fail "webhook.enabled and daemonset.enabled are both false: there is nothing to install" }}
{{- end }}
{{- with $v.injection.defaults.upstream }}
{{- if and $v.upstream (ne . $v.upstream) }}
{{- fail (printf "injection.defaults.upstream is %s and upstream is %s: set one of them" . $v.upstream) }}
{{- end }}
{{- end }}
{{- if $v.webhook.enabled }}
{{- if and (eq $v.webhook.failurePolicy "Fail") (lt (int $v.webhook.replicas) 2) }}
{{- fail "webhook.failurePolicy Fail with one replica: whenever that one moves, no pod is made; set webhook.replicas to 2 or more" }}
{{- end }}
{{- if and (eq $v.tls.mode "certManager") (not $v.tls.issuerRef.name) }}
{{- fail "tls.issuerRef: name the issuer of the certificate, such as {name: mesh-ca, kind: ClusterIssuer}" }}
{{- end }}
{{- if and (eq $v.tls.mode "secret") (not (and $v.tls.secretName $v.tls.caBundle)) }}
{{- fail "tls.mode secret needs tls.secretName and tls.caBundle" }}
{{- end }}
{{- if and (ne $v.tls.mode "secret") (or $v.tls.secretName $v.tls.caBundle) }}
{{- fail (printf "tls.secretName and tls.caBundle are for tls.mode secret, and it is %s" $v.tls.mode) }}
{{- end }}
{{- end }}
{{- if $v.daemonset.enabled }}
{{- if not (or $v.upstream $v.daemonset.config.upstream) }}
{{- fail "upstream: name the control plane that the DaemonSet goes to" }}
{{- end }}
{{- if and $v.daemonset.tokenAudience (not $v.daemonset.upstreamCa) }}
{{- fail "daemonset.tokenAudience needs daemonset.upstreamCa: a token would go to the control plane in the clear" }}
{{- end }}
{{- end }}
{{- end }}
