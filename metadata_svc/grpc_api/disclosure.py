"""What a writer is told of the object that it wrote: all of it only with the right to read.

Of what a write leaves as it was, and who set it when, the right to write says nothing.
"""

from chassis.caller import Caller
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.grpc_api.keeper_messages import keeper_to_proto
from metadata_svc.grpc_api.messages import identity_fields, secure_value_to_proto
from metadata_svc.use_cases.access import may_read
from protos.splitkeep.metadata.v1 import keepers_pb2, secure_value_pb2


def secure_value_for(caller: Caller, secure_value: SecureValue) -> secure_value_pb2.SecureValue:
    """The whole, or which one it is."""
    if may_read(caller, secure_value):
        return secure_value_to_proto(secure_value)
    return secure_value_pb2.SecureValue(**identity_fields(secure_value))


def keeper_for(caller: Caller, keeper: Keeper) -> keepers_pb2.Keeper:
    """The whole, or which one it is."""
    if may_read(caller, keeper):
        return keeper_to_proto(keeper)
    return keepers_pb2.Keeper(**identity_fields(keeper))
