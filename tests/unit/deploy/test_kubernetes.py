"""The workloads of every overlay: valid, restricted, bounded, and in agreement with the services' settings."""

from __future__ import annotations

import kubernetes_validate  # type: ignore[import-untyped]  # carries no types
import pytest
from pydantic import ValidationError

from horarium.reference import SETTINGS, variables
from services.api.settings import ApiSettings
from services.runtime.settings import RuntimeSettings
from services.runtime.tokens import TokenSettings
from services.solver.settings import SolverSettings
from tests.unit.deploy.kustomize import Manifest, build, containers, pod_of, referenced
from tests.unit.deploy.manifests import (
    COMMAND_VARIABLES,
    CUSTOM,
    K8S,
    KAFKA_VARIABLES,
    OFFERED,
    OPTIONAL_SECRETS,
    OVERLAYS,
    SASL,
    SECRETS,
    STAND_IN,
    VERSIONS,
    each_overlay,
    environment,
    is_mounted,
    labels,
    manifests,
    mebibytes,
    named,
    of_kind,
    selects,
    workloads,
)
from tests.unit.deploy.proxies import caller
from tests.unit.deploy.sources import SERVICES, is_pinned

# Beside what its children may take.
OF_THE_SERVICE_MIB = 512

# --- valid ------------------------------------------------------------------------------------------------------------


@each_overlay
@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid_kubernetes(overlay: str, version: str) -> None:
    checked = 0
    for manifest in manifests(overlay):
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)
            checked += 1
    assert checked > 20


def test_the_validation_sees_a_slip() -> None:
    manifest = build(K8S / "overlays" / "dev")
    [solver] = [m for m in manifest if (m["kind"], m["metadata"]["name"]) == ("Deployment", "solver")]
    solver["spec"]["template"]["spec"]["terminationGracePeriod"] = 60
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(solver, VERSIONS[-1], strict=True)


def test_every_file_belongs_to_an_overlay_or_is_offered() -> None:
    kustomizations = [*(K8S / "overlays" / overlay for overlay in OVERLAYS), *(K8S / name for name in OFFERED)]
    used = {path for folder in kustomizations for path in referenced(folder)}
    assert used == {path.resolve() for path in K8S.rglob("*") if path.is_file()}


@each_overlay
def test_names_are_unique_and_everything_lives_in_the_overlays_namespace(overlay: str) -> None:
    [namespace] = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    keys = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests(overlay)]
    assert len(keys) == len(set(keys))
    for manifest in manifests(overlay):
        if manifest["kind"] != "Namespace":
            assert manifest["metadata"]["namespace"] == namespace["metadata"]["name"]


# --- restricted -------------------------------------------------------------------------------------------------------


@each_overlay
def test_pods_are_restricted(overlay: str) -> None:
    """Pod Security Standards, profile `restricted`, and a read-only root file system on top."""
    for workload in workloads(overlay):
        pod = pod_of(workload)
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all("hostPath" not in volume for volume in pod.get("volumes", []))
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] >= 10_000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(workload):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not {"privileged", "runAsUser"} & context.keys()


@each_overlay
def test_each_workload_has_an_account_of_its_own_without_a_token(overlay: str) -> None:
    accounts = {account["metadata"]["name"]: account for account in of_kind(overlay, "ServiceAccount")}
    used = [pod_of(workload)["serviceAccountName"] for workload in workloads(overlay)]
    assert sorted(used) == sorted(accounts)
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())


@each_overlay
def test_images_are_pinned_and_resources_bounded(overlay: str) -> None:
    for workload in workloads(overlay):
        for container in containers(workload):
            assert is_pinned(container["image"]), container["image"]
            for bound in ("requests", "limits"):
                assert container["resources"][bound].keys() == {"cpu", "memory", "ephemeral-storage"}
        for volume in pod_of(workload).get("volumes", []):
            # What is mounted is bounded, or comes from outside and may be missing.
            assert (
                "sizeLimit" in volume.get("emptyDir", {}) or (volume.get("configMap") or volume["secret"])["optional"]
            )


@each_overlay
def test_every_mount_has_its_volume_and_only_the_temporary_one_is_written_to(overlay: str) -> None:
    for workload in workloads(overlay):
        volumes = {volume["name"] for volume in pod_of(workload)["volumes"]}
        mounted = [mount for container in containers(workload) for mount in container["volumeMounts"]]
        assert {mount["name"] for mount in mounted} == volumes
        assert {mount["mountPath"] for mount in mounted if not mount.get("readOnly")} == {"/tmp"}  # noqa: S108  # inside the container


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("horarium/api:0.1.0", True),
        ("prom/prometheus:v3.7.3", True),
        ("registry.example.edu:5000/horarium/api:0.1.0", True),
        ("horarium/api@sha256:0", True),
        ("horarium/api:latest", False),
        ("horarium/api", False),
        ("registry.example.edu:5000/horarium/api", False),
        ("postgres:18", False),
    ],
)
def test_what_counts_as_pinned(image: str, pinned: bool) -> None:
    assert is_pinned(image) is pinned


