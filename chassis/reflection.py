"""gRPC server reflection, v1 and v1alpha: what is served here, for tools that have no proto.

- Every symbol of the files behind the served services is resolved: services, methods,
  messages, fields, oneofs, enums, enum values and extensions, nested ones too. (The descriptor
  pool, which grpcio's own servicer asks, knows no methods and no enum values.)
- Of other files that the process has loaded nothing is told.
- The two versions differ in the name of their package alone, so the messages of v1alpha serve
  both.
Source: grpc/reflection/v1/reflection.proto.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor
from grpc_reflection.v1alpha import reflection_pb2 as pb

V1ALPHA = "grpc.reflection.v1alpha"
V1 = "grpc.reflection.v1"
SERVICES = (f"{V1}.ServerReflection", f"{V1ALPHA}.ServerReflection")

METHOD = "ServerReflectionInfo"

_NOT_FOUND = grpc.StatusCode.NOT_FOUND
_INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Files:
    """Files by name and by the symbols in them, with what they import."""

    def __init__(self, files: Iterable[FileDescriptor]) -> None:
        self._files: dict[str, FileDescriptor] = {}
        self._by_symbol: dict[str, str] = {}
        self._extensions: dict[str, dict[int, str]] = {}
        for file in files:
            self._add(file)

    def _add(self, file: FileDescriptor) -> None:
        if file.name in self._files:
            return
        self._files[file.name] = file
        self._by_symbol |= dict.fromkeys(_symbols(file), file.name)
        for extended, number in _extensions(file):
            self._extensions.setdefault(extended, {})[number] = file.name
        for imported in file.dependencies:
            self._add(imported)

    def named(self, name: str) -> list[bytes]:
        """The file and all that it imports, serialised, each before what it imports itself.

        Raises KeyError.
        """
        found: dict[str, bytes] = {}
        _collect(self._files[name], found)
        return list(reversed(found.values()))

    def with_symbol(self, symbol: str) -> list[bytes]:
        """See named(). Raises KeyError."""
        return self.named(self._by_symbol[symbol])

    def with_extension(self, extended: str, number: int) -> list[bytes]:
        """See named(). Raises KeyError."""
        return self.named(self._extensions[extended][number])

    def extension_numbers(self, extended: str) -> list[int]:
        """The numbers of a message's extensions. Raises KeyError if the message is not here."""
        if extended not in self._by_symbol:
            raise KeyError(extended)
        return sorted(self._extensions.get(extended, ()))


class Reflection:
    """The servicer of both versions."""

    def __init__(self, services: Iterable[str]) -> None:
        """A service without a descriptor in the default pool is listed, and not described."""
        self._services = sorted({*services, *SERVICES})
        self._files = Files(_files_of(self._services))
        self._answers: Mapping[str, Callable[[Any, pb.ServerReflectionResponse], None]] = {
            "file_by_filename": self._file,
            "file_containing_symbol": self._symbol,
            "file_containing_extension": self._extension,
            "all_extension_numbers_of_type": self._extension_numbers,
            "list_services": self._list,
        }

    async def answers(
        self, requests: AsyncIterator[pb.ServerReflectionRequest], _context: object
    ) -> AsyncIterator[pb.ServerReflectionResponse]:
        """One answer for each request; what is not found does not end the stream."""
        async for request in requests:
            yield self.answer(request)

    def answer(self, request: pb.ServerReflectionRequest) -> pb.ServerReflectionResponse:
        """The answer, or why there is none."""
        response = pb.ServerReflectionResponse(
            valid_host=request.host, original_request=request
        )
        kind = request.WhichOneof("message_request")
        if kind is None:
            _refuse(response, _INVALID, "the request asks for nothing that is known here")
            return response
        try:
            self._answers[kind](getattr(request, kind), response)
        except KeyError:
            _refuse(response, _NOT_FOUND, "nothing served here has this name or number")
        return response

    def _file(self, name: str, response: pb.ServerReflectionResponse) -> None:
        _tell(response, self._files.named(name))

    def _symbol(self, symbol: str, response: pb.ServerReflectionResponse) -> None:
        _tell(response, self._files.with_symbol(symbol))

    def _extension(
        self, wanted: pb.ExtensionRequest, response: pb.ServerReflectionResponse
    ) -> None:
        found = self._files.with_extension(wanted.containing_type, wanted.extension_number)
        _tell(response, found)

    def _extension_numbers(self, extended: str, response: pb.ServerReflectionResponse) -> None:
        numbers = self._files.extension_numbers(extended)
        response.all_extension_numbers_response.base_type_name = extended
        response.all_extension_numbers_response.extension_number.extend(numbers)

    def _list(self, _any: str, response: pb.ServerReflectionResponse) -> None:
        for service in self._services:
            response.list_services_response.service.add(name=service)


