#!/bin/sh
# Makes what docker-compose.yml keeps in files of its own, where there is none yet: the passwords of the
# store and of Grafana, and a first token, with the roles control_room and operator. The token is printed
# once and kept nowhere. The files stand in deploy/compose/secrets, or in the folder HUB_SECRETS.
set -eu
folder=${HUB_SECRETS:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"
for name in postgres_password grafana_password; do
  [ -s "$folder/$name" ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$folder/$name"
done
if [ ! -s "$folder/tokens.toml" ]; then
  docker run --rm --network none "${HUB_IMAGE:-alliance-hub/hub}" \
    token control-room --role '*=control_room' --role '*=operator' >"$folder/tokens.toml"
fi
# The containers' users are not this one, and see the files alone; the folder keeps others out.
chmod 0644 "$folder"/*
chmod 0700 "$folder"
