/**
 * What to do after a try: the event was taken, or it is tried again, or a human has to look.
 *
 * Pure: neither Glide nor Node. Source: Standard Webhooks 1.0.0, "Deliverability and reliability"; RFC 9110, section 10.2.3.
 */

/** Status 0: there was no answer. */
export interface Answer {
    status: number
    body: string
    retryAfter: string | null
}

export type Decision =
    | { kind: 'delivered'; requestId: string }
    | { kind: 'retry'; seconds: number }
    | { kind: 'failed'; why: string }

/** After this the receiver takes the event for too old (its `REQUEST_MAX_AGE`); a quarter of an hour for clocks that differ. */
export const GIVE_UP_AFTER = 24 * 3600 - 15 * 60
export const FIRST_PAUSE = 30
export const LONGEST_PAUSE = 3600

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const HTTP_DATE = /^[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT$/
const SECONDS = /^[0-9]{1,9}(?:\.[0-9]{1,9})?$/
/** Refusals that pass: the request took too long to arrive, or there were too many. */
const PASSING = [408, 429]

/**
 * The decision after try number `tries` (from 1) of an event that is `age` seconds old.
 *
 * Taken is what the receiver itself says it took (200 or 202, with its id of the request): a login page or a gateway also says 200.
 * Any other 4xx will not change by itself. The rest passes, as long as the next try still comes in time.
 */
export function decide(answer: Answer, tries: number, age: number, now: Date): Decision {
    const requestId = takenAs(answer)
    if (requestId !== null) {
        return { kind: 'delivered', requestId }
    }
    if (answer.status >= 400 && answer.status < 500 && PASSING.indexOf(answer.status) < 0) {
        return { kind: 'failed', why: `status ${answer.status}` }
    }
    const seconds = Math.max(retryAfter(answer.retryAfter, now) ?? pause(tries), FIRST_PAUSE)
    return age + seconds > GIVE_UP_AFTER ? { kind: 'failed', why: lastSeen(answer) } : { kind: 'retry', seconds }
}

/** The seconds that a `Retry-After` asks for, from a number or an HTTP date, never below 0; null when it says neither. */
export function retryAfter(header: string | null, now: Date): number | null {
    const text = (header ?? '').trim()
    if (SECONDS.test(text)) {
        return Math.ceil(Number(text))
    }
    const date = HTTP_DATE.exec(text)
    if (date === null || MONTHS.indexOf(date[2]) < 0) {
        return null
    }
    const moment = Date.UTC(Number(date[3]), MONTHS.indexOf(date[2]), Number(date[1]), Number(date[4]), Number(date[5]), Number(date[6]))
    return Math.max(0, Math.ceil((moment - now.getTime()) / 1000))
}

/** 30 s that double up to an hour: 30 tries within the day. */
function pause(tries: number): number {
    return Math.min(FIRST_PAUSE * 2 ** Math.min(tries - 1, 20), LONGEST_PAUSE)
}

function takenAs(answer: Answer): string | null {
    if (answer.status !== 200 && answer.status !== 202) {
        return null
    }
    try {
        const said: unknown = JSON.parse(answer.body)
        const id = typeof said === 'object' && said !== null ? (said as { id?: unknown }).id : null
        return typeof id === 'string' && /^[A-Za-z0-9_-]{1,100}$/.test(id) ? id : null
    } catch {
        return null
    }
}

function lastSeen(answer: Answer): string {
    return answer.status === 0 ? 'no answer' : `status ${answer.status}`
}
