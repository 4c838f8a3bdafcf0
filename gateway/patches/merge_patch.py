"""JSON Merge Patch (RFC 7396)."""

from dataclasses import dataclass, field

from gateway.patches.patch import Live


@dataclass(frozen=True, slots=True)
class MergePatch:
    """A Patch that looks like the object it is made on."""

    tree: object = field(repr=False)

    def made_on(self, live: Live) -> object:
        """The object as it is to be."""
        return merged(live.tree, self.tree)

    def created(self) -> None:
        """Nothing: there is an object, or there is none to patch."""


def merged(target: object, patch: object) -> object:
    """`target` as `patch` changes it; both stay as they are.

    The algorithm is the one of RFC 7396 §2. Recursion is bounded by the depth that bodies may
    have.
    """
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
