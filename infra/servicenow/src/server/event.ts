/**
 * The event: which ticket was approved. Thin, because the receiver reads the ticket again and believes nothing else.
 *
 * Pure: neither Glide nor Node.
 */

export const EVENT_TYPE = 'mfa.reregistration.requested'

export interface TicketReference {
    table: string
    sys_id: string
    number: string
}

const TABLE = /^[a-z][a-z0-9_]{0,79}$/
const SYS_ID = /^[0-9a-f]{32}$/
const NUMBER = /^[A-Za-z0-9_-]{1,40}$/
const COUNT = /^(?:0|[1-9][0-9]{0,9})$/

/**
 * The body of the webhook, to be sent in just these bytes on every try; ASCII, whatever the charset of those who carry it.
 *
 * Throws where a value cannot be one: what the receiver refuses must not look as if it had been sent.
 */
export function eventBody(ticket: TicketReference, at: Date): string {
    demand(TABLE, ticket.table, 'table')
    demand(SYS_ID, ticket.sys_id, 'sys_id')
    demand(NUMBER, ticket.number, 'number')
    return JSON.stringify({
        type: EVENT_TYPE,
        timestamp: `${at.toISOString().slice(0, 19)}Z`,
        data: { table: ticket.table, sys_id: ticket.sys_id, number: ticket.number },
    })
}

/** The `webhook-id`: the ticket and how often it had been changed, so that a later approval is another event. */
export function eventId(sysId: string, modCount: string): string {
    demand(SYS_ID, sysId, 'sys_id')
    demand(COUNT, modCount, 'sys_mod_count')
    return `sn_${sysId}_${modCount}`
}

/** The address as it stands in the property: https, and nothing in it that a log should not show. Throws otherwise. */
export function endpointOf(text: string): string {
    demand(/^https:\/\/[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~-]+)+$/, text.trim(), 'address')
    return text.trim()
}

function demand(grammar: RegExp, value: string, name: string): void {
    if (!grammar.test(value)) {
        throw new Error(`no such ${name}`)
    }
}
