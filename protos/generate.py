"""Make the committed stubs from the .proto files, or say which ones are stale.

`python -m protos.generate` writes them, `python -m protos.generate --check` compares.

- The wire names stay `splitkeep/…`; only Python's imports are rewritten to `protos.…`, because
  our own package named `splitkeep` must not be shadowed.
- Generation runs on a developer's machine, never at install: a stub refuses to load on a
  protobuf runtime older than the compiler that made it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
IMPORT = re.compile(
    r"^(from|import) (decryptv1|decryptv1beta1|splitkeep)(?=[. ])", re.MULTILINE
)
MODULE_STRING = re.compile(r"'((?:decryptv1|decryptv1beta1|splitkeep)(?:\.\w+)*_pb2)'")
STUB_SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def main(arguments: list[str]) -> int:
    """Write the stubs, or with `--check` list the stale ones; the exit code says which held."""
    wanted = _generate()
    if arguments != ["--check"]:
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = sorted(
        str(path.relative_to(ROOT))
        for path in _committed() | wanted.keys()
        if _differs(path, wanted)
    )
    for name in stale:
        sys.stderr.write(f"protos/{name} is stale: run `make protos`\n")
    return 1 if stale else 0


def _committed() -> set[Path]:
    return {path for suffix in STUB_SUFFIXES for path in ROOT.rglob(f"*{suffix}")}


def _differs(path: Path, wanted: dict[Path, str]) -> bool:
    return not path.exists() or wanted.get(path) != path.read_text(encoding="utf-8")


def _generate() -> dict[Path, str]:
    sources = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        _compile(sources, directory)
        made = Path(directory)
        return {
            ROOT / path.relative_to(made): _rewritten(path.read_text(encoding="utf-8"))
            for path in sorted(made.rglob("*.py*"))
            if _has_content(path)
        }


def _compile(sources: list[str], directory: str) -> None:
    well_known = str(Path(protoc.__file__).parent / "_proto")
    quiet = {"mypy": "quiet:", "mypy_grpc": "quiet:"}
    outputs = [
        f"--{kind}_out={quiet.get(kind, '')}{directory}"
        for kind in ("python", "grpc_python", "mypy", "mypy_grpc")
    ]
    if protoc.main(["protoc", f"-I{ROOT}", f"-I{well_known}", *outputs, *sources]) != 0:
        raise SystemExit("protoc refused the .proto files")


def _has_content(path: Path) -> bool:
    """Messages without a service get an empty `_pb2_grpc`, which nobody needs."""
    if not path.stem.endswith("_pb2_grpc"):
        return True
    return "Stub" in path.with_suffix(".py").read_text(encoding="utf-8")


def _rewritten(text: str) -> str:
    text = IMPORT.sub(r"\1 protos.\2", text)
    return MODULE_STRING.sub(r"'protos.\1'", text)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
