"""The software bill of materials: which distributions are inside, CycloneDX 1.6 as JSON."""

import json
import uuid
from collections.abc import Mapping

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from infra.package import CannotPackage
from infra.package.contents import Contents

NAME = "reregister"


def bill(version: str, contents: Contents, pinned: Mapping[str, tuple[str, tuple[str, ...]]], digest: str) -> str:
    """The bill for the package whose SHA-256 is `digest`; the same for the same bytes.

    A component's hashes are those of the archives that it may have been installed from, as `requirements.txt` has them.
    """
    main = Component(
        type=ComponentType.APPLICATION,
        name=NAME,
        version=version,
        bom_ref=NAME,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, digest))
    bom.metadata.component = main
    components = {}
    for one in contents.inside:
        at, hashes = pinned[one.name]
        if at != one.version:
            raise CannotPackage(f"{one.name} {one.version} is installed where {at} is pinned")
        reached, of = contents.modules[one.name]
        components[one.name] = Component(
            type=ComponentType.LIBRARY,
            name=one.name,
            version=one.version,
            bom_ref=f"{one.name}@{one.version}",
            purl=PackageURL("pypi", None, one.name, one.version),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=content) for content in hashes],
            properties=[Property(name=f"{NAME}:modules", value=f"{reached} of {of}")],
        )
    for one in contents.inside:
        bom.components.add(components[one.name])
        bom.register_dependency(components[one.name], [components[name] for name in one.requires & components.keys()])
    required = frozenset().union(*(one.requires for one in contents.inside))
    bom.register_dependency(main, [component for name, component in components.items() if name not in required])
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"]
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
