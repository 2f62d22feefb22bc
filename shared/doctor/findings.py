"""pure: what the doctor may find, why each of it matters, and whether a tenant passes.

The ids are stable: programs and docs/doctor.md know them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

PERMISSION = "permission-"
"""Begins the id of a finding about one permission of the default set."""


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer. `mend` is the command for whoever may change it, None where nothing is to be done.

    `mandatory`: a tenant whose answer is not known does not pass.
    """

    id: str
    status: Status
    what: str
    mend: str | None = None
    mandatory: bool = True

    @property
    def why(self) -> str:
        return WHY[PERMISSION] if self.id.startswith(PERMISSION) else WHY[self.id]

    @property
    def passes(self) -> bool:
        return self.status in (Status.OK, Status.WARNING) or (self.status is Status.NOT_CHECKED and not self.mandatory)


WHY = {
    # settings
    "settings-valid": "With one setting that is not valid the app takes in nothing and processes nothing.",
    "settings-effective": "A setting that nobody reads protects nobody, and whoever set it believes that it does.",
    "key-vault-references": "A reference that was not resolved is no secret: it is its own text, which anybody can guess.",
    "mode": "In a dry run nothing is removed; in enforce everything that is allowed is.",
    "webhook-keys": "The key is all that tells ServiceNow from a stranger at the webhook.",
    "journal-account": "Whoever may write to the journal can have anybody reset; what the host needs should not reach it.",
    "protected-users": "Break-glass and synchronisation accounts must never lose their methods, whatever a ticket says.",
    "protected-groups": "Those an attacker would ask for first, such as the board and the desk itself, are kept out by name.",
    "integration-user": "Our own ServiceNow account could approve what it acts on, unless its approvals count for nothing.",
    "approver-group": "Without it anybody whom a ticket asks may approve, a colleague of the attacker's choice too.",
    "proof-required": "Without it nothing says how the caller's identity was proven, which is how help desks are deceived.",
    "catalog-items": "With * an approval of anything, a laptop too, is a licence to reset.",
    "subject-field": "Whoever can edit the field that leads from sys_user to Entra can have another person reset.",
    "cooldown": "Resets of one person in quick succession are what an attack looks like.",
    # Microsoft Graph
    "graph-token": "Without a token of its own identity the app can do nothing on Microsoft Graph.",
    PERMISSION: "Without it a reset fails with nothing written, or an administrator would not be recognised.",
    "permissions-full-reset": "A full reset fails for whoever has a method that our identity may not remove.",
    "permissions-excess": "What the identity may do beyond its job, a stolen token may do too.",
    "guard-canary": "Microsoft's own rule about administrators does not hold an application: only our guard does.",
    "registration-protected": "Between reset and registration the password is all that protects the account.",
    # storage
    "storage-requests-queue": "Without it no request comes in.",
    "storage-results-queue": "Without it nobody hears what became of a request, nor of an alert.",
    "storage-poison-queue": "What cannot be processed waits there for somebody to look at it.",
    "storage-journal": "The journal is what makes one ticket one reset; without it every request waits.",
    "storage-control": "A pause that cannot be read stops everything, and one that cannot be written stops nothing.",
    "storage-receipts": "No audit, no removal: without receipts every request waits.",
    "queue-encoding": "The host puts a message that it cannot decode among the poison, without a word from the app.",
    "poison-empty": "Each message there is somebody's request that nobody works on.",
    # ServiceNow
    "ticket-system": "Without it no ticket can be re-read, and every ticket is refused or waits.",
    "ticket-total-count": "Only the total tells a row that is hidden from us, maybe a rejection, from one that is not there.",
    "ticket-approver-group": "A group that cannot be read, or has nobody in it, lets no approval count.",
    "ticket-sample": "Only a real ticket shows whether fields and approvals are where the settings say.",
    "ticket-fields": "A field that may not be read is taken for one that says no, so no ticket is ever carried out.",
    "ticket-proof-field": "Without it every ticket ends as ticket-system-forbidden.",
    "ticket-profile-field": "Without it no ticket can ask for another profile, and nobody notices.",
    "ticket-catalog-item": "A ticket for another item is refused.",
    "ticket-subject": "The person is whoever this field leads to: nobody is reset, or the wrong one, where it leads elsewhere.",
    "ticket-approvals": "An approval that is hidden from us may be a rejection: the ticket is then not carried out.",
    # clocks
    "clock-graph": "Signatures, approvals and leases are held against the clock.",
    "clock-storage": "Leases and switches are held against the clock.",
    "clock-ticket-system": "A webhook is refused 300 s beside our clock, and approvals are too old or too new.",
}


OPTIONAL = frozenset({"registration-protected"})
"""What our identity is not meant to be able to see: a tenant passes without an answer."""


def passes(findings: Iterable[Finding]) -> bool:
    """No fault, and nothing mandatory unknown."""
    return all(finding.passes for finding in findings)


def permission_id(permission: str) -> str:
    return PERMISSION + permission.lower().replace(".", "-")


def not_checked(ids: Iterable[str], what: str, *, mandatory: bool = True, mend: str | None = None) -> tuple[Finding, ...]:
    return tuple(Finding(one, Status.NOT_CHECKED, what, mend, mandatory and one not in OPTIONAL) for one in ids)
