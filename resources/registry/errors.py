"""Why the registry said no. Every message carries the fact and the remedy."""


class RegistryError(Exception):
    """Anything the registry raises on purpose."""


class RegistryNotMigrated(RegistryError):
    """The database has no registry tables yet."""


class UnknownVersion(RegistryError, LookupError):
    """No version has that model and number."""


class PromotionRefused(RegistryError):
    """A precondition of a move does not hold; nothing was changed."""


class GateRefused(PromotionRefused):
    """The recorded evaluation is absent, failed, edited, or about another artefact."""


class EvaluationStale(PromotionRefused):
    """The evaluation compared with a version that is no longer the champion."""


class ApproverRefused(PromotionRefused):
    """The approver is not listed for the model, or wrote the version."""


class ApprovalMissing(PromotionRefused):
    """The version lacks approvals that stand, or a rejection of it stands."""


class AccessRefused(RegistryError):
    """The token is missing, unknown or at its end, or its role does not allow the action."""


class TransitionRefused(PromotionRefused):
    """The state machine has no such move from the version's stage."""


class TrafficRefused(PromotionRefused):
    """The traffic table cannot be changed like that."""


class TrafficInvalid(RegistryError):
    """A traffic table contradicts itself or the registry."""


class RolloutRefused(PromotionRefused):
    """The rollout cannot be moved like that."""


class RolloutMoved(RegistryError):
    """Somebody else moved the rollout since it was read; nothing was changed."""


class AuditBroken(RegistryError):
    """The audit log was edited, cut, or disagrees with what it records.

    Attributes:
        entry_id: The first entry that does not hold.
    """

    def __init__(self, entry_id: int, fact: str) -> None:
        super().__init__(
            f"audit entry {entry_id}: {fact}; restore the registry from a backup taken before it"
        )
        self.entry_id = entry_id
