"""What `kubectl apply` keeps of the object it applied last: an annotation, reduced here.

kubectl puts the whole applied object into it, `spec.value` included, and learns from it what to
remove at the next apply. Kept are the members that anyone who may read the object may see; a
text that is not clearly an object of this API is dropped.

The gateway, metadata and the vault each reduce it: any caller may send it to any of them.
"""

from collections.abc import Iterator, Mapping

from chassis.json_shape import Members, Text, TextMap, Texts, reduced_to, texts_in

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LAST_APPLIED_SHAPE = Members(
    {
        "apiVersion": Text(),
        "kind": Text(values=frozenset({"SecureValue", "Keeper"})),
        "metadata": Members(
            {
                "name": Text(),
                "generateName": Text(),
                "namespace": Text(),
                "labels": TextMap(),
                "annotations": TextMap(without=frozenset({LAST_APPLIED})),
            }
        ),
        "spec": Members(
            {
                "description": Text(),
                "decrypters": Texts(),
                "ref": Text(),
                "aws": Members(
                    {
                        "region": Text(),
                        "assumeRole": Members({"assumeRoleArn": Text(), "externalID": Text()}),
                    }
                ),
            }
        ),
    }
)


def without_value(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations, with what was applied last reduced to what can be read, or dropped."""
    kept = dict(annotations)
    applied = kept.pop(LAST_APPLIED, None)
    reduced = None if applied is None else reduced_to(applied, LAST_APPLIED_SHAPE)
    return kept if reduced is None else kept | {LAST_APPLIED: reduced}


def texts_of(annotations: Mapping[str, str]) -> Iterator[str]:
    """Every key and value, and the strings inside of a value that is JSON, as they read.

    Other tools than kubectl keep what they applied in annotations of their own.
    """
    for key, text in annotations.items():
        yield key
        yield text
        if text.lstrip().startswith("{"):
            yield from texts_in(text)
