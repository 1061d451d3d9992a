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
{{- $names := list -}}
{{- range $spec.notifications -}}
{{- if has .name $names -}}
{{- fail (printf "server.spec.notifications: %s is listed twice; remove one" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- if eq (hasKey . "url") (hasKey . "urlFrom") -}}
{{- fail "server.spec.notifications: set exactly one of url and urlFrom" -}}
{{- end -}}
{{- if and (hasKey . "signing") (eq (default "" .format) "Slack") -}}
{{- fail "server.spec.notifications: remove signing, because Slack verifies no signatures; or use format: StandardWebhooks" -}}
{{- end -}}
{{- if regexMatch "^https?://[^/?#]*@" (default "" .url) -}}
{{- fail "server.spec.notifications: write the URL without user and password; use headers" -}}
{{- end -}}
{{- $headers := list -}}
{{- range .headers -}}
{{- $header := lower .name -}}
{{- if eq (hasKey . "value") (hasKey . "valueFrom") -}}
{{- fail "server.spec.notifications.headers: set exactly one of value and valueFrom" -}}
{{- end -}}
{{- if or (has $header (list "accept-encoding" "baggage" "connection" "content-encoding" "content-length" "expect" "host" "keep-alive" "proxy-authorization" "proxy-connection" "te" "traceparent" "tracestate" "trailer" "transfer-encoding" "upgrade" "webhook-id" "webhook-signature" "webhook-timestamp")) (hasPrefix "trackpush-" $header) -}}
{{- fail "server.spec.notifications.headers: Trackpush itself sets this header; remove it" -}}
{{- end -}}
{{- if has $header $headers -}}
{{- fail "server.spec.notifications.headers: a header is set twice (upper and lower case are the same); remove one" -}}
{{- end -}}
{{- $headers = append $headers $header -}}
{{- end -}}
{{- end -}}
{{- with $spec.portal -}}
{{- if has .host $hosts -}}
{{- fail "server.spec.portal: portal.host is also in hosts: give the portal a host name of its own" -}}
{{- end -}}
{{- end -}}
{{- end -}}
