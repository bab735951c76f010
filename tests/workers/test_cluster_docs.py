"""The configurations of docs/cluster.md: every one is named there, can be parsed, and says what its reader expects."""

import json
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from evonet.config import load_config

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "cluster.md"
FOLDER = ROOT / "docs" / "cluster"

# The fields of KubeRay's ray.io/v1 that a cluster may have here, with what is below them; None: not looked into.
# Source: KubeRay's CRD API reference, v1.6.
POD: dict[str, Any] = {"template": {"spec": None, "metadata": None}, "rayStartParams": None}
GROUP = {"groupName": None, "replicas": None, "minReplicas": None, "maxReplicas": None, **POD}
CLUSTER = {
    "rayVersion": None, "enableInTreeAutoscaling": None,
    "autoscalerOptions": {"upscalingMode": None, "idleTimeoutSeconds": None},
    "authOptions": {"mode": None}, "headGroupSpec": POD, "workerGroupSpecs": GROUP,
}  # fmt: skip
JOB = {
    "entrypoint": None, "backoffLimit": None, "shutdownAfterJobFinishes": None, "ttlSecondsAfterFinished": None,
    "rayClusterSpec": CLUSTER,
}  # fmt: skip


def documents(name: str) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    return [document for document in yaml.safe_load_all((FOLDER / name).read_text()) if document]


def test_every_configuration_is_shown_and_every_link_leads_somewhere() -> None:
    linked = set(re.findall(r"\(cluster/([^)]+)\)", DOCS.read_text()))
    assert linked == {path.name for path in FOLDER.iterdir()}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_valid(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)
    text = path.read_text()
    assert "set -euo pipefail" in text
    assert "RAY_AUTH_MODE=token" in text
    assert "pkill" not in text
    assert "ray stop\n" not in text.replace("`ray stop`", "")  # would end every Ray of the user


def test_ray_accepts_the_configuration_of_its_launcher() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    spec = find_spec("ray")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    schema = json.loads((Path(spec.submodule_search_locations[0]) / "autoscaler" / "ray-schema.json").read_text())
    [config] = documents("ray-up.yaml")
    jsonschema.validate(config, schema)
    types = config["available_node_types"]
    assert config["head_node_type"] in types
    for name, kind in types.items():
        assert {"resources", "node_config"} <= kind.keys(), name
        assert kind.get("min_workers", 0) <= kind.get("max_workers", config["max_workers"]) <= config["max_workers"]
    starts = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    assert all("RAY_AUTH_MODE=token" in command for command in starts if "ray start" in command)


@pytest.mark.parametrize(
    "name, kind, fields", [("raycluster.yaml", "RayCluster", CLUSTER), ("rayjob.yaml", "RayJob", JOB)]
)
def test_kuberay_knows_every_field(name: str, kind: str, fields: dict[str, Any]) -> None:
    found = [document for document in documents(name) if document["kind"] == kind]
    assert len(found) == 1
    [document] = found
    assert document["apiVersion"] == "ray.io/v1"
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", document["metadata"]["name"])
    check_fields(document["spec"], fields, kind)
    cluster = document["spec"].get("rayClusterSpec", document["spec"])
    assert cluster["authOptions"] == {"mode": "token"}
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        assert all({"name", "image", "resources"} <= container.keys() for container in pod["containers"])
        claimed = {volume["name"] for volume in pod.get("volumes", [])}
        mounted = {mount["name"] for one in pod["containers"] for mount in one.get("volumeMounts", [])}
        assert mounted == claimed
    assert all(g["minReplicas"] <= g["replicas"] <= g["maxReplicas"] for g in cluster["workerGroupSpecs"])


def check_fields(value: Any, fields: dict[str, Any] | None, where: str) -> None:
    if isinstance(value, list):
        for n, one in enumerate(value):
            check_fields(one, fields, f"{where}[{n}]")
    elif isinstance(value, dict) and fields is not None:
        for name, below in value.items():
            assert name in fields, f"{where}.{name}"
            check_fields(below, fields[name], f"{where}.{name}")


def test_one_version_of_ray_everywhere() -> None:
    versions = {
        found
        for path in FOLDER.iterdir()
        for found in re.findall(r"(?:ray\[default\]==|rayproject/ray:|rayVersion: \")(\d+\.\d+\.\d+)", path.read_text())
    }
    pinned = re.search(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert versions == {pinned[1]}


def test_run_configurations_that_are_named_are_there() -> None:
    texts = [DOCS.read_text(), *(path.read_text() for path in FOLDER.iterdir())]
    named = {name for text in texts for name in re.findall(r"configs/[a-z]+\.toml", text)}
    assert named
    for name in named:
        load_config(ROOT / name)
