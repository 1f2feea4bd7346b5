{{- define "nmus.name" -}}
{{- if contains "nmus" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-nmus" .Release.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "nmus.selector" -}}
app.kubernetes.io/name: nmus
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nmus.labels" -}}
{{ include "nmus.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
