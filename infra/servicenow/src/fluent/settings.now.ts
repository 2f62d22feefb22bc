import '@servicenow/sdk/global'
import { Property } from '@servicenow/sdk/core'

/** Both are set on the instance: empty here, and never overwritten by an upgrade. Until both are set every event fails with a note. */
Property({
    $id: Now.ID['url'],
    $meta: { installMethod: 'first install' },
    name: 'x_rereg_mfa.url',
    type: 'string',
    value: '',
    description: 'Where Reregister takes webhooks, https only: https://<function app>/api/webhooks/servicenow',
    roles: { read: ['admin'], write: ['admin'] },
})

Property({
    $id: Now.ID['keys'],
    $meta: { installMethod: 'first install' },
    name: 'x_rereg_mfa.keys',
    type: 'password2',
    value: '',
    isPrivate: true,
    ignoreCache: true,
    description: 'One whsec_ key of WEBHOOK_KEYS, or two separated by a blank while they are changed',
    roles: { read: ['admin'], write: ['admin'] },
})
