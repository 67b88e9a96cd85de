#!/bin/sh
# Builds the images that docker-compose.yml names by default, on a machine that can pull none: base images
# from Debian's packages, Kafka from its jars, the hub from its wheels.   sh deploy/images/build.sh  (root)
# Where images can be pulled: BASE_IMAGE=python:3.11-slim, and KAFKA_IMAGE and the like for docker-compose.
set -eu
cd "$(dirname "$0")/../.."
[ -n "${PYTHON:-}" ] || [ -x .venv/bin/python ] || make .venv/.run >&2
python=${PYTHON:-.venv/bin/python}
prefix=${PREFIX:-alliance-hub}

# A base is made once, and anew when what it is made of changes: its tag is the checksum of that.
base() {
  image=$prefix/base-$1
  tag=$(echo "$@" | cat - deploy/images/base.sh | sha256sum | cut -c 1-12)
  shift
  docker image inspect "$image:$tag" >/dev/null 2>&1 || sh deploy/images/base.sh "$image:$tag" "$@" >&2
  echo "$image:$tag"
}
services=$(base services openjdk-17-jre-headless postgresql-15 prometheus)
build_on=${BASE_IMAGE:-$(base build python3 python3-venv binutils)}
run_on=${BASE_IMAGE:-$(TRIM=yes base python python3 ca-certificates)}

rm -rf dist/image
mkdir -p dist/image
"$python" -m pip --disable-pip-version-check --quiet download --require-hashes --only-binary :all: -d dist/image -r requirements.lock
"$python" -m pip --disable-pip-version-check --quiet wheel --no-deps --no-build-isolation -w dist/image .
docker build --quiet -f deploy/Dockerfile -t "$prefix/hub" --build-arg BASE_IMAGE="$run_on" --build-arg BUILD_IMAGE="$build_on" dist/image

jars=$("$python" -c 'from deploy.kafka.broker import classpath; print(classpath().split("/")[-2])')
docker build --quiet -t "$prefix/kafka" --build-arg BASE_IMAGE="$services" --build-arg JARS="target/$jars" deploy/kafka
docker build --quiet -t "$prefix/postgres" --build-arg BASE_IMAGE="$services" deploy/postgres
docker build --quiet -t "$prefix/prometheus" --build-arg BASE_IMAGE="$services" deploy/prometheus
docker image ls "$prefix/*"
