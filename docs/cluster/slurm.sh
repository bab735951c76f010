#!/bin/bash
# A run on a SLURM cluster: one Ray node per machine, evonet on the first. Submit with: sbatch docs/cluster/slurm.sh
# Submitted again (SLURM does it by itself after --requeue), it goes on where it stopped.
#SBATCH --job-name=evonet
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --requeue
# Two minutes before the end of the time: evonet stops in good order and can be resumed.
#SBATCH --signal=B:TERM@120

set -euo pipefail

CONFIG=${CONFIG:-configs/mnist.toml}
RUN=${RUN:-runs/slurm-mnist} # on a disk of the first machine, or a file system with locks; not on NFS without them
PORT=${PORT:-6379}

source .venv/bin/activate # the same environment on every machine: evonet compares the versions

# One token for this job: only processes that know it may use its Ray.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address="$(srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}'):$PORT"
cpus=${SLURM_CPUS_PER_TASK:-1}

srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
  ray start --head --port="$PORT" --num-cpus="$cpus" --include-dashboard=false --disable-usage-stats --block &
until ray status --address="$address" > /dev/null 2>&1; do sleep 1; done

others=$((SLURM_JOB_NUM_NODES - 1))
if ((others > 0)); then
  srun --overlap --nodes="$others" --ntasks="$others" --exclude="$head" \
    ray start --address="$address" --num-cpus="$cpus" --disable-usage-stats --block &
fi

# Machines that are slower to start join the run when they are there: workers.count = "auto".
if [[ -e $RUN/run.db ]]; then
  evonet resume "$RUN" --address "$address" &
else
  evonet run "$CONFIG" --run "$RUN" --address "$address" --set workers.count=auto &
fi
driver=$!
trap 'kill -TERM "$driver"' TERM

status=0
wait "$driver" || status=$?
if ((status > 128)); then # the signal woke us first: let evonet finish stopping
  status=0
  wait "$driver" || status=$?
fi
if ((status == 75)); then # stopped, resumable
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
