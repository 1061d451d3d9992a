{{/*
The rules of the kind that values.schema.json can't express, with the kind's own messages. The operator applies
server.spec after the release is installed, so what the API server would refuse has to fail here.
*/}}
{{- define "trackpush.checkServer" -}}
{{- $spec := .Values.server.spec -}}
{{- $storage := default dict $spec.storage -}}
{{- $postgres := hasKey $storage "postgres" -}}
{{- if and (hasKey $spec "storage") (eq (hasKey $storage "sqlite") $postgres) -}}
{{- fail "server.spec.storage: set exactly one of sqlite and postgres" -}}
{{- end -}}
{{- if and (hasKey $spec "replicas") (ne (int $spec.replicas) 1) (not $postgres) -}}
{{- fail "server.spec.replicas: SQLite serves one replica: set replicas to 1, or use storage.postgres" -}}
{{- end -}}
{{- with $spec.autoscaling -}}
{{- if not $postgres -}}
{{- fail "server.spec.autoscaling: SQLite serves one replica: remove autoscaling, or use storage.postgres" -}}
{{- end -}}
{{- if gt (int (default 2 .minReplicas)) (int .maxReplicas) -}}
{{- fail "server.spec.autoscaling: minReplicas is more than maxReplicas: lower it, or raise maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- if hasKey $spec "expose" -}}
{{- if ne (len (keys $spec.expose)) 1 -}}
{{- fail "server.spec.expose: set exactly one of httpRoute, ingress and none" -}}
{{- end -}}
{{- end -}}
{{- with $spec.allowedNamespaces -}}
{{- if ne (hasKey . "selector") (eq (default "Same" .from) "Selector") -}}
{{- fail "server.spec.allowedNamespaces: set selector if from is Selector, and only then" -}}
{{- end -}}
{{- end -}}
{{- $hosts := list -}}
{{- range $spec.hosts -}}
{{- if has .host $hosts -}}
{{- fail (printf "server.spec.hosts: %s is listed twice; remove one" .host) -}}
{{- end -}}
{{- $hosts = append $hosts .host -}}
{{- end -}}
{{- with $spec.portal -}}
{{- if has .host $hosts -}}
{{- fail "server.spec.portal: portal.host is also in hosts: give the portal a host name of its own" -}}
{{- end -}}
{{- end -}}
{{- end -}}
