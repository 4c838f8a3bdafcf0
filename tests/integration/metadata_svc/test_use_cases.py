"""What the use cases promise on any stores, on Postgres."""

from tests.contracts.metadata_svc.claims import ClaimsContract
from tests.contracts.metadata_svc.edits import EditsContract
from tests.contracts.metadata_svc.keeper_repeats import KeeperRepeatsContract
from tests.contracts.metadata_svc.late_claims import LateClaimsContract
from tests.contracts.metadata_svc.partial_edits import PartialEditsContract
from tests.contracts.metadata_svc.repeats import RepeatsContract
from tests.contracts.metadata_svc.resolves import ResolvesContract


class TestClaims(ClaimsContract):
    pass


class TestLateClaims(LateClaimsContract):
    pass


class TestResolves(ResolvesContract):
    pass


class TestEdits(EditsContract):
    pass


class TestPartialEdits(PartialEditsContract):
    pass


class TestRepeats(RepeatsContract):
    pass


class TestKeeperRepeats(KeeperRepeatsContract):
    pass
