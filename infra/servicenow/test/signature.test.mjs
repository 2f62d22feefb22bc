import assert from 'node:assert/strict'
import { test } from 'node:test'
import signature from '../dist/pure/signature.js'
import { hmacSha256, property, vectors } from './vectors.mjs'

const { keysOf, signed } = signature
const base64 = (length) => Buffer.alloc(length, 'k').toString('base64')

for (const delivery of vectors.deliveries) {
    test(`signs as the receiver expects: ${delivery.case}`, () => {
        const keys = keysOf(property(delivery.signed_by))
        assert.deepEqual(signed(hmacSha256, keys, delivery.id, delivery.body, new Date(delivery.timestamp * 1000)), {
            'webhook-id': delivery.id,
            'webhook-timestamp': String(delivery.timestamp),
            'webhook-signature': delivery.signature,
        })
    })
}

test('a later try has the same id and body, and a timestamp and signature of its own', () => {
    const [first] = vectors.deliveries
    const keys = keysOf(property(first.signed_by))
    const later = signed(hmacSha256, keys, first.id, first.body, new Date((first.timestamp + 60) * 1000 + 999))
    assert.equal(later['webhook-id'], first.id)
    assert.equal(later['webhook-timestamp'], String(first.timestamp + 60))
    assert.notEqual(later['webhook-signature'], first.signature)
})

for (const id of ['', 'sn_1.2', 'sn 1', 'sn_é', 'sn_1\n', 'i'.repeat(257)]) {
    test(`the id ${JSON.stringify(id.slice(0, 9))} is not signed`, () => {
        assert.throws(() => signed(hmacSha256, ['a2V5'], id, '{}', new Date(0)), /id/)
    })
}

test('keys may be set apart by any blanks', () => {
    assert.deepEqual(keysOf(` whsec_${base64(24)}\n whsec_${base64(32)} `), [base64(24), base64(32)])
})

const unusable = {
    'nothing': '',
    'blanks': '  ',
    'no prefix': base64(32),
    'the prefix alone': 'whsec_',
    'a key of 23 bytes': `whsec_${base64(23)}`,
    'text that is no Base64': `whsec_${'!'.repeat(44)}`,
    'Base64 for addresses': `whsec_${'-_'.repeat(16)}`,
    'another spelling of a key': `whsec_${'a'.repeat(42)}b=`,
    'a good key beside a bad one': `whsec_${base64(32)} whsec_short`,
    'nine keys': Array(9).fill(`whsec_${base64(32)}`).join(' '),
}
for (const [what, text] of Object.entries(unusable)) {
    test(`nothing is signed with ${what}, and the complaint does not repeat it`, () => {
        assert.throws(() => keysOf(text), (error) => !/[!k-]{9}|aaaa|short/.test(error.message))
    })
}
