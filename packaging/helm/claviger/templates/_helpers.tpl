{{- define "claviger.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "claviger.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "claviger.labels" -}}
{{ include "claviger.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "claviger.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{- define "claviger.secretName" -}}
{{ default (include "claviger.fullname" .) .Values.secret.existingSecret }}
{{- end -}}

{{- define "claviger.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "claviger.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{- define "claviger.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "claviger.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* The settings of the server. What depends on how the chart runs it has a value of the chart's, unless you name one: a pod is
reached at its own address; the network policy keeps the admin port. */ -}}
{{- define "claviger.settings" -}}
{{- $ours := dict "serve" (dict
      "public" (dict "host" "0.0.0.0" "port" 4444)
      "admin" (dict "host" "0.0.0.0" "port" 4445 "allow_unauthenticated" true)) -}}
{{- toYaml (mergeOverwrite $ours (deepCopy .Values.config)) -}}
{{- end -}}

{{- /* What must be known of the ports to reach them: whether they speak TLS, who gets in, and where the kubelet asks. It asks the
admin port, where a crowd on the public one does not make it wait, unless that port wants a certificate or is not of the pod's
address. */ -}}
{{- define "claviger.ports" -}}
{{- $serve := (include "claviger.settings" . | fromYaml).serve -}}
{{- $tls := $serve.tls | default dict -}}
{{- $public := $serve.public.tls | default dict -}}
{{- $admin := $serve.admin.tls | default dict -}}
{{- $host := $serve.admin.host | default "" | toString -}}
{{- $wantsCertificate := not (empty $admin.client_ca) -}}
{{- $isLocal := regexMatch "^(127\\.|::1$|\\[::1\\]$|localhost$|unix:)" $host -}}
publicScheme: {{ ternary "HTTPS" "HTTP" (ternary $public.enabled $tls.enabled (hasKey $public "enabled") | default false) }}
adminScheme: {{ ternary "HTTPS" "HTTP" (ternary $admin.enabled $tls.enabled (hasKey $admin "enabled") | default false) }}
adminWantsCertificate: {{ $wantsCertificate }}
adminWantsKey: {{ $serve.admin.require_api_key | default false }}
probed: {{ ternary "public" "admin" (or $wantsCertificate $isLocal) }}
{{- end -}}

{{- define "claviger.probe" -}}
{{- $ports := include "claviger.ports" . | fromYaml -}}
port: {{ $ports.probed }}
scheme: {{ index $ports (print $ports.probed "Scheme") }}
{{- end -}}

{{- /* Whether `extraEnv` has this variable, or the file that takes its place: then the chart does not set it. */ -}}
{{- define "claviger.isYours" -}}
{{- range .root.Values.extraEnv }}
{{- if or (eq .name $.name) (eq .name (print $.name "_FILE")) }}yes{{ end }}
{{- end }}
{{- end -}}

{{- define "claviger.fromSecret" -}}
{{- if not (include "claviger.isYours" .) }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ include "claviger.secretName" .root }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}
{{- end -}}

{{- /* The server's. The image has values of its own for the admin port, and variables win over the settings: empty, they do not
count. */ -}}
{{- define "claviger.serverEnv" -}}
{{- include "claviger.databaseEnv" . }}
{{- include "claviger.fromSecret" (dict "root" . "name" "SECRETS_SYSTEM" "key" "secretsSystem") }}
{{- include "claviger.fromSecret" (dict "root" . "name" "SECRETS_COOKIE" "key" "secretsCookie" "optional" true) }}
{{- range $name := list "SERVE_ADMIN_HOST" "SERVE_ADMIN_ALLOW_UNAUTHENTICATED" }}
{{- if not (include "claviger.isYours" (dict "root" $ "name" $name)) }}
- name: {{ $name }}
  value: ""
{{- end }}
{{- end }}
{{- include "claviger.extraEnv" . }}
{{- end -}}

{{- define "claviger.databaseEnv" -}}
{{- include "claviger.fromSecret" (dict "root" . "name" "DSN" "key" "dsn") }}
{{- end -}}

{{- define "claviger.extraEnv" -}}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "claviger.migrateContainer" -}}
- name: migrate
  image: {{ include "claviger.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  {{- /* Below the five minutes of helm's own --timeout, so that the reason is told before it gives up. */}}
  args: ["migrate", "sql", "--read-from-env", "--yes", "--wait=4m"]
  env:
    {{- include "claviger.databaseEnv" . | nindent 4 }}
    {{- include "claviger.extraEnv" . | nindent 4 }}
  securityContext:
    {{- include "claviger.containerSecurity" . | nindent 4 }}
  {{- with .Values.migration.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  volumeMounts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
