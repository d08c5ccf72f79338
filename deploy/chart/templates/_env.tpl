{{/* The settings of each process: names are those of docs/reference/settings.md. */}}

{{/* The settings of a process, and those that its `env` adds. */}}
{{- define "coupon.env" -}}
{{- $own := include (printf "coupon.env.%s" .component) .ctx }}
{{- $own }}
{{- $set := list }}
{{- range fromYamlArray $own }}{{ $set = append $set .name }}{{ end }}
{{- range $name, $value := (index .ctx.Values .component).env }}
{{- if has $name $set }}
{{- fail (printf "%s.env: the chart sets %s itself; take the value that belongs to it" $.component $name) }}
{{- end }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "coupon.env.role" -}}
- name: COUPON_DATABASE_URL
  value: {{ include "coupon.postgres.url" . | quote }}
- name: PGPASSWORD
  valueFrom: {secretKeyRef: {name: {{ .ctx.Values.secrets.name }}, key: {{ .role }}}}
{{- end }}

{{- define "coupon.env.redis" -}}
{{- with .Values.redis }}
{{- if .urlSecret.name }}
- name: COUPON_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ .urlSecret.name }}, key: {{ .urlSecret.key }}}}
{{- else if not .valkey.enabled }}
- name: COUPON_REDIS_URL
  value: {{ .url | quote }}
{{- else if .valkey.passwordSecret.name }}
- name: VALKEY_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .valkey.passwordSecret.name }}, key: {{ .valkey.passwordSecret.key }}}}
- name: COUPON_REDIS_URL
  value: redis://:$(VALKEY_PASSWORD)@{{ $.Release.Name }}-valkey:6379/0
{{- else }}
- name: COUPON_REDIS_URL
  value: redis://{{ $.Release.Name }}-valkey:6379/0
{{- end }}
{{- end }}
{{- end }}

{{- define "coupon.env.common" -}}
- name: COUPON_LOG_LEVEL
  value: {{ .Values.logLevel }}
{{- end }}

{{- define "coupon.env.tracing" -}}
{{- with .Values.tracing.endpoint }}
- name: COUPON_TRACE_ENDPOINT
  value: {{ . | quote }}
- name: COUPON_TRACE_SAMPLE_RATIO
  value: {{ $.Values.tracing.sampleRatio | quote }}
{{- end }}
{{- end }}

{{- define "coupon.env.kafka" -}}
- name: COUPON_KAFKA_BOOTSTRAP_SERVERS
  value: {{ include "coupon.kafka.servers" . | quote }}
{{- with .Values.kafka }}
{{- if ne .protocol "PLAINTEXT" }}
- name: COUPON_KAFKA_SECURITY_PROTOCOL
  value: {{ .protocol }}
{{- end }}
{{- if .caSecret }}
- name: COUPON_KAFKA_CA_FILE
  value: /etc/coupon/kafka-ca/ca.crt
{{- end }}
{{- if .saslUser }}
- name: COUPON_KAFKA_SASL_MECHANISM
  value: {{ .saslMechanism }}
- name: COUPON_KAFKA_SASL_USER
  value: {{ .saslUser | quote }}
- name: COUPON_KAFKA_SASL_PASSWORD_FILE
  value: /etc/coupon/kafka-sasl/password
{{- end }}
{{- end }}
{{- end }}

{{- define "coupon.env.registry" -}}
- name: COUPON_SCHEMA_REGISTRY_URL
  value: {{ include "coupon.registry.url" . | quote }}
{{- end }}

{{- define "coupon.env.connect" -}}
- name: COUPON_CONNECT_URL
  value: {{ include "coupon.connect.url" . | quote }}
{{- end }}

{{- define "coupon.env.jwt" -}}
{{- with .Values.jwt }}
- name: COUPON_JWT_AUDIENCE
  value: {{ .audience | quote }}
{{- if .keySets }}
- name: COUPON_JWT_KEY_SETS
  value: {{ .keySets | quote }}
{{- else }}
- name: COUPON_JWT_KEY_FILE
  value: /etc/coupon/jwt/jwt.key
- name: COUPON_JWT_ALGORITHM
  value: {{ .algorithm }}
- name: COUPON_JWT_ISSUER
  value: {{ .issuer | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "coupon.env.api" -}}
{{ include "coupon.env.role" (dict "ctx" . "role" "coupon_api") }}
{{ include "coupon.env.redis" . | trim }}
{{ include "coupon.env.common" . }}
{{ include "coupon.env.jwt" . | trim }}
{{- include "coupon.env.tracing" . }}
- name: COUPON_API_HOST
  value: "0.0.0.0"
