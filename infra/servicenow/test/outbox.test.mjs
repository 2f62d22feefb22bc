import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asBlock, onThePage } from '../tools/by-hand.mjs'
import { instance, SYS_ID } from './instance.mjs'
import { property, vectors } from './vectors.mjs'

const TAKEN = { status: 202, body: '{"id":"aaaabbbbccccddddaaaabbbbccccdddd","status":"accepted","statusUrl":"-"}' }
const [told] = vectors.deliveries
const rows = (world) => world.tables.x_rereg_mfa_outbox
const later = (world, seconds) => {
    world.now += seconds * 1000
}

test('an approval becomes a row and is sent at once, signed as the vectors say', () => {
    const { world, outbox, current } = instance({ answers: [TAKEN] })
    outbox.ticketApproved(current)
    const [call] = world.calls
    assert.equal(call.method, 'post')
    assert.equal(call.url, 'https://app.example.net/api/webhooks/servicenow')
    assert.equal(call.follow, false)
    assert.equal(call.body, told.body)
    assert.deepEqual(call.headers, {
        'content-type': 'application/json',
        'webhook-id': told.id,
        'webhook-timestamp': String(told.timestamp),
        'webhook-signature': told.signature,
    })
    assert.equal(rows(world)[0].state, 'delivered')
    assert.equal(rows(world)[0].request_id, 'aaaabbbbccccddddaaaabbbbccccdddd')
    assert.deepEqual(world.notes, [])
})

test('a rule that fires twice sends one event', () => {
    const { world, outbox, current } = instance({ answers: [TAKEN, TAKEN] })
    outbox.ticketApproved(current)
    outbox.ticketApproved(current)
    assert.equal(rows(world).length, 1)
    assert.equal(world.calls.length, 1)
})

test('an approval that was withdrawn before the rule ran is not sent', () => {
    const { world, outbox, current } = instance()
    world.tables.sc_req_item[0].approval = 'requested'
    outbox.ticketApproved(current)
    assert.deepEqual(rows(world), [])
})

test('it is repeated when it is due, not before: the same id and body, a new timestamp and signature', () => {
    const { world, outbox, current } = instance({ answers: [{ status: 503, body: '', retryAfter: '120' }, TAKEN] })
    outbox.ticketApproved(current)
    later(world, 119)
    outbox.sendDue()
    assert.equal(world.calls.length, 1)
    later(world, 1)
    outbox.sendDue()
    const [first, second] = world.calls
    assert.equal(second.body, first.body)
    assert.equal(second.headers['webhook-id'], first.headers['webhook-id'])
    assert.equal(Number(second.headers['webhook-timestamp']), Number(first.headers['webhook-timestamp']) + 120)
    assert.notEqual(second.headers['webhook-signature'], first.headers['webhook-signature'])
    assert.equal(rows(world)[0].state, 'delivered')
    assert.equal(rows(world)[0].tries, '2')
    outbox.sendDue()
    assert.equal(world.calls.length, 2)
})

test('a refusal ends it and is told to the desk', () => {
    const { world, outbox, current } = instance({ answers: [{ status: 401, body: '{}' }] })
    outbox.ticketApproved(current)
    assert.equal(rows(world)[0].state, 'failed')
    assert.equal(world.notes.length, 1)
    assert.match(world.notes[0], /status 401; event sn_0123456789abcdef0123456789abcdef_7\)\. .*Try again/)
    later(world, 24 * 3600)
    outbox.sendDue()
    assert.equal(world.calls.length, 1)
})

test('it is given up within a day, and told to the desk once', () => {
    const { world, outbox, current } = instance()
    outbox.ticketApproved(current)
    for (let minute = 0; minute < 3 * 24 * 60; minute += 1) {
        later(world, 60)
        outbox.sendDue()
    }
    assert.equal(rows(world)[0].state, 'failed')
    assert.equal(rows(world)[0].why, 'no answer')
    assert.equal(world.notes.length, 1)
    assert.ok(world.calls.at(-1).at - world.calls[0].at < 24 * 3600 * 1000)
})

