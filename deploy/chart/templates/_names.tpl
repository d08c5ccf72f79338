{{/* Names, labels and addresses that several objects share. */}}

{{- define "coupon.selector" -}}
app.kubernetes.io/name: coupon-cdc
app.kubernetes.io/instance: {{ .ctx.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The same on one line. */}}
{{- define "coupon.match" -}}
{{ include "coupon.selector" . | fromYaml | toJson }}
{{- end }}

{{- define "coupon.labels" -}}
{{ include "coupon.selector" . }}
app.kubernetes.io/version: {{ .ctx.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .ctx.Release.Service }}
{{- end }}

{{- define "coupon.metadata" -}}
name: {{ .ctx.Release.Name }}-{{ .name | default .component }}
labels: {{- include "coupon.labels" . | nindent 2 }}
{{- end }}

{{- define "coupon.image" -}}
{{- with .ctx.Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ $.tag | default .tag | default $.ctx.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Postgres as host:port, several with a comma in between. */}}
{{- define "coupon.postgres.hosts" -}}
{{- if .Values.postgres.cnpg.enabled -}}
{{ .Release.Name }}-postgres-rw:5432
{{- else -}}
{{- $hosts := list }}
{{- range splitList "," .Values.postgres.host }}
{{- $hosts = append $hosts (printf "%s:%v" (trim .) $.Values.postgres.port) }}
{{- end }}
{{- join "," $hosts }}
{{- end }}
{{- end }}

{{/* The ledger's URL as a role, without its password. */}}
{{- define "coupon.postgres.url" -}}
postgresql://{{ .role }}@{{ include "coupon.postgres.hosts" .ctx }}/{{ .database | default "coupon" }}
{{- with .ctx.Values.postgres.options }}?{{ . }}{{ end }}
{{- end }}

{{- define "coupon.kafka.servers" -}}
{{- if .Values.kafka.strimzi.enabled -}}
{{ .Release.Name }}-kafka-bootstrap:9092
{{- else -}}
{{ .Values.kafka.bootstrapServers }}
{{- end }}
{{- end }}

{{- define "coupon.registry.url" -}}
{{- if .Values.registry.deploy.enabled -}}
http://{{ .Release.Name }}-registry:8080/apis/ccompat/v7
{{- else -}}
{{ .Values.registry.url }}
{{- end }}
{{- end }}

{{- define "coupon.registry.connectUrl" -}}
{{- if .Values.registry.deploy.enabled -}}
http://{{ .Release.Name }}-registry:8080/apis/registry/v2
{{- else -}}
{{ .Values.registry.connectUrl }}
{{- end }}
{{- end }}

{{- define "coupon.connect.url" -}}
{{- if .Values.connect.strimzi.enabled -}}
http://{{ .Release.Name }}-connect-api:8083
{{- else -}}
{{ .Values.connect.url }}
{{- end }}
{{- end }}

{{/* The addresses of the pods of a StatefulSet: a name for each that stays. */}}
{{- define "coupon.pod.urls" -}}
{{- $urls := list }}
{{- range until (int .replicas) }}
{{- $urls = append $urls (printf "http://%[1]s-%[2]s-%[3]d.%[1]s-%[2]s:%[4]d" $.ctx.Release.Name $.component . (int $.port)) }}
{{- end }}
{{- join "," $urls }}
{{- end }}
