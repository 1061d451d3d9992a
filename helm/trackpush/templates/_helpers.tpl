{{- define "trackpush.name" -}}
{{- if contains "trackpush" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-trackpush" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "trackpush.selector" -}}
app.kubernetes.io/name: trackpush
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "trackpush.labels" -}}
{{ include "trackpush.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "trackpush.account" -}}
{{- default (include "trackpush.name" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "trackpush.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "trackpush.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "trackpush.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "trackpush.server" -}}
{{- $metadata := dict "name" .Values.server.name "namespace" .Release.Namespace -}}
{{- dict "apiVersion" "trackpush.dev/v1alpha1" "kind" "WebhookServer" "metadata" $metadata "spec" .Values.server.spec | toJson -}}
{{- end -}}
