import '@servicenow/sdk/global'
import { CrossScopePrivilege, Record, Role } from '@servicenow/sdk/core'

/** Orders the item, attests the proof, sees the outbox, tries again. Who orders attests: never give it to everybody. */
export const desk = Role({
    name: 'x_rereg_mfa.desk',
    description: 'Opens tickets for lost or new phones and attests how identity was proven; sees the outbox; sends an event again',
})

/** Marks the account of Reregister itself; what it may do on platform tables stands in by-hand.md. */
export const integration = Role({
    name: 'x_rereg_mfa.integration',
    description: 'The account by which Reregister reads tickets and writes notes; for no person',
})

/** Its sys_id is Reregister's APPROVER_GROUP. Members are the instance's own: an upgrade leaves them alone. */
export const approvers = Record({
    $id: Now.ID['approvers'],
    $meta: { installMethod: 'first install' },
    table: 'sys_user_group',
    data: {
        name: 'MFA reset approvers',
        description: 'Who may approve that a person registers multifactor authentication again',
        active: true,
    },
})

export const deskOnly = Record({
    $id: Now.ID['desk-only'],
    table: 'user_criteria',
    data: { name: 'Reregister: the desk', active: true, role: [Now.ref('sys_user_role', { name: 'x_rereg_mfa.desk' })] },
})

CrossScopePrivilege({
    $id: Now.ID['read-tickets'],
    operation: 'read',
    status: 'allowed',
    targetName: 'sc_req_item',
    targetScope: 'global',
    targetType: 'sys_db_object',
})

CrossScopePrivilege({
    $id: Now.ID['note-tickets'],
    operation: 'write',
    status: 'allowed',
    targetName: 'sc_req_item',
    targetScope: 'global',
    targetType: 'sys_db_object',
})