# --- settings and secrets ---------------------------------------------------------------------------------------------


@each_overlay
@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_a_setting_with_a_value_that_it_accepts(overlay: str, service: str) -> None:
    [container] = containers(named(overlay, "Deployment", service))
    given = environment(overlay, container)
    assert given.keys() <= variables(service)
    settings = SETTINGS[service].model_validate({name.lower(): value for name, value in given.items()})
    assert settings.http_host == "0.0.0.0"  # noqa: S104  # a pod's own address
    assert [port["containerPort"] for port in container["ports"]] == [settings.http_port]
    required = {name.upper() for name, field in SETTINGS[service].model_fields.items() if field.is_required()}
    assert required <= given.keys()


@each_overlay
def test_the_setup_job_knows_its_variables_and_its_name_carries_the_version(overlay: str) -> None:
    [job] = of_kind(overlay, "Job")
    for container in containers(job):
        assert environment(overlay, container, made=SASL).keys() <= COMMAND_VARIABLES
        assert container["command"][0] == "horarium"
        assert job["metadata"]["name"].endswith(container["image"].rpartition(":")[2].replace(".", "-"))


@each_overlay
def test_the_setup_job_reaches_the_broker_as_the_services_do(overlay: str) -> None:
    """Else the services connect and the topics are never made."""

    def to_the_broker(manifest: Manifest) -> dict[str, str]:
        given = environment(overlay, containers(manifest)[0])
        return {name: value for name, value in given.items() if name in KAFKA_VARIABLES}

    [job] = of_kind(overlay, "Job")
    assert containers(job)[0]["command"] == ["horarium", "topics", "apply"]
    for service in SERVICES:
        assert to_the_broker(named(overlay, "Deployment", service)) == to_the_broker(job)


@each_overlay
@pytest.mark.parametrize("service", ["api", "progress"])
def test_a_former_key_still_verifies_where_its_secret_says_so(overlay: str, service: str) -> None:
    [container] = containers(named(overlay, "Deployment", service))
    assert environment(overlay, container, made=())["JWT_SECRET"] == STAND_IN
    assert "JWT_SECRETS_OLD" not in environment(overlay, container, made=())
    assert environment(overlay, container, made={"JWT_SECRETS_OLD"})["JWT_SECRETS_OLD"] == STAND_IN


def test_in_production_the_broker_is_asked_who_it_is_and_told_who_we_are() -> None:
    [container] = containers(named("production", "Deployment", "solver"))
    given = environment("production", container)
    settings = SolverSettings.model_validate({name.lower(): value for name, value in given.items()})
    assert settings.kafka_security_protocol == "SASL_SSL"
    assert settings.kafka_ssl_ca_file is not None
    without = {name.lower(): value for name, value in environment("production", container, made=()).items()}
    with pytest.raises(ValidationError, match="KAFKA_SASL_USERNAME is missing"):
        SolverSettings.model_validate(without)


@each_overlay
def test_authorities_and_a_certificate_of_ours_have_a_place_in_every_pod(overlay: str) -> None:
    """PostgreSQL's and Redis's files are named in their addresses, which are secrets."""
    for workload in workloads(overlay):
        for container in containers(workload):
            assert is_mounted(container, "/etc/horarium/authorities/postgresql.pem")
            if overlay == "production" and "KAFKA_BOOTSTRAP_SERVERS" in environment(overlay, container):
                assert is_mounted(container, "/etc/horarium/kafka-client/tls.crt")


@each_overlay
def test_secrets_are_referred_to_and_stand_nowhere(overlay: str) -> None:
    assert not of_kind(overlay, "Secret")
    for settings in of_kind(overlay, "ConfigMap"):
        read_by_all = RuntimeSettings if settings["metadata"]["name"] != "horarium-web" else TokenSettings
        assert settings["data"].keys() <= {name.upper() for name in read_by_all.model_fields}
        assert not settings["data"].keys() & (SECRETS.keys() | OPTIONAL_SECRETS.keys())
    for workload in workloads(overlay):
        for container in containers(workload):
            for entry in container.get("env", []):
                secret = entry["name"] in SECRETS or entry["name"] in OPTIONAL_SECRETS
                assert ("value" in entry) != (secret or "valueFrom" in entry), entry["name"]


@each_overlay
@pytest.mark.parametrize("service", ["api", "progress"])
async def test_users_behind_the_ingress_are_told_apart(overlay: str, service: str) -> None:
    """By address; else fifty wrong passwords by anybody would make everybody wait."""
    [container] = containers(named(overlay, "Deployment", service))
    believed = environment(overlay, container)["FORWARDED_ALLOW_IPS"]
    for pod in ("10.244.3.7", "172.20.1.9", "192.168.140.2", "100.64.9.1", "fd00:10:244::7"):
        assert await caller(believed, pod, "203.0.113.9") == "203.0.113.9", "the proxy is a pod"
    # Whoever comes from elsewhere speaks for himself, and what he puts before the proxy's word changes nothing.
    assert await caller(believed, "198.51.100.4", "203.0.113.9") == "198.51.100.4"
    assert await caller(believed, "10.244.3.7", "192.0.2.1, 203.0.113.9") == "203.0.113.9"


