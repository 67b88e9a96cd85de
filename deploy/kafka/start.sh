#!/bin/sh
# Starts one node. KAFKA_LOG_DIRS, KAFKA_LISTENERS and the like become log.dirs, listeners and so on,
# as in Kafka's own image: an underscore is a dot. A new data folder is formatted first.
set -eu
export KAFKA_LOG_DIRS="${KAFKA_LOG_DIRS:-/var/lib/kafka/data}"
settings=${TMPDIR:-/tmp}/server.properties
env | awk '/^KAFKA_[A-Z_]+=/ {
    name = substr($0, 7, index($0, "=") - 7)
    gsub("_", ".", name)
    print tolower(name) "=" substr($0, index($0, "=") + 1)
}' >"$settings"

run() { exec java ${JAVA_OPTS:--Xms128m -Xmx512m -XX:+UseSerialGC} -cp '/opt/kafka/*' "$@"; }

if [ ! -e "$KAFKA_LOG_DIRS/meta.properties" ]; then
  cluster=${CLUSTER_ID:-$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 1-22)}
  (run kafka.tools.StorageTool format --cluster-id "$cluster" --config "$settings")
fi
run kafka.Kafka "$settings"