for (const [what, settings] of Object.entries({ 'an address': { url: '' }, 'a key': { keys: '' }, 'a secure address': { url: 'http://app.example.net/api' } })) {
    test(`without ${what} nothing leaves the instance, and the desk is told why`, () => {
        const { world, outbox, current } = instance(settings)
        outbox.ticketApproved(current)
        assert.deepEqual(world.calls, [])
        assert.equal(rows(world)[0].state, 'failed')
        assert.match(world.notes[0], /not set up/)
    })
}

test('a job that dies while it sends is followed by another', () => {
    const { world, outbox, current } = instance({ answers: [TAKEN, TAKEN] })
    world.whileCalling = () => {
        world.whileCalling = undefined
        assert.ok(rows(world)[0].next_try > '2026-11-24 02:35:16')
        later(world, 60)
        outbox.sendDue()
    }
    outbox.ticketApproved(current)
    assert.equal(world.calls.length, 2)
    assert.equal(world.calls[0].headers['webhook-id'], world.calls[1].headers['webhook-id'])
    assert.equal(rows(world)[0].state, 'delivered')
})

test('while keys are changed an event is signed with both', () => {
    const { world, outbox, current } = instance({ answers: [TAKEN], keys: property(['present', 'next']) })
    outbox.ticketApproved(current)
    const both = vectors.deliveries.find((one) => one.signed_by.length === 2 && one.id === told.id)
    assert.equal(world.calls[0].headers['webhook-signature'], both.signature)
})

test('the desk tries again: a note, and a new event', () => {
    const { world, outbox, current } = instance({ answers: [{ status: 401, body: '' }, TAKEN] })
    outbox.ticketApproved(current)
    outbox.tryAgain(current)
    assert.match(world.notes[1], /asked again, by Dana Desk/)
    outbox.sendDue()
    const ids = world.calls.map((call) => call.headers['webhook-id'])
    assert.equal(ids.length, 2)
    assert.equal(ids[1], `sn_${SYS_ID}_9`)
    assert.equal(rows(world)[1].state, 'delivered')
})

for (const [what, change] of Object.entries({
    'by somebody else': (world) => (world.roles = ['itil']),
    'before it is approved': (world) => (world.tables.sc_req_item[0].approval = 'requested'),
    'once it is closed': (world) => (world.tables.sc_req_item[0].active = '0'),
})) {
    test(`a ticket is not sent again ${what}`, () => {
        const { world, outbox, current } = instance()
        change(world)
        outbox.tryAgain(current)
        assert.deepEqual(rows(world), [])
        assert.deepEqual(world.notes, [])
        assert.match(world.messages[0], /Only an approved, open ticket/)
    })
}

test('a run sends twenty rows and leaves the rest to the next', () => {
    const { world, outbox } = instance()
    for (let i = 0; i < 25; i += 1) {
        rows(world).push({ sys_id: `r${i}`, event_id: `sn_${i}`, ticket: SYS_ID, body: told.body, state: 'pending', tries: '0', next_try: '2026-11-24 02:35:16' })
    }
    outbox.sendDue()
    assert.equal(world.calls.length, 20)
    outbox.sendDue()
    assert.equal(world.calls.length, 25)
})

test('the attested proof is copied, and none is copied for none', () => {
    const { outbox, GlideRecord } = instance()
    const ticket = new GlideRecord('sc_req_item')
    outbox.attestProof(Object.assign(ticket, { variables: { identity_proof: 'in_person' } }))
    assert.equal(ticket.getValue('x_rereg_mfa_identity_proof'), 'in_person')
    const without = new GlideRecord('sc_req_item')
    outbox.attestProof(Object.assign(without, { variables: { identity_proof: '' } }))
    assert.equal(without.getValue('x_rereg_mfa_identity_proof'), null)
})

for (const [approval, kept] of Object.entries({ 'not requested': false, requested: true, approved: true, rejected: true })) {
    test(`who is to be reset ${kept ? 'can no longer' : 'can still'} be changed when the approval was ${approval}`, () => {
        const { world, outbox, current, GlideRecord } = instance()
        const previous = new GlideRecord('sc_req_item')
        previous.setValue('approval', approval)
        let aborted = false
        current.setAbortAction = (abort) => (aborted = abort)
        outbox.keepOrder(current, previous)
        assert.equal(aborted, kept)
        assert.equal(world.messages.length, kept ? 1 : 0)
    })
}

test('the page for those who set it up by hand has this very script', () => {
    assert.equal(onThePage(), asBlock())
})
