"""What a port tells of itself by reflection, in either version."""

from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2 as pb

from chassis.peer_status import WritableStream

REFLECTION_SERVICES = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)


async def reflected(
    channel: grpc.aio.Channel, service: str, **asked: str | tuple[str, ...]
) -> list[pb.ServerReflectionResponse]:
    """The answers to one request of this kind for each text, over one stream."""
    ((kind, given),) = asked.items()
    texts = (given,) if isinstance(given, str) else given
    asking: Any = pb.ServerReflectionRequest
    requests = [asking(**{kind: text}) for text in texts]
    method: Any = channel.stream_stream(
        f"/{service}/ServerReflectionInfo",
        request_serializer=pb.ServerReflectionRequest.SerializeToString,
        response_deserializer=pb.ServerReflectionResponse.FromString,
    )
    stream = method(timeout=20)
    writing = WritableStream(stream)  # a refusal may arrive before the requests are written
    for request in requests:
        await writing.write(request)
    await stream.done_writing()
    return [answer async for answer in stream]
