"""The Helm chart, rendered by Helm itself: valid for Kubernetes, confined, and without a secret of its own."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from service import __version__, config

helm = pytest.importorskip("helm_python")
kubernetes = pytest.importorskip("kubernetes_validate")

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "nmus"
OPEN = {
    "networkPolicy": {"senders": ["10.20.0.0/16"], "peers": ["10.30.0.7/32"], "pages": {"name": "monitoring"}},
    "dicom": {"loadBalancerIP": "10.20.0.5", "loadBalancerSourceRanges": ["10.20.0.0/16"], "annotations": {"a": "b"}},
    "persistence": {"storageClass": "local"},
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"disk": "local"},
    "tolerations": [{"key": "only", "operator": "Exists"}],
    "podAnnotations": {"x": "y"},
}


def rendered(values: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Every object by kind and name."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(values=values or {}, name="clinic")
    found = {}
    for name, text in files.items():
        if name.endswith(".yaml"):
            for one in YAML(typ="safe").load_all(text):
                if one:
                    found[f"{one['kind']} {one['metadata']['name']}"] = one
    return found


@pytest.fixture(scope="module")
def plain() -> dict[str, dict[str, Any]]:
    return rendered()


@pytest.mark.parametrize("values", [{}, OPEN, {"dicom": {"type": "ClusterIP"}, "networkPolicy": {"enabled": False}}])
def test_helm_finds_nothing_and_kubernetes_takes_every_object(values) -> None:
    told = helm.lint(CHART, values, strict=True)
    assert [one for one in told["messages"] if one["severity"] > 1] == [] and told["errors"] == []
    objects = rendered(values)
    assert len(objects) >= 5
    for one in objects.values():
        kubernetes.validate(one, "1.31", strict=True)


def test_a_value_that_the_chart_does_not_know_is_refused() -> None:
    with helm.Chart.load(CHART) as chart, pytest.raises(helm.HelmError):
        chart.render(values={"persistance": {"size": "1Gi"}}, name="clinic")


def test_the_pod_is_restricted(plain) -> None:
    """The rules of Kubernetes' own profile ``restricted``, and a root that cannot be written."""
    pod = plain["StatefulSet clinic-nmus"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    kinds = {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]}
    assert kinds <= {"configMap", "secret", "emptyDir"}, "no folder of the node"
    assert not any(key.startswith("host") and value for key, value in pod.items())


def test_what_is_mounted_is_what_the_settings_name(plain, tmp_path) -> None:
    settings = tomllib.loads(plain["ConfigMap clinic-nmus"]["data"]["nmus.toml"])
    pod = plain["StatefulSet clinic-nmus"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert mounts[settings["service"]["data_folder"]] == "data"
    users = Path(settings["web"]["users_file"])
    assert mounts[str(users.parent)] == "secrets"
    settings["web"]["users_file"] = str(tmp_path / "users")
    read = config.validated(settings)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"dicom": read.listener.port, "pages": read.web.port}
    assert container["args"] == ["serve", "--settings", "/etc/nmus/nmus.toml"]
    assert pod["terminationGracePeriodSeconds"] >= 2 * read.listener.drain_seconds
    assert {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "/health/live",
        "/health/ready",
    }


def test_images_survive_the_release_and_the_chart_holds_no_secret(plain) -> None:
    kept = plain["StatefulSet clinic-nmus"]["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert set(kept.values()) == {"Retain"}
    assert not any(name.startswith("Secret ") for name in plain)


def test_nobody_reaches_it_until_somebody_is_named(plain) -> None:
    assert not plain["NetworkPolicy clinic-nmus"]["spec"]["ingress"]
    opened = rendered(OPEN)["NetworkPolicy clinic-nmus"]["spec"]
    assert opened["ingress"][0]["from"] == [{"ipBlock": {"cidr": "10.20.0.0/16"}}]
    assert {"ipBlock": {"cidr": "10.30.0.7/32"}} in opened["egress"][-1]["to"]


def test_changed_settings_start_the_pod_anew(plain) -> None:
    other = rendered({"settings": "[listener]\nae_title = 'OTHER'\n"})
    sums = [
        one["StatefulSet clinic-nmus"]["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
        for one in (plain, other)
    ]
    assert sums[0] != sums[1]


def test_the_chart_is_of_this_version() -> None:
    chart = YAML(typ="safe").load(CHART / "Chart.yaml")
    assert chart["appVersion"] == chart["version"] == __version__
