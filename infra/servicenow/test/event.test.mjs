import assert from 'node:assert/strict'
import { test } from 'node:test'
import event from '../dist/pure/event.js'
import { vectors } from './vectors.mjs'

const { endpointOf, eventBody, eventId } = event
const [good] = vectors.events

for (const told of vectors.events) {
    test(`says just what the receiver reads: ${told.case}`, () => {
        const { table, sys_id, number } = told
        assert.equal(eventBody({ table, sys_id, number, subject: 'is not sent' }, new Date(told.at)), told.body)
        assert.equal(eventId(told.sys_id, told.sys_mod_count), told.id)
    })
}

const impossible = { table: ['', 'Incident', 'x y'], sys_id: ['', 'A'.repeat(32), 'f'.repeat(31), 'glide.maint'], number: ['', 'RITM 1', 'RITM\n', 'Ü1', 'R'.repeat(41)] }
for (const [name, values] of Object.entries(impossible)) {
    for (const value of values) {
        test(`a ticket whose ${name} is ${JSON.stringify(value.slice(0, 12))} is not reported`, () => {
            assert.throws(() => eventBody({ ...good, [name]: value }, new Date(good.at)), { message: `no such ${name}` })
        })
    }
}

for (const count of ['', '-1', '01', '7.5', 'null']) {
    test(`"${count}" does not count changes`, () => {
        assert.throws(() => eventId(good.sys_id, count))
    })
}

for (const address of ['https://app.example.net/api/webhooks/servicenow', 'https://app.example.net:8443/api', ' https://app.example.net/api ']) {
    test(`${address} may be sent to`, () => {
        assert.equal(endpointOf(address), address.trim())
    })
}

const elsewhere = [
    '',
    'http://app.example.net/api/webhooks/servicenow',
    'HTTPS://app.example.net/api',
    'https://app.example.net',
    'https://name:word@app.example.net/api',
    'https://app.example.net/api?code=1',
    'https://app.example.net/api#part',
    'https://app.example.net/${address}',
    'https://app.example.net/api\nhttps://other.example.net/api',
]
for (const address of elsewhere) {
    test(`${JSON.stringify(address)} is not sent to`, () => {
        assert.throws(() => endpointOf(address), { message: 'no such address' })
    })
}
