{{- define "alliance-hub.labels" -}}
app.kubernetes.io/name: alliance-hub
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "alliance-hub.selector" -}}
app.kubernetes.io/name: alliance-hub
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{/* hub.toml, but for where the sources are, which only their connectors are told. */}}
{{- define "alliance-hub.settings" -}}
store = {{ .Values.store.url | quote }}
store_secret_file = "/run/secrets/store/password"
tokens_file = "/run/secrets/tokens/tokens.toml"
{{ .Values.settings }}

[topics]
partitions = {{ .Values.kafka.topics.partitions }}
replication = {{ .Values.kafka.topics.replication }}

[server]
certificate_file = "/run/secrets/server/tls.crt"
key_file = "/run/secrets/server/tls.key"
metrics_port = 9100
{{- end }}

{{/* One process as a StatefulSet: at most one pod of each name, and the name is who it is on Kafka.
     root, name, user, command, replicas (none: somebody else says), instance, store, server, source. */}}
{{- define "alliance-hub.process" -}}
{{- $v := .root.Values }}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels:
    {{- include "alliance-hub.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  serviceName: {{ .root.Release.Name }}-{{ .name }}
  {{- with .replicas }}
  replicas: {{ . }}
  {{- end }}
  podManagementPolicy: Parallel
  selector:
    matchLabels: {{- include "alliance-hub.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "alliance-hub.selector" . | nindent 8 }}
      annotations:
        checksum/settings: {{ include "alliance-hub.settings" .root | sha256sum }}
        prometheus.io/scrape: "true"
        prometheus.io/port: {{ if .server }}"9100"{{ else }}"8080"{{ end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      # Else the hub is its container's first process, from which the kernel keeps a SIGTERM while it starts.
      shareProcessNamespace: true
      terminationGracePeriodSeconds: 30
      {{- with $v.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: hub
          image: "{{ $v.image.repository }}:{{ $v.image.tag | default .root.Chart.AppVersion }}"
          imagePullPolicy: {{ $v.image.pullPolicy }}
          args: {{- toYaml .command | nindent 12 }}
          env:
            - {name: HUB_CONFIG, value: /etc/alliance-hub/hub.toml}
            - {name: HUB_HOST, value: "0.0.0.0"}
            - {name: HUB_PORT, value: "8080"}
            - {name: HUB_LOG_FORMAT, value: json}
            - name: HUB_BUS
              value: "kafka://{{ $v.kafka.servers }}?security_protocol=SSL&ssl_cafile=/run/secrets/kafka-ca/ca.crt&ssl_certfile=/run/secrets/kafka/user.crt&ssl_keyfile=/run/secrets/kafka/user.key"
            {{- if .instance }}
            - name: HUB_INSTANCE
              valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}
            {{- end }}
            {{- with .source }}
            - name: HUB_SOURCES__{{ .force | upper }}__{{ .domain | upper }}__LOCATION
              value: {{ .location | quote }}
            {{- if .secret }}
            - name: HUB_SOURCES__{{ .force | upper }}__{{ .domain | upper }}__SECRET_FILE
              value: /run/secrets/source/{{ .secret.key }}
            {{- end }}
            {{- end }}
          ports:
            - {name: http, containerPort: 8080}
            {{- if .server }}
            - {name: metrics, containerPort: 9100}
            {{- end }}
          {{- $health := "http" }}{{ if .server }}{{ $health = "metrics" }}{{ end }}
          startupProbe:
            httpGet: {path: /livez, port: {{ $health }}}
            periodSeconds: 2
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /livez, port: {{ $health }}}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: {{ $health }}}
            periodSeconds: 5
            timeoutSeconds: 5
          resources: {{- toYaml $v.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: settings, mountPath: /etc/alliance-hub, readOnly: true}
            - {name: scratch, mountPath: /tmp}
            - {name: scratch, mountPath: /var/lib/alliance-hub}
            - {name: kafka, mountPath: /run/secrets/kafka, readOnly: true}
            - {name: kafka-ca, mountPath: /run/secrets/kafka-ca, readOnly: true}
            {{- if or .store .server }}
            - {name: store, mountPath: /run/secrets/store, readOnly: true}
            {{- end }}
            {{- if .server }}
            - {name: tokens, mountPath: /run/secrets/tokens, readOnly: true}
            - {name: server, mountPath: /run/secrets/server, readOnly: true}
            {{- end }}
            {{- with .source }}
            {{- if .secret }}
            - {name: source, mountPath: /run/secrets/source, readOnly: true}
            {{- end }}
            {{- with .volume }}
            - {name: drops, mountPath: {{ .path }}, readOnly: true}
            {{- end }}
            {{- end }}
      volumes:
        - name: settings
          configMap: {name: {{ .root.Release.Name }}-settings}
        - name: scratch
          emptyDir: {sizeLimit: 1Gi}
        - name: kafka
          secret: {secretName: hub-{{ .user }}, defaultMode: 0440}
        - name: kafka-ca
          secret: {secretName: {{ $v.kafka.cluster }}-cluster-ca-cert, defaultMode: 0440}
        {{- if or .store .server }}
        - name: store
          secret: {secretName: {{ $v.store.secret.name }}, defaultMode: 0440, items: [{key: {{ $v.store.secret.key }}, path: password}]}
        {{- end }}
        {{- if .server }}
        - name: tokens
          secret: {secretName: {{ $v.server.tokens.secret }}, defaultMode: 0440, items: [{key: {{ $v.server.tokens.key }}, path: tokens.toml}]}
        - name: server
          secret: {secretName: {{ $v.server.certificate.secret }}, defaultMode: 0440}
        {{- end }}
        {{- with .source }}
        {{- with .secret }}
        - name: source
          secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .key }}, path: {{ .key }}}]}
        {{- end }}
        {{- with .volume }}
        - name: drops
          {{- toYaml .source | nindent 10 }}
        {{- end }}
        {{- end }}
{{- end }}