# --- living and dying -------------------------------------------------------------------------------------------------


@each_overlay
@pytest.mark.parametrize("service", SERVICES)
def test_only_a_dead_process_is_restarted(overlay: str, service: str) -> None:
    """A broker, database or Redis that is away leaves a pod alive: a solver would lose its searches."""
    [container] = containers(named(overlay, "Deployment", service))
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
    # Whoever has users answers them whatever is away: unready replicas would leave them to the ingress, which knows
    # neither "unknown" nor when to try again, and what one lacks they all lack. The others' readiness has no users: it
    # tells a rollout to wait until a new replica can work (ADR 0040).
    path = "/startz" if service in {"api", "progress"} else "/readyz"
    assert container["readinessProbe"]["httpGet"] == {"path": path, "port": "http"}
    # The checks behind /readyz give a dependency three seconds.
    assert container["readinessProbe"]["timeoutSeconds"] > 3
    alive = container["livenessProbe"]
    assert alive["periodSeconds"] * alive["failureThreshold"] >= 60
    start = container["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] >= 120


@each_overlay
def test_a_solver_has_time_to_hand_its_searches_over(overlay: str) -> None:
    solver = named(overlay, "Deployment", "solver")
    [container] = containers(solver)
    given = environment(overlay, container)
    settings = SolverSettings.model_validate({name.lower(): value for name, value in given.items()})
    slots, cpus = settings.solver_slots, container["resources"]["limits"]["cpu"]
    assert pod_of(solver)["terminationGracePeriodSeconds"] >= 2 * (
        settings.solver_handover_s + settings.solver_stop_grace_s + 10
    )
    assert str(slots) == str(settings.solver_max_workers) == cpus
    assert settings.solver_child_memory_mb is not None
    memory = mebibytes(container["resources"]["limits"]["memory"])
    assert slots * settings.solver_child_memory_mb + OF_THE_SERVICE_MIB <= memory, "a search could have the pod killed"


@each_overlay
def test_hostile_uploads_end_in_a_refusal_and_not_in_a_killed_or_evicted_pod(overlay: str) -> None:
    api = named(overlay, "Deployment", "api")
    [container] = containers(api)
    given = environment(overlay, container)
    settings = ApiSettings.model_validate({name.lower(): value for name, value in given.items()})
    limits = container["resources"]["limits"]
    used = settings.work_processes * settings.work_memory_mib + settings.what_if_memory_mib + OF_THE_SERVICE_MIB
    assert used <= mebibytes(limits["memory"]), "children may take more than the pod may have"
    [disk] = [mebibytes(v["emptyDir"]["sizeLimit"]) for v in pod_of(api)["volumes"] if v["name"] == "tmp"]
    assert settings.uploads_at_once * settings.max_upload_bytes < disk * 2**20, "uploads may take more than there is"
    assert disk + 256 <= mebibytes(limits["ephemeral-storage"]), "logs need some, too"


@each_overlay
@pytest.mark.parametrize("service", SERVICES)
def test_a_rollout_ends_where_there_are_no_more_nodes_than_replicas(overlay: str, service: str) -> None:
    """Before an old pod goes, a new one must have found a node; every node has an old one."""
    deployment = named(overlay, "Deployment", service)
    old = {**labels(deployment), "pod-template-hash": "old"}
    new = {**labels(deployment), "pod-template-hash": "new"}
    affinity = pod_of(deployment).get("affinity", {}).get("podAntiAffinity", {})
    for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution", []):
        assert term["topologyKey"] == "kubernetes.io/hostname"
        # What the API server makes of these keys: the new pod's own values, as a requirement.
        of_the_new = {key: new[key] for key in term.get("matchLabelKeys", [])}
        avoided = {**term["labelSelector"]["matchLabels"], **of_the_new}
        assert selects({"matchLabels": avoided}, new), "it does not keep replicas apart"
        room = deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] > 0
        assert room or not selects({"matchLabels": avoided}, old), "the new pod waits for ever"


@each_overlay
def test_disruption_budgets_cover_every_service_once_and_never_block_a_drain(overlay: str) -> None:
    budgets = of_kind(overlay, "PodDisruptionBudget")
    for service in SERVICES:
        deployment = named(overlay, "Deployment", service)
        [budget] = [b for b in budgets if selects(b["spec"]["selector"], labels(deployment))]
        if "minAvailable" in budget["spec"]:
            assert deployment["spec"]["replicas"] > budget["spec"]["minAvailable"]
        else:
            assert budget["spec"]["maxUnavailable"] >= 1
