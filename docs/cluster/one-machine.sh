#!/bin/bash
# A cluster of three Ray nodes on this one machine, on the loopback interface, and a run on it. Ends what it started.
# bash docs/cluster/one-machine.sh [CONFIG.toml] [RUN]
set -euo pipefail

CONFIG=${1:-configs/digits.toml}
RUN=${2:-runs/one-machine}
PORT=${PORT:-6399}

RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
folder=$(mktemp -d /tmp/evonet-ray.XXXX)
pids=()

stop() { # only what was started here: `ray stop` would end every Ray of this user
  kill "${pids[@]}" 2> /dev/null || true
  wait 2> /dev/null || true
  rm -rf "$folder"
}
trap stop EXIT

node() { # arguments of ray start
  ray start --block --node-ip-address=127.0.0.1 --object-store-memory=100000000 --disable-usage-stats "$@" \
    > "$folder/node-${#pids[@]}.log" 2>&1 &
  pids+=($!)
}

node --head --port="$PORT" --num-cpus=0 --include-dashboard=false --temp-dir="$folder"
until ray status --address="127.0.0.1:$PORT" > /dev/null 2>&1; do sleep 0.5; done
node --address="127.0.0.1:$PORT" --num-cpus=1
node --address="127.0.0.1:$PORT" --num-cpus=1

evonet run "$CONFIG" --run "$RUN" --address "127.0.0.1:$PORT" --set workers.count=auto
evonet status "$RUN"
