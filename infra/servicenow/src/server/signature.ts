/**
 * Standard Webhooks 1.0.0, symmetric signatures (`v1`): what proves to the receiver that an event comes from a holder of a key.
 *
 * Pure: neither Glide nor Node. The MAC is given: `CertificateEncryption.generateMac` on an instance, `crypto` in the tests.
 */

/** The Base64 of an HMAC-SHA256 over the UTF-8 of `text`, under the key whose Base64 is `key`. */
export type Mac = (key: string, text: string) => string

export interface SignedHeaders {
    'webhook-id': string
    'webhook-timestamp': string
    'webhook-signature': string
}

const PREFIX = 'whsec_'
/** 24 bytes; the receiver takes no shorter key. */
const SHORTEST_KEY = 24
/** More signatures the receiver does not read. */
const MOST_KEYS = 8
/** Canonical Base64 only: another spelling of the same key would be refused over there. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?$/
/** The signed text is `id.timestamp.body`: a `.` in the id would let its parts be cut elsewhere. */
const ID = /^[A-Za-z0-9_-]{1,256}$/

/**
 * The Base64 of each `whsec_` key in a text of keys separated by blanks: one in daily use, two while they are changed.
 *
 * Throws an `Error` that repeats nothing of the text: an empty set signs nothing, one bad key spoils all.
 */
export function keysOf(text: string): string[] {
    const words = text.split(/\s+/).filter((word) => word !== '')
    const keys = words.map((word) => word.slice(PREFIX.length))
    const sound = words.every((word, i) => word === PREFIX + keys[i] && BASE64.test(keys[i]) && bytes(keys[i]) >= SHORTEST_KEY)
    if (!sound || keys.length === 0 || keys.length > MOST_KEYS) {
        throw new Error(`expected one or more keys: ${PREFIX} and the Base64 of at least ${SHORTEST_KEY} bytes`)
    }
    return keys
}

/** The three headers of one try: a signature for each key, over the id, the moment of this try and the body. */
export function signed(mac: Mac, keys: readonly string[], id: string, body: string, now: Date): SignedHeaders {
    if (!ID.test(id)) {
        throw new Error('an id consists of letters, digits, _ and -')
    }
    const timestamp = String(Math.floor(now.getTime() / 1000))
    const text = `${id}.${timestamp}.${body}`
    return {
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': keys.map((key) => `v1,${mac(key, text)}`).join(' '),
    }
}

function bytes(base64: string): number {
    return (base64.length / 4) * 3 - (base64.length - base64.replace(/=+$/, '').length)
}
