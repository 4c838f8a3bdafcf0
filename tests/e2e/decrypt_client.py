"""A decrypt client generated from the public .proto alone, as Grafana's is; run as a program.

Reads one request as JSON on standard input, compiles `<package>/decrypt.proto` into a
temporary folder, calls with the raw token in `x-access-token` and a self-asserted service name,
and prints each name's answer as JSON. It imports nothing of this project.
"""

import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import grpc
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parents[2] / "protos"


def main() -> None:
    request = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        compile_proto(request["package"], folder)
        sys.path.insert(0, folder)
        print(json.dumps(decrypt(request)))


def compile_proto(package: str, folder: str) -> None:
    outputs = [f"--python_out={folder}", f"--grpc_python_out={folder}"]
    source = f"{package}/decrypt.proto"
    if protoc.main(["protoc", f"-I{PROTOS}", *outputs, source]) != 0:
        raise SystemExit("protoc refused the public proto")


def decrypt(request: dict[str, Any]) -> dict[str, Any]:
    messages = importlib.import_module(f"{request['package']}.decrypt_pb2")
    services = importlib.import_module(f"{request['package']}.decrypt_pb2_grpc")
    credentials = grpc.ssl_channel_credentials(Path(request["ca"]).read_bytes())
    with grpc.secure_channel(request["target"], credentials) as channel:
        try:
            answer = services.SecureValueDecrypterStub(channel).DecryptSecureValues(
                messages.SecureValueDecryptRequest(
                    namespace=request["namespace"], names=request["names"]
                ),
                metadata=(
                    ("x-access-token", request["token"]),
                    ("x-grafana-service-identity-name", "grafana"),
                ),
                timeout=20,
            )
        except grpc.RpcError as error:
            return {"": {"status": error.code().name}}
    return {name: as_json(result) for name, result in answer.decrypted_values.items()}


def as_json(result: Any) -> dict[str, str]:
    return {result.WhichOneof("result"): getattr(result, result.WhichOneof("result"))}


if __name__ == "__main__":
    main()
