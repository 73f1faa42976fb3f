"""As much of `kubectl kustomize` as our overlays use, so that they are built and checked where no such program is.

Refuses what it does not know: a field that it passed over would be a manifest that nobody checked. Patches are lists of
JSON Patch operations (RFC 6902) with a target.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from tests.unit.deploy.sources import yaml_documents

Manifest = dict[str, Any]
_KNOWN = {"apiVersion", "kind", "namespace", "resources", "components", "images", "replicas", "patches", "replacements"}
_WITHOUT_NAMESPACE = {"Namespace"}


class KustomizationError(Exception):
    """The kustomization uses something that this builder does not know, or that fits nothing."""


def kustomization(folder: Path) -> Manifest:
    [found] = yaml_documents(folder / "kustomization.yaml")
    if unknown := found.keys() - _KNOWN:
        raise KustomizationError(f"{folder}: {sorted(unknown)} is not known here")
    return found


def build(folder: Path) -> list[Manifest]:
    """The manifests that `kubectl apply --kustomize` would send."""
    return assemble(kustomization(folder), folder)


def assemble(spec: Manifest, folder: Path) -> list[Manifest]:
    """The manifests of a kustomization; its files are named from `folder`."""
    manifests = [manifest for name in spec.get("resources", []) for manifest in _resource(folder / name)]
    return _changed(manifests, spec, folder)


def _changed(manifests: list[Manifest], spec: Manifest, folder: Path) -> list[Manifest]:
    """What components, patches and the rest make of the resources. A component sees all of them, its own included."""
    for name in spec.get("components", []):
        component = kustomization(folder / name)
        added = [manifest for file in component.get("resources", []) for manifest in _resource(folder / name / file)]
        manifests = _changed(manifests + added, component, folder / name)
    for patch in spec.get("patches", []):
        _patch(manifests, patch)
    for count in spec.get("replicas", []):
        _find(manifests, "Deployment", count["name"])["spec"]["replicas"] = count["count"]
    for image in spec.get("images", []):
        _rename_image(manifests, image)
    for replacement in spec.get("replacements", []):
        _replace(manifests, replacement)
    if "namespace" in spec:
        for manifest in manifests:
            if manifest["kind"] in _WITHOUT_NAMESPACE:
                manifest["metadata"]["name"] = spec["namespace"]
            else:
                manifest["metadata"]["namespace"] = spec["namespace"]
    return manifests


def referenced(folder: Path) -> Iterator[Path]:
    """The files that a kustomization is made of, its own included."""
    spec = kustomization(folder)
    yield (folder / "kustomization.yaml").resolve()
    for name in [*spec.get("resources", []), *spec.get("components", [])]:
        if (folder / name).is_dir():
            yield from referenced(folder / name)
        else:
            yield (folder / name).resolve()


def containers(manifest: Manifest) -> list[Manifest]:
    """All containers of a workload, the first ones included."""
    pod = pod_of(manifest)
    return [*pod.get("initContainers", []), *pod["containers"]] if pod else []


def pod_of(manifest: Manifest) -> Manifest:
    """A workload's pod specification, or nothing."""
    pod: Manifest = manifest.get("spec", {}).get("template", {}).get("spec", {})
    return pod


def _resource(path: Path) -> list[Manifest]:
    # YAML anchors share objects; a patch of one must not change the other.
    return build(path) if path.is_dir() else [deepcopy(_unshared(document)) for document in yaml_documents(path)]


def _unshared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value


def _find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    for manifest in manifests:
        if (manifest["kind"], manifest["metadata"]["name"]) == (kind, name):
            return manifest
    raise KustomizationError(f"there is no {kind} {name}")


def _patch(manifests: list[Manifest], patch: Manifest) -> None:
    target = patch["target"]
    hit = [
        manifest
        for manifest in manifests
        if manifest["kind"] == target["kind"] and re.fullmatch(target.get("name", ".*"), manifest["metadata"]["name"])
    ]
    if not hit:
        raise KustomizationError(f"a patch fits nothing: {target}")
    operations = yaml.safe_load(patch["patch"])
    if not isinstance(operations, list):
        raise KustomizationError(f"not a list of JSON Patch operations: {target}")
    for manifest in hit:
        for operation in operations:
            _operate(manifest, deepcopy(operation))


def _operate(manifest: Manifest, operation: Manifest) -> None:
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    place: Any = manifest
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key: Any = int(last) if isinstance(place, list) and last != "-" else last
    match operation["op"]:
        case "add" if isinstance(place, list):
            place.insert(len(place) if key == "-" else key, operation["value"])
        case "add":
            place[key] = operation["value"]
        case "replace":
            place[key]  # raises if there is nothing to replace, as the original does
            place[key] = operation["value"]
        case "remove":
            del place[key]
        case other:
            raise KustomizationError(f"operation {other} is not known here")


def _replace(manifests: list[Manifest], replacement: Manifest) -> None:
    """Put a field of one manifest into fields of others, or into one part of their texts."""
    source = replacement["source"]
    [(place, key)] = _places(_find(manifests, source["kind"], source["name"]), source["fieldPath"])
    for target in replacement["targets"]:
        options, selected = target["options"], target["select"]
        if options.keys() != {"delimiter", "index"}:
            raise KustomizationError(f"replacement options {options} are not known here")
        for path in target["fieldPaths"]:
            for to, name in _places(_find(manifests, selected["kind"], selected["name"]), path):
                parts = to[name].split(options["delimiter"])
                parts[options["index"]] = place[key]
                to[name] = options["delimiter"].join(parts)


def _places(manifest: Manifest, path: str) -> list[tuple[Any, Any]]:
    """The fields that a path names: `*` is every item of a list, `[a.b/c]` a name with dots."""
    *way, last = [name.strip("[]") for name in re.findall(r"\[[^\]]+\]|[^.]+", path)]
    places: list[Any] = [manifest]
    for name in way:
        places = [inner for place in places for inner in (place if name == "*" else [place[name]])]
    return [(place, last) for place in places]


def _rename_image(manifests: list[Manifest], image: Manifest) -> None:
    hit = 0
    for manifest in manifests:
        for container in containers(manifest):
            name, _, tag = container["image"].rpartition(":")
            if name == image["name"]:
                container["image"] = f"{image.get('newName', name)}:{image.get('newTag', tag)}"
                hit += 1
    if not hit:
        raise KustomizationError(f"no container has the image {image['name']}")
