"""Reflection resolves every symbol of what is served, and nothing else."""

from collections.abc import Iterable, Iterator

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2 as pb

from chassis.reflection import SERVICES, Files, Reflection
from protos.decryptv1beta1 import decrypt_pb2
from protos.splitkeep.metadata.v1 import secure_values_pb2 as metadata_pb2
from protos.splitkeep.vault.v1 import decrypter_pb2, secure_values_pb2

SERVED = (
    "decryptv1beta1.SecureValueDecrypter",
    "grpc.health.v1.Health",
    "splitkeep.metadata.v1.SecureValues",
    "splitkeep.vault.v1.Decrypter",
    "splitkeep.vault.v1.SecureValues",
)
FILES = (health_pb2, decrypt_pb2, metadata_pb2, decrypter_pb2, secure_values_pb2)

EXTENDED = """
name: "tests/extended.proto" package: "tests" syntax: "proto2"
message_type {
  name: "Open" extension_range { start: 100 end: 200 }
  nested_type {
    name: "Inner"
    enum_type { name: "Mood" value { name: "CALM" number: 0 } }
    extension { name: "deep" number: 102 label: LABEL_OPTIONAL type: TYPE_STRING extendee: ".tests.Open" }
  }
  field { name: "a" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }
  oneof_decl { name: "choice" }
}
extension { name: "extra" number: 101 label: LABEL_OPTIONAL type: TYPE_STRING extendee: ".tests.Open" }
"""  # noqa: E501


@pytest.fixture
def reflection() -> Reflection:
    return Reflection(SERVED)


def parsed(files: Iterable[bytes]) -> list[descriptor_pb2.FileDescriptorProto]:
    return [descriptor_pb2.FileDescriptorProto.FromString(file) for file in files]


def answered(reflection: Reflection, symbol: str) -> list[descriptor_pb2.FileDescriptorProto]:
    answer = reflection.answer(pb.ServerReflectionRequest(file_containing_symbol=symbol))
    assert answer.WhichOneof("message_response") == "file_descriptor_response", symbol
    return parsed(answer.file_descriptor_response.file_descriptor_proto)


def names_in(file: descriptor_pb2.FileDescriptorProto) -> Iterator[str]:
    """By the file alone, without the descriptors that the code under test asks."""
    for service in file.service:
        yield f"{file.package}.{service.name}"
        yield from (f"{file.package}.{service.name}.{m.name}" for m in service.method)
    for enum in file.enum_type:
        yield f"{file.package}.{enum.name}"
        yield from (f"{file.package}.{value.name}" for value in enum.value)
    for message in file.message_type:
        yield from _names_in_message(message, file.package)


def _names_in_message(message: descriptor_pb2.DescriptorProto, scope: str) -> Iterator[str]:
    name = f"{scope}.{message.name}"
    yield name
    yield from (f"{name}.{field.name}" for field in message.field)
    yield from (f"{name}.{oneof.name}" for oneof in message.oneof_decl)
    for enum in message.enum_type:
        yield f"{name}.{enum.name}"
        yield from (f"{name}.{value.name}" for value in enum.value)
    for nested in message.nested_type:
        yield from _names_in_message(nested, name)


@pytest.mark.parametrize("module", FILES, ids=lambda module: module.DESCRIPTOR.name)
def test_every_symbol_leads_to_its_file(reflection: Reflection, module: object) -> None:
    file: FileDescriptor = module.DESCRIPTOR  # type: ignore[attr-defined]
    content = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)
    names = list(names_in(content))

    assert len(names) > 3
    assert {answered(reflection, name)[0].name for name in names} == {file.name}


@pytest.mark.parametrize("service", [*SERVED, *SERVICES])
def test_an_answer_has_every_file_that_its_files_import_once(
    reflection: Reflection, service: str
) -> None:
    files = answered(reflection, service)
    names = [file.name for file in files]

    assert len(names) == len(set(names))
    assert {name for file in files for name in file.dependency} <= set(names)
    pool = descriptor_pool.DescriptorPool()
    for file in reversed(files):
        pool.Add(file)  # type: ignore[no-untyped-call]


