{{/* What all pods of the project's image have. Pod security is that of the level `restricted`. */}}

{{- define "coupon.pod" -}}
serviceAccountName: {{ .ctx.Release.Name }}-{{ .component }}
automountServiceAccountToken: false
# A Service named coupon-api would set COUPON_API_PORT=tcp://… in every pod.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user | default 10001 }}
  runAsGroup: {{ .user | default 10001 }}
  fsGroup: {{ .user | default 10001 }}
  seccompProfile: {type: RuntimeDefault}
{{- with .ctx.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .ctx.Values.scheduling }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if $.spread }}
topologySpreadConstraints:
{{- range .spreadBy }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {{ include "coupon.match" $ }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "coupon.container.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "coupon.container" -}}
image: {{ include "coupon.image" . }}
imagePullPolicy: {{ .ctx.Values.image.pullPolicy }}
{{ include "coupon.container.security" . }}
resources: {{- toYaml (index .ctx.Values .component).resources | nindent 2 }}
{{- end }}

{{/* A killed container starts again; a process that only waits for a server does not. */}}
{{- define "coupon.probes" -}}
startupProbe:
  tcpSocket: {port: probes}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  tcpSocket: {port: probes}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: {{ .path }}, port: probes}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* Files from Secrets, each in a folder of its own; `files` names those that a process needs. */}}
{{- define "coupon.files" -}}
{{- $found := dict }}
{{- $values := .ctx.Values }}
{{- if $values.postgres.caSecret }}
{{- $_ := set $found "postgres-ca" (dict "secret" $values.postgres.caSecret "key" "ca.crt" "file" "ca.crt") }}
{{- end }}
{{- if $values.kafka.caSecret }}
{{- $_ := set $found "kafka-ca" (dict "secret" $values.kafka.caSecret "key" "ca.crt" "file" "ca.crt") }}
{{- end }}
{{- if $values.kafka.saslUser }}
{{- $_ := set $found "kafka-sasl" (dict "secret" $values.kafka.saslPassword.name "key" $values.kafka.saslPassword.key "file" "password") }}
{{- end }}
{{- if not $values.jwt.keySets }}
{{- $_ := set $found "jwt" (dict "secret" $values.jwt.key.name "key" $values.jwt.key.key "file" "jwt.key") }}
{{- end }}
{{- if $values.receipts.key.name }}
{{- $_ := set $found "receipt" (dict "secret" $values.receipts.key.name "key" $values.receipts.key.key "file" "receipt.pem") }}
{{- end }}
{{- if $values.monitor.operator }}
{{- $_ := set $found "operator" (dict "secret" $values.secrets.name "key" "operator.service" "file" "operator.service") }}
{{- end }}
{{- if $values.monitor.linkKey.name }}
{{- $_ := set $found "link" (dict "secret" $values.monitor.linkKey.name "key" $values.monitor.linkKey.key "file" "monitor-link.key") }}
{{- end }}
{{- $wanted := dict }}
{{- range .files }}
{{- if hasKey $found . }}{{ $_ := set $wanted . (get $found .) }}{{ end }}
{{- end }}
{{- toYaml $wanted }}
{{- end }}

{{- define "coupon.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- range $name, $file := include "coupon.files" . | fromYaml }}
- {name: {{ $name }}, mountPath: /etc/coupon/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}

{{- define "coupon.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- range $name, $file := include "coupon.files" . | fromYaml }}
- name: {{ $name }}
  secret:
    secretName: {{ $file.secret }}
    defaultMode: 0440
    items: [{key: {{ $file.key }}, path: {{ $file.file }}}]
{{- end }}
{{- end }}
