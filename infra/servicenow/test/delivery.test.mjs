import assert from 'node:assert/strict'
import { test } from 'node:test'
import delivery from '../dist/pure/delivery.js'
import { vectors } from './vectors.mjs'

const { decide, FIRST_PAUSE, GIVE_UP_AFTER, LONGEST_PAUSE, retryAfter } = delivery
const NOW = new Date(vectors.retry_after.now)
const TAKEN = JSON.stringify({ id: 'f'.repeat(32), status: 'accepted', statusUrl: 'https://app.example.net/api/requests/f' })
const answer = (status, { body = '', retryAfter = null } = {}) => ({ status, body, retryAfter })

for (const { header, seconds } of vectors.retry_after.cases) {
    test(`Retry-After ${JSON.stringify(header)} asks for ${seconds} s`, () => {
        assert.equal(retryAfter(header, NOW), seconds)
    })
}

test('a fraction of a second is waited out, and a missing header asks for nothing', () => {
    assert.equal(retryAfter('60.5', NOW), 61)
    assert.equal(retryAfter(null, NOW), null)
})

for (const status of [200, 202]) {
    test(`${status} with the id of the request is a delivery`, () => {
        assert.deepEqual(decide(answer(status, { body: TAKEN }), 1, 0, NOW), { kind: 'delivered', requestId: 'f'.repeat(32) })
    })
    for (const body of ['', '<html>Sign in</html>', '{}', '{"id":7}', '{"id":"../x"}', 'null', '[]']) {
        test(`${status} with ${JSON.stringify(body)} comes from somebody else, and passes`, () => {
            assert.deepEqual(decide(answer(status, { body }), 1, 0, NOW), { kind: 'retry', seconds: FIRST_PAUSE })
        })
    }
}

for (const status of [0, 201, 204, 302, 408, 429, 500, 502, 503, 504]) {
    test(`${status} is tried again`, () => {
        assert.deepEqual(decide(answer(status, { body: TAKEN }), 1, 0, NOW), { kind: 'retry', seconds: FIRST_PAUSE })
    })
}

for (const status of [400, 401, 403, 404, 409, 410, 413, 415, 422]) {
    test(`${status} is final, whatever it says about later`, () => {
        const refusal = answer(status, { body: TAKEN, retryAfter: '60' })
        assert.deepEqual(decide(refusal, 1, 0, NOW), { kind: 'failed', why: `status ${status}` })
    })
}

for (const status of [408, 429, 500, 503]) {
    test(`${status} is waited out as long as it asks, in seconds or until a date`, () => {
        assert.deepEqual(decide(answer(status, { retryAfter: '5000' }), 1, 0, NOW), { kind: 'retry', seconds: 5000 })
        const date = 'Tue, 24 Nov 2026 03:35:16 GMT'
        assert.deepEqual(decide(answer(status, { retryAfter: date }), 9, 0, NOW), { kind: 'retry', seconds: 3600 })
    })
}

test('nobody is asked again at once, whatever they say', () => {
    assert.deepEqual(decide(answer(503, { retryAfter: '0' }), 1, 0, NOW), { kind: 'retry', seconds: FIRST_PAUSE })
})

test('without a word about it the pause doubles up to an hour', () => {
    const pauses = [1, 2, 3, 7, 8, 9, 1000].map((tries) => decide(answer(0), tries, 0, NOW).seconds)
    assert.deepEqual(pauses, [30, 60, 120, 1920, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE])
})

test('it is given up when the next try would come too late', () => {
    assert.deepEqual(decide(answer(503), 1, GIVE_UP_AFTER - FIRST_PAUSE, NOW), { kind: 'retry', seconds: FIRST_PAUSE })
    assert.deepEqual(decide(answer(503), 1, GIVE_UP_AFTER - FIRST_PAUSE + 1, NOW), { kind: 'failed', why: 'status 503' })
    assert.deepEqual(decide(answer(0), 40, GIVE_UP_AFTER, NOW), { kind: 'failed', why: 'no answer' })
    assert.deepEqual(decide(answer(429, { retryAfter: '604800' }), 1, 0, NOW), { kind: 'failed', why: 'status 429' })
})

test('every event ends within the day for which the receiver takes it, in a bounded number of tries', () => {
    let age = 0
    let tries = 1
    for (let next = decide(answer(0), tries, age, NOW); next.kind === 'retry'; next = decide(answer(0), tries, age, NOW)) {
        age += next.seconds
        tries += 1
    }
    assert.ok(age <= GIVE_UP_AFTER && GIVE_UP_AFTER < 24 * 3600)
    assert.equal(tries, 30)
})
