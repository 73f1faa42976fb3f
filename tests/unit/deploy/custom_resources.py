"""What operators in the cluster accept: the fields of their resources that ours use, with types and bounds.

Written down from the documentation of KEDA 2.17 (ScaledObject and TriggerAuthentication specification, PostgreSQL
scaler), of the Prometheus operator 0.80 (API reference) and of the Gateway API 1.2 (HTTPRoute). Their own schemas are
in no package. A field that is not here is refused: whoever begins to use it writes down what it may hold.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Port = Annotated[int, Field(ge=1, le=65535)]
# Prometheus's durations and the Gateway API's; each has its own.
_UNITS = "".join(f"([0-9]+{unit})?" for unit in ("y", "w", "d", "h", "m", "s", "ms"))
PrometheusDuration = Annotated[str, Field(pattern=f"^(0|{_UNITS})$", min_length=1)]
GatewayDuration = Annotated[str, Field(pattern=r"^([0-9]{1,5}(h|m|s|ms)){1,4}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class _Object(BaseModel):
    """Exactly these fields, of exactly these types: the API server converts nothing."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Metadata(_Object):
    name: Name
    namespace: Name
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


# --- KEDA -------------------------------------------------------------------------------------------------------------


class ScaleTarget(_Object):
    name: Name
    api_version: str = "apps/v1"
    kind: str = "Deployment"


class Fallback(_Object):
    failure_threshold: Count
    replicas: Count
    behavior: Literal["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"] = "static"


class ScalingPolicy(_Object):
    type: Literal["Pods", "Percent"]
    value: Annotated[int, Field(gt=0)]
    period_seconds: Annotated[int, Field(gt=0, le=1800)]


class ScalingRules(_Object):
    stabilization_window_seconds: Annotated[int, Field(ge=0, le=3600)]
    policies: Annotated[list[ScalingPolicy], Field(min_length=1)]


class Behavior(_Object):
    scale_up: ScalingRules
    scale_down: ScalingRules


class HorizontalPodAutoscalerConfig(_Object):
    behavior: Behavior


class Advanced(_Object):
    horizontal_pod_autoscaler_config: HorizontalPodAutoscalerConfig


class PostgresqlMetadata(_Object):
    """Every value of a trigger's metadata is a text, numbers too."""

    query: str
    target_query_value: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$")]
    activation_target_query_value: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$")] = "0"


class AuthenticationReference(_Object):
    name: Name


class PostgresqlTrigger(_Object):
    type: Literal["postgresql"]
    metric_type: Literal["AverageValue", "Value"] = "AverageValue"
    metadata: PostgresqlMetadata
    authentication_ref: AuthenticationReference


class ScaledObjectSpec(_Object):
    scale_target_ref: ScaleTarget
    polling_interval: Count = 30
    min_replica_count: Count = 0
    max_replica_count: Count = 100
    fallback: Fallback
    advanced: Advanced
    triggers: Annotated[list[PostgresqlTrigger], Field(min_length=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_replica_count > self.max_replica_count:
            raise ValueError("minReplicaCount must not be greater than maxReplicaCount")
        return self


class ScaledObject(_Object):
    api_version: Literal["keda.sh/v1alpha1"]
    kind: Literal["ScaledObject"]
    metadata: Metadata
    spec: ScaledObjectSpec


class SecretTarget(_Object):
    parameter: str
    name: Name
    key: str


class TriggerAuthenticationSpec(_Object):
    secret_target_ref: Annotated[list[SecretTarget], Field(min_length=1)]


class TriggerAuthentication(_Object):
    api_version: Literal["keda.sh/v1alpha1"]
    kind: Literal["TriggerAuthentication"]
    metadata: Metadata
    spec: TriggerAuthenticationSpec


# --- the Prometheus operator ------------------------------------------------------------------------------------------


class Relabeling(_Object):
    source_labels: list[LabelName] = []
    target_label: LabelName
    action: Literal["replace", "Replace", "keep", "Keep", "drop", "Drop"] = "replace"
    regex: str = "(.*)"
    replacement: str = "$1"


class PodMetricsEndpoint(_Object):
    port: str
    path: Annotated[str, Field(pattern="^/")] = "/metrics"
    interval: PrometheusDuration
    relabelings: list[Relabeling] = []


class Selector(_Object):
    match_labels: dict[str, str]


class PodMonitorSpec(_Object):
    selector: Selector
    pod_metrics_endpoints: Annotated[list[PodMetricsEndpoint], Field(min_length=1)]


class PodMonitor(_Object):
    api_version: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PodMonitor"]
    metadata: Metadata
    spec: PodMonitorSpec


class AlertingRule(_Object):
    alert: str
    expr: str
    lasts: PrometheusDuration | None = Field(default=None, alias="for")
    labels: dict[LabelName, str]
    annotations: dict[LabelName, str]


class RuleGroup(_Object):
    name: Annotated[str, Field(min_length=1)]
    interval: PrometheusDuration | None = None
    rules: list[AlertingRule]


class PrometheusRuleSpec(_Object):
    groups: list[RuleGroup]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({group.name for group in self.groups}) < len(self.groups):
            raise ValueError("two groups have the same name")
        return self


class PrometheusRule(_Object):
    api_version: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PrometheusRule"]
    metadata: Metadata
    spec: PrometheusRuleSpec


# --- the Gateway API --------------------------------------------------------------------------------------------------


class ParentReference(_Object):
    name: Name
    namespace: Name
    section_name: Name


class PathMatch(_Object):
    type: Literal["Exact", "PathPrefix"]
    value: Annotated[str, Field(pattern="^/", max_length=1024)]


class Match(_Object):
    path: PathMatch


class BackendReference(_Object):
    name: Name
    port: Port


class RequestRedirect(_Object):
    scheme: Literal["http", "https"]
    status_code: Literal[301, 302]


class RedirectFilter(_Object):
    type: Literal["RequestRedirect"]
    request_redirect: RequestRedirect


class Timeouts(_Object):
    request: GatewayDuration


class RouteRule(_Object):
    matches: Annotated[list[Match], Field(max_length=64)] = []
    filters: Annotated[list[RedirectFilter], Field(max_length=16)] = []
    backend_refs: Annotated[list[BackendReference], Field(max_length=16)] = []
    timeouts: Timeouts | None = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if bool(self.filters) == bool(self.backend_refs):
            raise ValueError("a rule either redirects or has backends")
        return self


class HTTPRouteSpec(_Object):
    parent_refs: Annotated[list[ParentReference], Field(min_length=1, max_length=32)]
    hostnames: Annotated[list[Name], Field(min_length=1, max_length=16)]
    rules: Annotated[list[RouteRule], Field(min_length=1, max_length=16)]


class HTTPRoute(_Object):
    api_version: Literal["gateway.networking.k8s.io/v1"]
    kind: Literal["HTTPRoute"]
    metadata: Metadata
    spec: HTTPRouteSpec


RESOURCES: dict[str, type[_Object]] = {
    kind.__name__: kind for kind in (ScaledObject, TriggerAuthentication, PodMonitor, PrometheusRule, HTTPRoute)
}
