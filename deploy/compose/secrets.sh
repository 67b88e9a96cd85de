#!/bin/sh
# Makes what docker-compose.yml keeps in files of its own, where there is none yet: the passwords of the
# store and of Grafana, and a first token, with the roles control_room and operator. The token is printed
# once and kept nowhere. The files stand in deploy/compose/secrets, or in the folder HUB_SECRETS, named from /.
set -eu
folder=${HUB_SECRETS:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder/tokens"
for name in postgres_password grafana_password; do
  [ -s "$folder/$name" ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$folder/$name"
done
tokens=$folder/tokens/tokens.toml
if [ -s "$folder/tokens.toml" ]; then mv "$folder/tokens.toml" "$tokens"; fi  # where it stood before
if [ ! -s "$tokens" ]; then
  docker run --rm --network none "${HUB_IMAGE:-alliance-hub/hub}" \
    token control-room --role '*=control_room' --role '*=operator' >"$tokens"
fi
# The containers' users are not this one, and see what is theirs alone; the folder keeps others out.
chmod 0644 "$folder"/*_password "$tokens"
chmod 0755 "$folder/tokens"
chmod 0700 "$folder"
