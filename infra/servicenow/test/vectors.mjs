// What sender and receiver agree on, and Node's MAC in the place of the instance's.
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'

export const vectors = JSON.parse(readFileSync(new URL('../../../tests/vectors/standard_webhooks.json', import.meta.url), 'utf8'))

/** Stands in for `CertificateEncryption.generateMac(key, 'HmacSHA256', text)`: key and result are Base64, the text is UTF-8. */
export const hmacSha256 = (key, text) => createHmac('sha256', Buffer.from(key, 'base64')).update(text, 'utf8').digest('base64')

export const property = (names) => names.map((name) => `whsec_${Buffer.from(vectors.keys[name]).toString('base64')}`).join(' ')
