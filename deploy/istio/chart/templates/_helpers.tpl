{{/* Group, kind and plural of what istiod asks for. */}}
{{- define "weir-mcp.kinds" -}}
networking.istio.io:
  DestinationRule: destinationrules
  EnvoyFilter: envoyfilters
  Gateway: gateways
  ProxyConfig: proxyconfigs
  ServiceEntry: serviceentries
  Sidecar: sidecars
  VirtualService: virtualservices
  WorkloadEntry: workloadentries
  WorkloadGroup: workloadgroups
security.istio.io:
  AuthorizationPolicy: authorizationpolicies
  PeerAuthentication: peerauthentications
  RequestAuthentication: requestauthentications
telemetry.istio.io:
  Telemetry: telemetries
extensions.istio.io:
  TrafficExtension: trafficextensions
  WasmPlugin: wasmplugins
{{- end }}

{{/* Rules of a role that may read the kinds of .Values.source.kinds; fails over a kind that is none. */}}
{{- define "weir-mcp.rules" -}}
{{- $wanted := compact (.Values.source.kinds | default list) }}
{{- $known := list }}
{{- range $group, $kinds := include "weir-mcp.kinds" . | fromYaml }}
{{- $plurals := list }}
{{- range $kind, $plural := $kinds }}
{{- $known = append $known $kind }}
{{- if or (not $wanted) (has $kind $wanted) }}
{{- $plurals = append $plurals $plural }}
{{- end }}
{{- end }}
{{- if $plurals }}
- apiGroups: [{{ $group }}]
  resources:
    {{- toYaml $plurals | nindent 4 }}
  verbs: [get, list, watch]
{{- end }}
{{- end }}
{{- range $wanted }}
{{- if not (has . $known) }}
{{- fail (printf "source.kinds: %s is no kind that istiod asks for; there are %s" . (join ", " $known)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Who has these rights. */}}
{{- define "weir-mcp.subjects" -}}
- kind: ServiceAccount
  name: {{ .Values.serviceAccounts.source }}
  namespace: {{ .Release.Namespace }}
- kind: ServiceAccount
  name: {{ .Values.serviceAccounts.istiod }}
  namespace: {{ .Values.global.istioNamespace }}
{{- end }}

{{- define "weir-mcp.labels" -}}
version: mcp-1.0
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