- name: COUPON_API_PORT
  value: "8080"
- name: COUPON_API_MANAGEMENT_HOST
  value: "0.0.0.0"
- name: COUPON_API_MANAGEMENT_PORT
  value: "9300"
{{- with .Values.api }}
- name: COUPON_API_WORKERS
  value: {{ .workers | quote }}
- name: COUPON_API_DRAIN_SECONDS
  value: {{ .drainSeconds | quote }}
- name: COUPON_API_ORIGINS
  value: {{ .origins | quote }}
- name: COUPON_API_CLAIMS_PER_USER
  value: {{ .claimsPerUser | quote }}
- name: COUPON_API_CLAIMS_PER_ADDRESS
  value: {{ .claimsPerAddress | quote }}
- name: COUPON_API_TRUSTED_PROXIES
  value: {{ .trustedProxies | quote }}
{{- end }}
{{- if .Values.receipts.key.name }}
- name: COUPON_RECEIPT_KEY_FILE
  value: /etc/coupon/receipt/receipt.pem
- name: COUPON_RECEIPT_ISSUER
  value: {{ .Values.receipts.issuer | quote }}
{{- end }}
{{- end }}

{{- define "coupon.env.consumer" -}}
{{ include "coupon.env.role" (dict "ctx" . "role" "coupon_consumer") }}
{{ include "coupon.env.redis" . | trim }}
{{ include "coupon.env.common" . }}
{{- include "coupon.env.tracing" . }}
{{ include "coupon.env.kafka" . }}
{{ include "coupon.env.registry" . }}
- name: COUPON_CONSUMER_HOST
  value: "0.0.0.0"
- name: COUPON_CONSUMER_PORT
  value: "9100"
# The name of the pod stays over restarts: so do its partitions.
- name: COUPON_CONSUMER_INSTANCE_ID
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: COUPON_CONSUMER_SESSION_SECONDS
  value: {{ .Values.consumer.sessionSeconds | quote }}
{{- end }}

{{- define "coupon.env.reconciler" -}}
{{ include "coupon.env.role" (dict "ctx" . "role" "coupon_reconciler") }}
{{ include "coupon.env.redis" . | trim }}
{{ include "coupon.env.common" . }}
{{- include "coupon.env.tracing" . }}
{{ include "coupon.env.connect" . }}
- name: COUPON_RECONCILER_HOST
  value: "0.0.0.0"
- name: COUPON_RECONCILER_PORT
  value: "9200"
{{- end }}

{{/* Where the parts of the system are, for the monitor and the pod for commands. */}}
{{- define "coupon.env.parts" -}}
- name: COUPON_API_MANAGEMENT_URL
  value: http://{{ .Release.Name }}-api-management:9300
- name: COUPON_CONSUMER_URLS
  value: {{ include "coupon.pod.urls" (dict "ctx" . "component" "consumer" "replicas" .Values.consumer.replicas "port" 9100) | quote }}
{{- end }}

{{- define "coupon.env.monitor" -}}
{{ include "coupon.env.role" (dict "ctx" . "role" "coupon_monitor") }}
{{ include "coupon.env.redis" . | trim }}
{{ include "coupon.env.common" . }}
{{ include "coupon.env.kafka" . }}
{{ include "coupon.env.registry" . }}
{{ include "coupon.env.connect" . }}
{{ include "coupon.env.parts" . }}
{{ include "coupon.env.jwt" . | trim }}
- name: COUPON_RECONCILER_URLS
  value: {{ include "coupon.pod.urls" (dict "ctx" . "component" "reconciler" "replicas" .Values.reconciler.replicas "port" 9200) | quote }}
- name: COUPON_MONITOR_HOST
  value: "0.0.0.0"
- name: COUPON_MONITOR_PORT
  value: "9400"
- name: COUPON_MONITOR_PAGE_HOSTS
  value: {{ .Values.monitor.pageHosts | quote }}
{{- with .Values.monitor.linkKey }}
{{- if .name }}
- name: COUPON_MONITOR_LINK_KEY
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- if .Values.monitor.operator }}
{{- $url := include "coupon.postgres.url" (dict "ctx" . "role" "coupon_ops") }}
- name: COUPON_MONITOR_OPERATOR_DATABASE_URL
  value: {{ printf "%s%sservice=coupon_ops" $url (contains "?" $url | ternary "&" "?") | quote }}
- name: PGSERVICEFILE
  value: /etc/coupon/operator/operator.service
{{- end }}
{{- end }}
