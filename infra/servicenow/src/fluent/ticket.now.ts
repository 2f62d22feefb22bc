import '@servicenow/sdk/global'
import { Acl, BusinessRule, ChoiceColumn, Table, UiAction } from '@servicenow/sdk/core'
import { attestProof, keepOrder, ticketApproved, tryAgain } from '../server/outbox'
import { desk } from './access.now'
import { item } from './item.now'

/** The attested proof as a field of the ticket: PROOF_FIELD is x_rereg_mfa_identity_proof. */
export const sc_req_item = Table({
    augments: 'sc_req_item',
    schema: {
        x_rereg_mfa_identity_proof: ChoiceColumn({
            label: 'Identity proof',
            dropdown: 'dropdown_with_none',
            choices: {
                verified_id: { label: 'Verified ID with Face Check', sequence: 1 },
                in_person: { label: 'In person, with an identity document', sequence: 2 },
                manager_callback: { label: 'Manager, called back on the number on record', sequence: 3 },
                none: { label: 'Not proven', sequence: 4 },
            },
        }),
    },
})

/** What was attested when the item was ordered stays; nobody but an administrator writes it by hand. */
Acl({
    $id: Now.ID['proof-write'],
    type: 'record',
    table: 'sc_req_item',
    field: 'x_rereg_mfa_identity_proof',
    operation: 'write',
    roles: ['admin'],
    description: 'The attested identity proof is set by the application alone',
})

/** A new record is held to rules on creation, and not to those on writing. */
Acl({
    $id: Now.ID['proof-create'],
    type: 'record',
    table: 'sc_req_item',
    field: 'x_rereg_mfa_identity_proof',
    operation: 'create',
    roles: ['admin'],
    description: 'No new ticket brings an identity proof with it',
})

/** At the first chance before approval: variables may not be there yet at insertion. Afterwards nothing is filled in. */
BusinessRule({
    $id: Now.ID['attest-proof'],
    name: 'Reregister: identity proof becomes a field',
    table: 'sc_req_item',
    when: 'before',
    action: ['insert', 'update'],
    filterCondition: `cat_item=${item.$id}^approval!=approved^x_rereg_mfa_identity_proofISEMPTY`,
    script: attestProof,
})

/** What the approver has seen is what is reset: whoever may write tickets does not put somebody else in afterwards. */
BusinessRule({
    $id: Now.ID['keep-order'],
    name: 'Reregister: what was put to the approver stays',
    table: 'sc_req_item',
    when: 'before',
    action: ['update'],
    filterCondition: `cat_item=${item.$id}^requested_forVALCHANGES^ORopened_byVALCHANGES^ORcat_itemVALCHANGES^ORapprovalCHANGESTOnot requested`,
    script: keepOrder,
})

/** Async: the approver does not wait for the network. It may fire twice or late; the event's id and the receiver see to that. */
BusinessRule({
    $id: Now.ID['ticket-approved'],
    name: 'Reregister: ticket approved',
    table: 'sc_req_item',
    when: 'async',
    action: ['insert', 'update'],
    filterCondition: `cat_item=${item.$id}^approvalCHANGESTOapproved`,
    script: ticketApproved,
})

UiAction({
    $id: Now.ID['try-again'],
    table: 'sc_req_item',
    name: 'Try again',
    actionName: 'x_rereg_mfa_try_again',
    hint: 'Sends this approved ticket to Reregister once more',
    condition: `current.cat_item == '${item.$id}' && current.approval == 'approved' && current.active == true`,
    roles: [desk],
    showUpdate: true,
    showInsert: false,
    form: { showButton: true },
    script: tryAgain,
})
