#!/bin/sh
# Builds the images that docker-compose.yml names by default, on a machine that can pull none: base images
# from Debian's packages, Kafka from its jars, the hub from its wheels.   sh deploy/images/build.sh  (root)
# Where images can be pulled: BASE_IMAGE=python:3.11-slim, and KAFKA_IMAGE and the like for docker-compose.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
prefix=${PREFIX:-alliance-hub}

base() { docker image inspect "$1" >/dev/null 2>&1 || sh deploy/images/base.sh "$@"; }
if [ -z "${BASE_IMAGE:-}" ]; then
  base "$prefix/base-build" python3 python3-venv binutils
  TRIM=yes base "$prefix/base-python" python3 ca-certificates
fi
base "$prefix/base-services" openjdk-17-jre-headless postgresql-15 prometheus

rm -rf dist/image
mkdir -p dist/image
"$python" -m pip --disable-pip-version-check --quiet download --require-hashes --only-binary :all: -d dist/image -r requirements.lock
"$python" -m pip --disable-pip-version-check --quiet wheel --no-deps --no-build-isolation -w dist/image .
docker build --quiet -f deploy/Dockerfile -t "$prefix/hub" \
  --build-arg BASE_IMAGE="${BASE_IMAGE:-$prefix/base-python}" --build-arg BUILD_IMAGE="${BASE_IMAGE:-$prefix/base-build}" dist/image

jars=$("$python" -c 'from deploy.kafka.broker import classpath; print(classpath().split("/")[-2])')
docker build --quiet -t "$prefix/kafka" --build-arg BASE_IMAGE="$prefix/base-services" --build-arg JARS="target/$jars" deploy/kafka
docker build --quiet -t "$prefix/postgres" --build-arg BASE_IMAGE="$prefix/base-services" deploy/postgres
docker build --quiet -t "$prefix/prometheus" --build-arg BASE_IMAGE="$prefix/base-services" deploy/prometheus
docker image ls "$prefix/*"