def add_reflection(servicer: Reflection, server: Any) -> None:
    """The servicer answers for both versions."""
    method = grpc.stream_stream_rpc_method_handler(
        servicer.answers,
        request_deserializer=pb.ServerReflectionRequest.FromString,
        response_serializer=pb.ServerReflectionResponse.SerializeToString,
    )
    for service in SERVICES:
        server.add_registered_method_handlers(service, {METHOD: method})


def _collect(file: FileDescriptor, found: dict[str, bytes]) -> None:
    """What the file imports is found, and after it the file."""
    for imported in file.dependencies:
        if imported.name not in found:
            _collect(imported, found)
    found[file.name] = file.serialized_pb


def _tell(response: pb.ServerReflectionResponse, files: list[bytes]) -> None:
    response.file_descriptor_response.file_descriptor_proto.extend(files)


def _refuse(response: pb.ServerReflectionResponse, code: grpc.StatusCode, message: str) -> None:
    response.error_response.error_code = code.value[0]
    response.error_response.error_message = message


def _files_of(services: Iterable[str]) -> Iterator[FileDescriptor]:
    pool: Any = descriptor_pool.Default()  # type: ignore[no-untyped-call]
    for service in services:
        if service.startswith(f"{V1}."):
            yield _v1()
            continue
        try:
            yield pool.FindServiceByName(service).file
        except KeyError:
            continue


def _v1() -> FileDescriptor:
    """The descriptor of v1, made of that of v1alpha, in a pool of its own."""
    pool: Any = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto.FromString(pb.DESCRIPTOR.serialized_pb)
    file.name, file.package = file.name.replace("v1alpha", "v1"), V1
    for named in (field for message in file.message_type for field in message.field):
        if named.type_name:
            named.type_name = named.type_name.replace(V1ALPHA, V1)
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(V1ALPHA, V1)
        method.output_type = method.output_type.replace(V1ALPHA, V1)
    pool.AddSerializedFile(file.SerializeToString())
    found: FileDescriptor = pool.FindFileByName(file.name)
    return found


def _symbols(file: FileDescriptor) -> Iterator[str]:
    for service in file.services_by_name.values():
        yield service.full_name
        yield from (method.full_name for method in service.methods)
    for message in file.message_types_by_name.values():
        yield from _of_message(message)
    for enum in file.enum_types_by_name.values():
        yield from _of_enum(enum)
    yield from (extension.full_name for extension in file.extensions_by_name.values())


def _of_message(message: Descriptor) -> Iterator[str]:
    yield message.full_name
    for part in (*message.fields, *message.oneofs, *message.extensions):
        yield part.full_name
    for nested in message.nested_types:
        yield from _of_message(nested)
    for enum in message.enum_types:
        yield from _of_enum(enum)


def _of_enum(enum: EnumDescriptor) -> Iterator[str]:
    """A value's full name has the scope of its enum; tools ask for it within the enum, too."""
    scope = enum.full_name.removesuffix(enum.name)
    yield enum.full_name
    for value in enum.values:
        yield f"{scope}{value.name}"
        yield f"{enum.full_name}.{value.name}"


def _extensions(file: FileDescriptor) -> Iterator[tuple[str, int]]:
    """The full name of the extended message and the number, of each extension."""
    found = list(file.extensions_by_name.values())
    messages = list(file.message_types_by_name.values())
    while messages:
        message = messages.pop()
        found += message.extensions
        messages += message.nested_types
    for extension in found:
        yield extension.containing_type.full_name, extension.number