def test_an_enum_value_is_found_beside_its_enum_and_in_it(reflection: Reflection) -> None:
    name = "splitkeep.vault.v1.DecryptFailure"
    value = "DECRYPT_FAILURE_NOT_FOUND"

    for symbol in (name, f"{name}.{value}", f"splitkeep.vault.v1.{value}"):
        assert answered(reflection, symbol)[0].name == decrypter_pb2.DESCRIPTOR.name


def test_a_file_is_found_by_its_name(reflection: Reflection) -> None:
    name = decrypter_pb2.DESCRIPTOR.name
    answer = reflection.answer(pb.ServerReflectionRequest(file_by_filename=name, host="h"))

    files = parsed(answer.file_descriptor_response.file_descriptor_proto)
    assert files[0].name == name
    assert (answer.valid_host, answer.original_request.file_by_filename) == ("h", name)


def test_both_versions_are_listed_and_describe_themselves(reflection: Reflection) -> None:
    answer = reflection.answer(pb.ServerReflectionRequest(list_services="*"))

    listed = [service.name for service in answer.list_services_response.service]
    assert listed == sorted({*SERVED, *SERVICES})
    for service in SERVICES:
        (file,) = answered(reflection, f"{service}.ServerReflectionInfo")
        assert file.package == service.removesuffix(".ServerReflection")
        assert file.package not in {"", "v1alpha"}


@pytest.mark.parametrize(
    "request_",
    [
        pb.ServerReflectionRequest(file_containing_symbol="splitkeep.vault.v1.Nothing"),
        pb.ServerReflectionRequest(file_containing_symbol=""),
        pb.ServerReflectionRequest(file_containing_symbol="splitkeep.vault.v1"),
        pb.ServerReflectionRequest(file_by_filename="nothing.proto"),
        pb.ServerReflectionRequest(
            file_containing_extension=pb.ExtensionRequest(
                containing_type="splitkeep.vault.v1.DecryptResult", extension_number=1
            )
        ),
        pb.ServerReflectionRequest(all_extension_numbers_of_type="splitkeep.Nothing"),
        # Loaded in this process, and served by nothing here.
        pb.ServerReflectionRequest(
            file_containing_symbol="splitkeep.metadata.v1.VaultPeer.Resolve"
        ),
    ],
    ids=str,
)
def test_what_is_not_served_is_not_found(
    reflection: Reflection, request_: pb.ServerReflectionRequest
) -> None:
    answer = reflection.answer(request_)

    assert answer.error_response.error_code == 5  # NOT_FOUND
    assert answer.original_request == request_


def test_a_request_for_nothing_is_an_invalid_argument(reflection: Reflection) -> None:
    answer = reflection.answer(pb.ServerReflectionRequest())

    assert answer.error_response.error_code == 3  # INVALID_ARGUMENT


def test_a_message_without_extensions_has_no_numbers(reflection: Reflection) -> None:
    name = "splitkeep.vault.v1.DecryptResult"
    answer = reflection.answer(pb.ServerReflectionRequest(all_extension_numbers_of_type=name))

    assert answer.all_extension_numbers_response.base_type_name == name
    assert list(answer.all_extension_numbers_response.extension_number) == []


def test_extensions_are_found_by_number_wherever_they_are_declared() -> None:
    file = descriptor_pb2.FileDescriptorProto()
    text_format.Parse(EXTENDED, file)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())  # type: ignore[no-untyped-call]
    found = Files([pool.FindFileByName(file.name)])  # type: ignore[no-untyped-call]

    assert found.extension_numbers("tests.Open") == [101, 102]
    symbols = ("tests.extra", "tests.Open.Inner.deep", "tests.Open.choice")
    for files in (
        found.with_extension("tests.Open", 102),
        *(found.with_symbol(symbol) for symbol in (*symbols, "tests.Open.Inner.CALM")),
    ):
        assert [file.name for file in parsed(files)] == ["tests/extended.proto"]
    with pytest.raises(KeyError):
        found.with_extension("tests.Open", 103)


def test_a_service_without_a_descriptor_is_listed_and_not_described() -> None:
    reflection = Reflection(["tests.Handmade"])
    listed = reflection.answer(pb.ServerReflectionRequest(list_services=""))
    asked = pb.ServerReflectionRequest(file_containing_symbol="tests.Handmade")

    names = [service.name for service in listed.list_services_response.service]
    assert "tests.Handmade" in names
    assert reflection.answer(asked).error_response.error_code == 5
