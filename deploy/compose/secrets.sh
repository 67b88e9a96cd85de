#!/bin/sh
# Makes what docker-compose.yml keeps in files of its own, where there is none yet: the store's password
# and a first token, with the roles control_room and operator. The token is printed once and kept nowhere.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
[ -s secrets/postgres_password ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' >secrets/postgres_password
if [ ! -s secrets/tokens.toml ]; then
  docker run --rm --network none "${HUB_IMAGE:-alliance-hub/hub}" \
    token control-room --role '*=control_room' --role '*=operator' >secrets/tokens.toml
fi
# The containers' users are not this one; the folder keeps others out.
chmod 0644 secrets/*
chmod 0711 secrets
