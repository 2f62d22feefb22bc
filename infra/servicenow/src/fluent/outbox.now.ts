import '@servicenow/sdk/global'
import { Acl, ChoiceColumn, DateTimeColumn, IntegerColumn, ReferenceColumn, ScheduledScript, StringColumn, Table } from '@servicenow/sdk/core'
import { sendDue } from '../server/outbox'
import { desk } from './access.now'

export const x_rereg_mfa_outbox = Table({
    name: 'x_rereg_mfa_outbox',
    label: 'Reregister outbox',
    display: 'event_id',
    accessibleFrom: 'package_private',
    actions: [],
    allowWebServiceAccess: false,
    schema: {
        event_id: StringColumn({ label: 'Event', maxLength: 100, mandatory: true }),
        ticket: ReferenceColumn({ label: 'Ticket', referenceTable: 'sc_req_item', mandatory: true }),
        body: StringColumn({ label: 'Body', maxLength: 1000, mandatory: true }),
        state: ChoiceColumn({
            label: 'State',
            default: 'pending',
            dropdown: 'dropdown_without_none',
            choices: {
                pending: { label: 'Pending', sequence: 1 },
                delivered: { label: 'Delivered', sequence: 2 },
                failed: { label: 'Failed', sequence: 3 },
            },
        }),
        tries: IntegerColumn({ label: 'Tries', default: '0' }),
        next_try: DateTimeColumn({ label: 'Next try' }),
        last_status: IntegerColumn({ label: 'Last status' }),
        request_id: StringColumn({ label: 'Request', maxLength: 100 }),
        why: StringColumn({ label: 'Why it failed', maxLength: 200 }),
    },
    index: [
        { name: 'event', unique: true, element: 'event_id' },
        { name: 'due', unique: false, element: ['state', 'next_try'] },
    ],
})

Acl({
    $id: Now.ID['outbox-read'],
    type: 'record',
    table: 'x_rereg_mfa_outbox',
    operation: 'read',
    roles: [desk],
    description: 'The desk sees what became of an event',
})

/** A row written by hand would be an event without an approval behind it. */
Acl({
    $id: Now.ID['outbox-create'],
    type: 'record',
    table: 'x_rereg_mfa_outbox',
    operation: 'create',
    roles: ['admin'],
    description: 'Rows are made by the application',
})

Acl({
    $id: Now.ID['outbox-write'],
    type: 'record',
    table: 'x_rereg_mfa_outbox',
    operation: 'write',
    roles: ['admin'],
    description: 'Rows are changed by the application',
})

Acl({
    $id: Now.ID['outbox-delete'],
    type: 'record',
    table: 'x_rereg_mfa_outbox',
    operation: 'delete',
    roles: ['admin'],
    description: 'Rows are kept',
})

ScheduledScript({
    $id: Now.ID['send-due'],
    name: 'Reregister: send what is due',
    active: true,
    frequency: 'periodically',
    executionInterval: { minutes: 1 },
    executionStart: '2026-01-01 00:00:00',
    timeZone: 'UTC',
    script: sendDue,
})
