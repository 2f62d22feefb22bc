// As much of an instance as the outbox touches: records in memory, a clock that is turned by hand, answers from a list.
import vm from 'node:vm'
import { pasted } from '../tools/by-hand.mjs'
import { hmacSha256, property } from './vectors.mjs'

export const SYS_ID = '0123456789abcdef0123456789abcdef'

/** A fresh instance with one approved ticket, an address and a key; `answers` are given to calls in their order. */
export function instance({ answers = [], keys = property(['present']), url = 'https://app.example.net/api/webhooks/servicenow' } = {}) {
    const world = {
        now: Date.parse('2026-11-24T02:35:16Z'),
        calls: [],
        messages: [],
        notes: [],
        roles: ['x_rereg_mfa.desk'],
        tables: {
            x_rereg_mfa_outbox: [],
            sc_req_item: [{ sys_id: SYS_ID, number: 'RITM0010001', approval: 'approved', active: '1', sys_mod_count: '7' }],
        },
    }
    const stamp = (moment) => new Date(moment).toISOString().slice(0, 19).replace('T', ' ')

    class GlideRecord {
        constructor(table) {
            Object.defineProperties(this, { rows: { value: world.tables[table] }, table: { value: table } })
            Object.defineProperties(this, { row: { value: {}, writable: true }, found: { value: [], writable: true } })
            Object.defineProperties(this, { wanted: { value: [] }, limit: { value: Infinity, writable: true } })
        }
        get(field, value) {
            const [name, wanted] = value === undefined ? ['sys_id', field] : [field, value]
            const row = this.rows.find((one) => one[name] === wanted)
            this.row = { ...row }
            return row !== undefined
        }
        addQuery(field, operator, value) {
            this.wanted.push(value === undefined ? (row) => row[field] === operator : (row) => operator === '<=' && row[field] <= value)
        }
        orderBy(field) {
            this.order = (a, b) => (a[field] < b[field] ? -1 : 1)
        }
        setLimit(limit) {
            this.limit = limit
        }
        query() {
            this.found = this.rows.filter((row) => this.wanted.every((wants) => wants(row))).sort(this.order).slice(0, this.limit)
        }
        next() {
            this.row = { ...this.found.shift() }
            return this.row.sys_id !== undefined
        }
        initialize() {
            this.row = {}
        }
        getUniqueValue() {
            return this.row.sys_id
        }
        getValue(field) {
            return this.row[field] ?? null
        }
        setValue(field, value) {
            this.row[field] = String(value)
        }
        insert() {
            if (this.rows.some((row) => row.event_id === this.row.event_id)) {
                return null
            }
            this.rows.push({ ...this.row, sys_id: `row${this.rows.length}` })
            return this.rows.at(-1).sys_id
        }
        update() {
            if (this.work_notes) {
                world.notes.push(this.work_notes)
                this.row.sys_mod_count = String(Number(this.row.sys_mod_count) + 1)
                delete this.work_notes
            }
            Object.assign(this.rows.find((row) => row.sys_id === this.row.sys_id), this.row)
        }
    }

    class RESTMessageV2 {
        call = { headers: {} }
        setEndpoint(url) {
            this.call.url = url
        }
        setHttpMethod(method) {
            this.call.method = method
        }
        setHttpTimeout(milliseconds) {
            this.call.timeout = milliseconds
        }
        setFollowRedirect(follow) {
            this.call.follow = follow
        }
        disableForcedVariableSubstitution() {}
        setRequestHeader(name, value) {
            this.call.headers[name] = value
        }
        setRequestBody(body) {
            this.call.body = body
        }
        execute() {
            world.calls.push({ ...this.call, at: world.now })
            world.whileCalling?.()
            const { status, body, retryAfter } = answers.shift() ?? { status: 0 }
            if (status === 0) {
                throw new Error('connection refused')
            }
            return { getStatusCode: () => status, getBody: () => body, getHeader: (name) => (name === 'Retry-After' ? retryAfter : null) }
        }
    }

    class FixedDate extends Date {
        constructor(...given) {
            super(...(given.length === 0 ? [world.now] : given))
        }
    }

    const context = vm.createContext({
        Date: FixedDate,
        GlideRecord,
        sn_ws: { RESTMessageV2 },
        GlideDateTime: class {
            moment = world.now
            addSeconds(seconds) {
                this.moment += seconds * 1000
            }
            getValue() {
                return stamp(this.moment)
            }
        },
        CertificateEncryption: class {
            generateMac(key, algorithm, text) {
                return algorithm === 'HmacSHA256' ? hmacSha256(key, text) : ''
            }
        },
        gs: {
            getProperty: (name) => ({ 'x_rereg_mfa.url': url, 'x_rereg_mfa.keys': keys })[name],
            hasRole: (role) => world.roles.includes(role),
            getUserDisplayName: () => 'Dana Desk',
            addInfoMessage: (text) => world.messages.push(text),
            addErrorMessage: (text) => world.messages.push(text),
        },
    })
    vm.runInContext(pasted(), context)
    const current = new GlideRecord('sc_req_item')
    current.get(SYS_ID)
    return { world, outbox: vm.runInContext('ReregisterOutbox', context), current, GlideRecord }
}
