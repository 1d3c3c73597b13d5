#!/usr/bin/env bash
# A run over several nodes of a SLURM cluster, with a Ray cluster that lives as long as the job:
#
#     sbatch docs/examples/slurm.sh my-config [more arguments of run_pipeline]
#
# Submit from the folder where the run shall be: it must be on a file system that all nodes share,
# like the virtual environment. When the job ends for want of time, submit it again: finished parts
# are kept.
#SBATCH --job-name=xlner
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@120
# With GPUs: #SBATCH --gpus-per-node=4, and --set ray.gpus_per_worker=1 (or 0.5) below.
set -euo pipefail

. "${XLNER_VENV:-.venv}/bin/activate"
export RAY_USAGE_STATS_ENABLED=0 HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1

port=6379
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}'):$port
cpus=$SLURM_CPUS_PER_TASK

cleanup() { kill $(jobs -p) 2>/dev/null || true; }
trap cleanup EXIT

# --overlap: steps run beside each other on the same node. --block: the step lasts as long as Ray.
srun --overlap --nodes=1 --ntasks=1 -w "$head" \
  ray start --head --block --port="$port" --num-cpus="$cpus" --include-dashboard=false \
  --object-store-memory=200000000 &
sleep 10
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
  srun --overlap --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) \
    --exclude="$head" \
    ray start --block --address="$address" --num-cpus="$cpus" --object-store-memory=200000000 &
fi
sleep 20 # nodes that come later are used as well

# This script runs on the first node of the job, which is the head.
run_pipeline "$@" --set engine=ray --set "ray.address=$address" \
  --set "workers=$((SLURM_JOB_NUM_NODES * (cpus - 1)))" &
run=$!
trap 'kill -TERM "$run"' TERM
wait "$run" || wait "$run"
