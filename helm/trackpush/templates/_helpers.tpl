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

{{/* The chart's own labels win over commonLabels: selectors rely on them. */}}
{{- define "trackpush.labels" -}}
{{- $own := include "trackpush.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) -}}
{{- mergeOverwrite (deepCopy .Values.commonLabels) $own | toYaml -}}
{{- end -}}

{{- define "trackpush.podLabels" -}}
{{- mergeOverwrite (deepCopy .Values.commonLabels) .Values.podLabels (include "trackpush.selector" . | fromYaml) | toYaml -}}
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
{{- toYaml .Values.securityContext -}}
{{- end -}}

{{/* "true" where the platform assigns users, as OpenShift does, and refuses pods that name another one. */}}
{{- define "trackpush.platformAssignsUsers" -}}
{{- if or (eq .Values.fixedUser "never") (and (eq .Values.fixedUser "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
true
{{- end -}}
{{- end -}}

{{- define "trackpush.podSecurity" -}}
{{- if include "trackpush.platformAssignsUsers" . -}}
{{- omit .Values.podSecurityContext "runAsUser" "runAsGroup" "fsGroup" | toYaml -}}
{{- else -}}
{{- toYaml .Values.podSecurityContext -}}
{{- end -}}
{{- end -}}

{{- define "trackpush.server" -}}
{{- $metadata := dict "name" .Values.server.name "namespace" .Release.Namespace -}}
{{- dict "apiVersion" "trackpush.dev/v1alpha1" "kind" "WebhookServer" "metadata" $metadata "spec" .Values.server.spec | toJson -}}
{{- end -}}
