/**
 * The outbox: each event is a row before it is sent, and the row says what became of it. The only module that touches Glide.
 *
 * A row is sent by whoever made it or by the scheduled script. Before a try its next one is set, so that a job which dies in
 * between loses nothing; two that send the same row at once send the same event, which the receiver takes once.
 */
import { CertificateEncryption, GlideDateTime, GlideRecord, gs } from '@servicenow/glide'
import { RESTMessageV2 } from '@servicenow/glide/sn_ws'
import { decide, FIRST_PAUSE, type Answer } from './delivery'
import { endpointOf, eventBody, eventId } from './event'
import { keysOf, signed } from './signature'

const OUTBOX = 'x_rereg_mfa_outbox'
const TICKETS = 'sc_req_item'
const DESK = 'x_rereg_mfa.desk'
const TRY_TIMEOUT = 10_000
const ROWS_IN_A_RUN = 20

/** Of the async rule: the approval is an event, and the first try is made at once. */
export function ticketApproved(current: any): void {
    const row = announce(String(current.getUniqueValue()))
    if (row !== null) {
        attempt(row)
    }
}

/** Of the desk's button: the same ticket as a new event, sent within a minute; the note names who asked and makes the id a new one. */
export function tryAgain(current: any): void {
    const ticket = new GlideRecord<any>(TICKETS)
    if (!gs.hasRole(DESK) || !ticket.get(String(current.getUniqueValue())) || !approvedAndOpen(ticket)) {
        gs.addErrorMessage('Only an approved, open ticket can be sent again, and only by the desk.')
        return
    }
    note(ticket, `Reregister is asked again, by ${gs.getUserDisplayName()}.`)
    const row = announce(String(ticket.getUniqueValue()))
    gs.addInfoMessage(row === null ? 'This event is already in the outbox.' : 'The event will be sent within a minute.')
}

/** Of the scheduled script: every row whose time has come is tried once. */
export function sendDue(): void {
    const row = new GlideRecord<any>(OUTBOX)
    row.addQuery('state', 'pending')
    row.addQuery('next_try', '<=', new GlideDateTime().getValue())
    row.orderBy('next_try')
    row.setLimit(ROWS_IN_A_RUN)
    row.query()
    while (row.next()) {
        attempt(row)
    }
}

/** Of the rule on the ticket: the attested proof becomes a field that the approver sees and Reregister reads, once. */
export function attestProof(current: any): void {
    const proof = current.variables.identity_proof
    if (proof) {
        current.setValue('x_rereg_mfa_identity_proof', String(proof))
    }
}

/**
 * Of the rule on the ticket: once somebody was asked to approve, it stays what they were asked about.
 *
 * Reregister binds the person at its first reading, which may come hours after the approval. To take the request for approval back
 * is refused as well, or it would be the way round.
 */
export function keepOrder(current: any, previous: any): void {
    if ((previous.getValue('approval') || 'not requested') !== 'not requested') {
        gs.addErrorMessage('Who is to be reset, by whose order and by which item was put to the approver, and stays. Order anew.')
        current.setAbortAction(true)
    }
}

/** The new row for the ticket as it stands; null when this event has one, or the ticket is none that can be reported. */
function announce(sysId: string): any {
    const ticket = new GlideRecord<any>(TICKETS)
    const row = new GlideRecord<any>(OUTBOX)
    if (!ticket.get(sysId) || !approvedAndOpen(ticket)) {
        return null
    }
    const id = eventId(sysId, String(ticket.getValue('sys_mod_count')))
    // Asked first only to keep the log quiet: the unique index on event_id decides between two rules that get here at once.
    if (row.get('event_id', id)) {
        return null
    }
    row.initialize()
    row.setValue('event_id', id)
    row.setValue('ticket', sysId)
    row.setValue('body', eventBody({ table: TICKETS, sys_id: sysId, number: String(ticket.getValue('number')) }, new Date()))
    row.setValue('state', 'pending')
    row.setValue('tries', 0)
    row.setValue('next_try', inSeconds(0))
    const made = row.insert()
    return made && row.get(String(made)) ? row : null
}

/** One try, and what follows from it, in the row; a last failure also on the ticket. */
function attempt(row: any): void {
    const tries = Number(row.getValue('tries')) + 1
    const body = String(row.getValue('body'))
    row.setValue('tries', tries)
    row.setValue('next_try', inSeconds(2 * FIRST_PAUSE))
    row.update()
    let answer: Answer
    try {
        answer = send(String(row.getValue('event_id')), body)
    } catch (error) {
        // Address or key are not set, or cannot be: nothing was sent, and no later try would be.
        fail(row, `not set up: ${error instanceof Error ? error.message : 'unknown'}`)
        return
    }
    const now = new Date()
    const age = (now.getTime() - Date.parse(JSON.parse(body).timestamp)) / 1000
    const decision = decide(answer, tries, age, now)
    row.setValue('last_status', answer.status)
    switch (decision.kind) {
        case 'delivered':
            row.setValue('state', 'delivered')
            row.setValue('request_id', decision.requestId)
            row.update()
            break
        case 'retry':
            row.setValue('next_try', inSeconds(decision.seconds))
            row.update()
            break
        case 'failed':
            fail(row, decision.why)
            break
    }
}

/** The answer, or status 0 where there is none. Throws when there is no address or no key to sign with. */
function send(id: string, body: string): Answer {
    const endpoint = endpointOf(gs.getProperty('x_rereg_mfa.url', ''))
    const keys = keysOf(gs.getProperty('x_rereg_mfa.keys', ''))
    const headers = signed(hmacSha256, keys, id, body, new Date())
    const message = new RESTMessageV2()
    message.setEndpoint(endpoint)
    message.setHttpMethod('post')
    message.setHttpTimeout(TRY_TIMEOUT)
    message.setFollowRedirect(false)
    message.disableForcedVariableSubstitution()
    message.setRequestHeader('content-type', 'application/json')
    message.setRequestHeader('webhook-id', headers['webhook-id'])
    message.setRequestHeader('webhook-timestamp', headers['webhook-timestamp'])
    message.setRequestHeader('webhook-signature', headers['webhook-signature'])
    message.setRequestBody(body)
    try {
        const response = message.execute()
        return {
            status: response.getStatusCode() || 0,
            body: response.getBody() || '',
            retryAfter: response.getHeader('Retry-After') || null,
        }
    } catch {
        return { status: 0, body: '', retryAfter: null }
    }
}

function hmacSha256(key: string, text: string): string {
    // The documentation makes an instance; the typings know a static method only.
    const encryption = new (CertificateEncryption as any)()
    return String(encryption.generateMac(key, 'HmacSHA256', text))
}

function fail(row: any, why: string): void {
    row.setValue('state', 'failed')
    row.setValue('why', why)
    row.update()
    const ticket = new GlideRecord<any>(TICKETS)
    if (ticket.get(String(row.getValue('ticket')))) {
        const said = `Reregister has not confirmed that it took this approval (${why}; event ${row.getValue('event_id')}).`
        note(ticket, `${said} Have the connection checked, then use "Try again".`)
    }
}

function note(ticket: any, text: string): void {
    ticket.work_notes = text
    ticket.update()
}

function approvedAndOpen(ticket: any): boolean {
    return ticket.getValue('approval') === 'approved' && ['1', 'true'].indexOf(String(ticket.getValue('active'))) >= 0
}

function inSeconds(seconds: number): string {
    const moment = new GlideDateTime()
    moment.addSeconds(seconds)
    return moment.getValue()
}
